"""The threshold of a folder: fitted on questions with and without their documents, kept, and used from then on."""

from dataclasses import replace
from pathlib import Path

import pytest

from danlu.apps.grounded.bar import PLAIN, Fitted
from danlu.apps.grounded.signals import Signals
from danlu.apps.knowledge import fitting
from danlu.apps.knowledge.fitting import Question, fit, read_questions
from danlu.apps.knowledge.knowledge import Knowledge, _threshold_of
from danlu.cli.main import main
from danlu.refusal import Refusal


def test_the_stated_share_is_refused_and_the_threshold_is_used_from_then_on(knowledge: Knowledge, place: Path) -> None:
    inside = read_questions(str(place / "questions.csv"))
    done = fit(knowledge, inside, [Question(f"What is the height of mount number {n}?") for n in range(30)], refuse=0.9)
    assert knowledge.grounder.bar == done.bar != PLAIN
    rates = done.to_plain()
    assert (rates["inside"], rates["outside"]) == (len(inside), len(inside) + 30)
    assert rates["refused"]["value"] > 0.8
    assert rates["answered"]["value"] > 0.8
    assert done.found == (len(inside), len(inside))
    with Knowledge.open(place / "documents", str(place / "index")) as again:
        assert again.grounder.bar == done.bar
        assert not again.ask("What is the height of mount number 7?").grounded.answered
        assert "沈怀远" in again.ask("听雨茶馆的创办人是谁？").grounded.text


def test_a_question_is_outside_without_its_document(knowledge: Knowledge) -> None:
    asked = "Who is the lifeguard?"
    passages = knowledge.search(asked, 40)
    without = [each for each in passages if each.document != "pool.md"]
    with_it, left = (knowledge.grounder.signals(asked, each) for each in (passages, without))
    assert with_it["passage"] == pytest.approx(1.0)
    assert left.get("passage", 0.0) < 0.5


def test_a_running_folder_takes_the_threshold_when_it_looks_again(knowledge: Knowledge, place: Path) -> None:
    with Knowledge.open(place / "documents", str(place / "index")) as other:
        fit(other, read_questions(str(place / "questions.csv")), answer=0.9)
        assert knowledge.grounder.bar == PLAIN
        knowledge.refresh()
        assert knowledge.grounder.bar == other.grounder.bar


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("q.csv", "asked,answer\nWho?,I\n", "record 1 has no 'question'"),
        ("q.csv", 'question\n""\n', "record 1: the question is empty"),
        ("q.jsonl", "", "the file is empty"),
        ("q.jsonl", '{"question": 3}\n', "record 1 has no 'question'"),
        ("none.csv", None, "none.csv"),
    ],
)
def test_files_that_hold_no_questions_are_refused(name: str, content: str | None, told: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(Refusal, match=told):
        read_questions(str(tmp_path / name))


def test_questions_have_documents_and_answers_in_several_forms(tmp_path: Path) -> None:
    lines = ['{"question": "a?", "document": "d", "answers": [{"text": "x", "start": 0}, "y"]}', '{"text": "b?"}']
    (tmp_path / "q.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert read_questions(str(tmp_path / "q.jsonl")) == [Question("a?", "d", ("x", "y")), Question("b?")]


def test_a_document_that_is_not_there_and_too_few_questions_are_refused(knowledge: Knowledge) -> None:
    with pytest.raises(Refusal, match=r"'gone\.md': is not in the index"):
        fit(knowledge, [Question("a?", "gone.md")] * 30, refuse=0.9)
    with pytest.raises(Refusal, match="5 questions inside"):
        fit(knowledge, [Question("Who is the lifeguard?")] * 5, refuse=0.9)
    assert not knowledge.threshold.exists()


def test_each_database_has_its_own_threshold_whoever_asks() -> None:
    addresses = ["postgresql://localhost/a", "postgresql://localhost/b", "postgresql://elsewhere/a"]
    files = [_threshold_of(address) for address in addresses]
    assert len({*files, _threshold_of("knowledge")}) == 4
    assert _threshold_of("postgresql://me:secret@localhost/a") == files[0]
    assert _threshold_of("knowledge") == Path("knowledge/threshold.json")


def test_right_texts_are_told_of_what_is_answered_by_a_threshold_of_others(
    knowledge: Knowledge, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = [replace(each, answers=("nothing like it",)) for each in read_questions(str(place / "questions.csv"))]
    right = knowledge.ask(inside[1].text).grounded.text
    inside[1] = replace(inside[1], answers=(right,))

    def told(kept: list[Signals], *_: object, **_settings: object) -> Fitted:
        return Fitted(PLAIN, [number in (1, 3) for number in range(len(kept))])

    monkeypatch.setattr(fitting, "fitted", told)
    done = fit(knowledge, inside, refuse=0.9)
    assert (done.asked, done.right, done.holding, done.shared) == (2, 1, 1, 1.0)
    inside[1], inside[3] = Question("What weighed 812 grams?", answers=("812 grams",)), inside[1]
    assert fit(knowledge, inside, refuse=0.9).holding == 2  # where a line ends within it too


def test_the_command_tells_all_rates(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit", str(place / "questions.csv"), "--folder", str(place / "documents"), "--index", str(place / "index")]
    with pytest.raises(SystemExit) as ended:
        main(["app", "knowledge", *words, "--refuse", "0.9"])
    assert not ended.value.code
    told = [line.partition(": ")[0] for line in capsys.readouterr().out.splitlines()]
    assert {"answered of those inside", "refused of those outside", "F1 of those answered"} <= set(told)


def test_answers_in_columns_as_squad_is_told_are_read_and_what_is_no_answer_is_refused(tmp_path: Path) -> None:
    lines = [
        '{"question": "a?", "answers": {"text": ["x", "y"], "answer_start": [0, 3]}}',
        '{"question": "b?", "answer": "", "answers": ["Bob"]}',
        '{"question": "c?", "answers": {"text": [], "answer_start": []}}',
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(lines), encoding="utf-8")
    found = read_questions(str(tmp_path / "q.jsonl"))
    assert found == [Question("a?", "", ("x", "y")), Question("b?", "", ("Bob",)), Question("c?")]
    (tmp_path / "q.jsonl").write_text('{"question": "a?", "answer": 3}', encoding="utf-8")
    with pytest.raises(Refusal, match="record 1: 'answer' is no text and no list of texts"):
        read_questions(str(tmp_path / "q.jsonl"))
