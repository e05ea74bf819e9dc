"""A folder answers: what is cited stands in its document, answers follow the files, the rest is not answered."""

import csv
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from danlu.apps.grounded.bar import PLAIN, Bar
from danlu.apps.knowledge.following import Turn
from danlu.apps.knowledge.knowledge import Answer, Knowledge, Models
from danlu.bundle.bundle import load
from danlu.cli.main import main
from danlu.index.document import Found
from danlu.refusal import Refusal


def rows(place: Path) -> list[dict[str, str]]:
    with (place / "questions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def stands(knowledge: Knowledge, answer: Answer) -> bool:
    """Whether all that an answer cites stands in its document, by the file itself."""
    for each in answer.grounded.cited:
        document = knowledge.document(each.document)
        assert document is not None
        if document.text[each.start : each.end] != each.text:
            return False
    return bool(answer.grounded.cited) == answer.grounded.answered


def text(knowledge: Knowledge, question: str) -> str:
    return knowledge.ask(question).grounded.text


def test_the_sample_is_answered_from_the_right_documents_and_all_that_is_cited_stands_there(
    knowledge: Knowledge, place: Path
) -> None:
    asked = rows(place)
    found = [knowledge.ask(row["question"]) for row in asked]
    assert all(stands(knowledge, each) for each in found)
    right = [
        row["answer"] in each.grounded.text and each.grounded.cited[0].document == row["document"]
        for row, each in zip(asked, found, strict=True)
        if each.grounded.answered
    ]
    assert len(asked) >= 30
    assert len(right) >= 0.9 * len(asked)
    assert sum(right) >= 0.85 * len(right)


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of France?",
        "量子力学是谁提出的？",
        "¿Dónde está la biblioteca nacional?",
        "🙂",
        "Wie heißt der Bürgermeister?",
    ],
)
def test_what_the_documents_say_nothing_of_is_not_answered(question: str, knowledge: Knowledge) -> None:
    if not any(sign.isalnum() for sign in question):
        with pytest.raises(Refusal, match="empty"):
            knowledge.ask(question)
        return
    found = knowledge.ask(question).grounded
    assert (found.answered, found.text, found.cited) == (False, "", ())


@pytest.mark.parametrize("question", ["", "  \n", "?", "x" * 2001, "a\0b", "\udcffx"])
def test_what_is_no_question_is_refused_in_a_sentence(question: str, knowledge: Knowledge) -> None:
    with pytest.raises(Refusal, match="the question"):
        knowledge.ask(question)


@pytest.mark.parametrize(
    "question", ['" OR 1=1 --', "NEAR(a b) AND *", "'); DROP TABLE danlu_documents; --", "茶 " * 600]
)
def test_signs_of_a_query_language_are_words(question: str, knowledge: Knowledge) -> None:
    assert stands(knowledge, knowledge.ask(question))
    assert text(knowledge, "茶馆几点关门？")


def test_markup_and_orders_in_documents_are_text(knowledge: Knowledge) -> None:
    found = knowledge.ask("How is the vault of Morrow opened?")
    assert '<b onclick="steal()">seven keys</b>' in found.grounded.text
    assert stands(knowledge, found)
    for row in ("Who is the lifeguard?", "茶馆几点关门？"):
        assert "HACKED" not in text(knowledge, row)


def test_answers_follow_files_that_are_changed_deleted_and_added_at_once_and_after_a_restart(place: Path) -> None:
    documents = place / "documents"
    with Knowledge.open(documents, str(place / "index")) as knowledge:
        assert "Petra Lindqvist" in text(knowledge, "Who is the lifeguard?")
        pool = (documents / "pool.md").read_text(encoding="utf-8")
        (documents / "pool.md").write_text(pool.replace("Petra Lindqvist", "Otto Brandt"), encoding="utf-8")
        (documents / "渡船.txt").unlink()
        (documents / "new").mkdir()
        (documents / "new" / "mill.txt").write_text("The windmill of Alderwick grinds rye.", encoding="utf-8")
        (documents / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
        done = knowledge.refresh()
        assert (done.added, done.changed, done.removed) == (1, 1, 1)
        assert [name for name, _ in done.unread] == ["broken.pdf"]
    for _restart in range(2):
        with Knowledge.open(documents, str(place / "index")) as knowledge:
            assert "Otto Brandt" in text(knowledge, "Who is the lifeguard?")
            assert "rye" in text(knowledge, "What does the windmill grind?")
            for row in rows(place):
                found = knowledge.ask(row["question"])
                assert stands(knowledge, found)
                assert "渡船.txt" not in {each.document for each in found.grounded.passages}
                assert "Lindqvist" not in found.grounded.text


def test_a_document_that_changes_while_it_is_read_is_sought_again(
    knowledge: Knowledge, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = []

    def search(question: str, limit: int = 10) -> list[Found]:
        found = Knowledge.search(knowledge, question, limit)
        if not searched:  # between looking and reading the file is replaced
            (place / "documents" / "pool.md").write_text("# Pool\n\nThe lifeguard is Otto Brandt.\n", encoding="utf-8")
            knowledge.index.refresh(place / "documents")
        searched.append(found)
        return found

    monkeypatch.setattr(knowledge, "search", search)
    found = knowledge.ask("Who is the lifeguard?")
    assert found.grounded.text == "The lifeguard is Otto Brandt."
    assert stands(knowledge, found)
    assert len(searched) == 2


def test_a_question_that_follows_is_read_by_what_the_one_before_was_about(knowledge: Knowledge) -> None:
    first = knowledge.ask("听雨茶馆是谁创办的？")
    assert first.subject == "听雨茶馆"
    second = knowledge.ask("它几点关门？", Turn(first.grounded.question, first.subject))
    assert (second.how, second.grounded.question) == ("pronoun", "听雨茶馆几点关门？")
    assert "九点半" in second.grounded.text
    first = knowledge.ask("How long is the crossing of the ferry?")
    second = knowledge.ask("How much does it cost?", Turn(first.grounded.question, "the ferry"))
    assert "two crowns" in second.grounded.text
    third = knowledge.ask("Who is the king?", Turn(first.grounded.question, "the ferry"))
    assert not third.grounded.answered
    assert third.grounded.question == "Who is the king?"


@pytest.mark.parametrize(
    ("before", "question", "how", "text"),
    [
        (Turn("When does the last ferry leave?", "ferry"), "And how much does it cost?", "pronoun", "two crowns"),
        (Turn("Who founded the library?", "the library"), "And when is it closed?", "pronoun", "on Mondays"),
        (Turn("Who founded the library?", "the library"), "And how many books does it hold?", "pronoun", "forty-one"),
        (Turn("听雨茶馆是谁创办的？", "听雨茶馆"), "那它几点关门呢？", "pronoun", "九点半关门"),
        (Turn("听雨茶馆是谁创办的？", "听雨茶馆"), "几点关门呢？", "about", "九点半关门"),
        (Turn("渡船末班是几点？", "渡船"), "那什么时候停航呢？", "about", "七级"),
        (Turn("听雨茶馆是谁创办的？", "听雨茶馆"), "那图书馆呢？", "instead", "1956"),
        (
            Turn("When does the ferry run?", "the ferry"),
            "What does it cost to have furniture fetched?",
            "pronoun",
            "twelve",
        ),
        (
            Turn("When does the ferry run?", "the ferry"),
            "What does it cost to return a bicycle late?",
            "as_asked",
            "the bicycle",
        ),
        # what nothing says of that, or of another thing
        (Turn("When does the last ferry leave?", "ferry"), "And the zoo?", "instead", ""),
        (Turn("When does the last ferry leave?", "ferry"), "What about dogs?", "instead", ""),
        (Turn("听雨茶馆是谁创办的？", "听雨茶馆"), "动物园呢？", "instead", ""),
        (Turn("Who is the lifeguard?", "the lifeguard"), "When was it founded?", "pronoun", ""),
        (Turn("Who founded the library?", "the library"), "Who leads the IT department?", "as_asked", ""),
        (Turn("听雨茶馆是谁创办的？", "听雨茶馆"), "我应该怎么办借书证？", "as_asked", ""),
    ],
)
def test_a_question_that_follows_gets_an_answer_of_its_own_or_none(
    before: Turn, question: str, how: str, text: str, knowledge: Knowledge
) -> None:
    found = knowledge.ask(question, before)
    assert (found.how, found.grounded.answered) == (how, bool(text))
    assert text in found.grounded.text
    assert stands(knowledge, found)


@pytest.mark.parametrize("question", ["米其林轮胎多少钱？", "各得其所是什么意思？", "他汀什么时候服用？"])
def test_a_pronoun_within_a_word_keeps_no_question_from_standing_alone(question: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    said = ["退货政策规定七天内可以退货。", "米其林轮胎每条三百八十元。", "各得其所是人人满意。", "他汀在晚上服用。"]
    for number, line in enumerate(said):
        (tmp_path / "docs" / f"{number}.txt").write_text(line, encoding="utf-8")
    with Knowledge.open(tmp_path / "docs", str(tmp_path / "index")) as found:
        found.refresh()
        assert question[:2] in found.ask(question, Turn("退货政策规定几天内可以退货？", "退货政策")).grounded.text


def test_a_sentence_that_goes_on_in_the_next_line_is_answered_whole(knowledge: Knowledge) -> None:
    found = knowledge.ask("What weighed 812 grams?")
    assert found.grounded.text == "In 2019 the winner weighed 812\ngrams and was grown by Mira Tolland."
    assert stands(knowledge, found)


def test_a_bundle_of_answer_points_and_a_threshold_of_other_models_is_not_used(
    place: Path, tiny_bundle: Callable[[str], Path]
) -> None:
    bar = Bar({"piece": 0.0}, 0.0, 0.0, models=None)
    with Knowledge.open(place / "documents", str(place / "index")) as knowledge:
        knowledge.keep_threshold(bar)
        assert knowledge.grounder.bar == bar
    with (
        load(tiny_bundle("answer"), threads=1) as reader,
        Knowledge.open(place / "documents", str(place / "index"), Models(reader=reader)) as knowledge,
    ):
        assert knowledge.grounder.bar == PLAIN
        assert "was fitted with other models" in knowledge.notes[0]
        knowledge.keep_threshold(Bar({"piece": 0.0}, 0.0, 0.0, models=knowledge.models.told))
        assert knowledge.notes == []
        for row in rows(place)[::6]:
            found = knowledge.ask(row["question"])
            assert found.grounded.way == "extract"
            assert stands(knowledge, found)


def test_a_damaged_threshold_and_an_index_in_the_folder_of_the_documents_are_refused(place: Path) -> None:
    (place / "index" / "threshold.json").write_text("{", encoding="utf-8")
    with pytest.raises(Refusal, match=r"threshold\.json: cannot be read"):
        Knowledge.open(place / "documents", str(place / "index"))
    with pytest.raises(Refusal, match="keep the index in another"):
        Knowledge.open(place / "documents", str(place / "documents"))
    with pytest.raises(Refusal, match="none: is no folder"):
        Knowledge.open(place / "none", str(place / "other"))
    assert not (place / "other").exists()


def test_an_index_below_the_documents_is_none_of_them(place: Path) -> None:
    with Knowledge.open(place / "documents", str(place / "documents" / "knowledge")) as knowledge:
        knowledge.keep_threshold(PLAIN)
        done = knowledge.refresh()
        assert (done.added, done.unread) == (13, [])


@pytest.mark.parametrize("index", ["", "knowledge"])
def test_what_cannot_be_read_is_told_wherever_the_index_lies(place: Path, index: str) -> None:
    """The documents may lie in the folder of the index, too."""
    (place / "documents" / "bad.pdf").write_bytes(b"no pdf")
    with Knowledge.open(place / "documents", str(place / index)) as knowledge:
        assert [name for name, _ in knowledge.refresh().unread] == ["bad.pdf"]


def test_while_files_change_every_answer_stands_in_one_of_their_versions(knowledge: Knowledge, place: Path) -> None:
    path = place / "documents" / "pool.md"
    told = path.read_text(encoding="utf-8")
    versions = [told, told.replace("# The swimming pool\n\n", "# Pool\n\nIt is blue.\n\n").replace("Petra", "Otto")]
    asked, went, found = threading.Condition(), [], []

    def change() -> None:
        for version in [*versions[::-1]] * 4:
            path.write_text(version, encoding="utf-8")
            went.append(knowledge.refresh().changed)
            with asked:  # of two answers that end after it, one was begun after it
                seen = len(found)
                asked.wait_for(lambda seen=seen: len(found) > seen + 1, timeout=60)

    changing = threading.Thread(target=change)
    changing.start()
    while changing.is_alive():
        answer = knowledge.ask("Who is the lifeguard?").grounded
        with asked:
            found.append(answer)
            asked.notify()
    changing.join()
    assert went == [1] * 8
    assert {each.why for each in found} <= {"", "changed"}
    for each in found:
        for piece in each.cited:
            assert any(piece.text == version[piece.start : piece.end] == each.text for version in versions)
    assert {each.text.split()[3] for each in found if each.answered} == {"Petra", "Otto"}


@pytest.mark.parametrize("command", ["ask", "refresh", "fit"])
def test_with_another_folder_an_index_is_refused_and_stays_as_it_is(
    command: str, place: Path, knowledge: Knowledge, capsys: pytest.CaptureFixture[str]
) -> None:
    before = knowledge.index.names()
    (place / "other").mkdir()
    (place / "other" / "a.txt").write_text("Nothing of that.", encoding="utf-8")
    words = {
        "ask": ["ask", "Who is the lifeguard?", "--folder"],
        "refresh": ["refresh"],
        "fit": ["fit", str(place / "questions.csv"), "--folder"],
    }[command]
    with pytest.raises(SystemExit) as ended:
        main(["app", "knowledge", *words, str(place / "other"), "--index", str(place / "index")])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert f"is the index of {place / 'documents'}" in " ".join(told.split())
    assert "--index" in told
    assert knowledge.index.names() == before
    assert "Petra Lindqvist" in text(knowledge, "Who is the lifeguard?")


def test_an_index_and_its_folder_may_be_moved_together(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "moved").mkdir()
    for name in ("documents", "index"):
        (place / name).rename(place / "moved" / name)
    monkeypatch.chdir(place / "moved")
    with Knowledge.open(Path("documents"), "index") as knowledge:
        assert (knowledge.refresh().removed, len(knowledge.index)) == (0, 13)
