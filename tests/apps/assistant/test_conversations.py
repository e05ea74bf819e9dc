"""Questions answered, followed up, handed over; conversations that are limited; what people say takes effect."""

import json
import signal
import sys
from pathlib import Path

import pytest
import started

from danlu.apps.assistant import judging, outbox
from danlu.apps.assistant.assistant import Assistant, Models
from danlu.apps.assistant.conversations import Patience, forget, turns_of
from danlu.apps.assistant.folding import Entry
from danlu.apps.assistant.handing_over import done, waiting
from danlu.apps.assistant.opening import opened
from danlu.apps.assistant.store import Store
from danlu.apps.assistant.tables import TURNS
from danlu.apps.assistant.tuning import rows
from danlu.bundle.bundle import load
from danlu.refusal import Refusal

UNKNOWN = "Who won the football match yesterday?"


def handed(assistant: Assistant) -> list[dict[str, object]]:
    with assistant.store.begin() as connection:
        return waiting(connection)


def test_a_past_answer_is_given_with_the_ticket_that_it_comes_from(assistant: Assistant) -> None:
    for question, part in (("怎样退货", "收到商品 7 天内"), ("how do I reset the password", "Forgotten password")):
        answer = assistant.ask(question)
        assert answer.kind == "past"
        assert part in answer.text
        assert answer.cites[0]["answer"] == answer.text
        assert answer.language == ("zh" if "退" in question else "en")
    assert handed(assistant) == []


def test_what_nothing_answers_is_handed_over_with_what_was_said_before(assistant: Assistant) -> None:
    first = assistant.ask("How do I reset my password?")
    assistant.judge(first.turn, "wrong", None, judging.CUSTOMER)
    second = assistant.ask(UNKNOWN, first.session)
    third = assistant.ask("你们卖飞机票吗", first.session, "zh")
    assert [second.kind, third.kind] == ["person", "person"]
    assert "passed it on to a person" in second.text
    assert "补充给人工客服" in third.text
    (found,) = handed(assistant)
    told = found["summary"]
    assert told["why"] == "unsure"
    assert [turn["question"] for turn in told["turns"]] == ["How do I reset my password?", UNKNOWN]
    assert "你们卖飞机票吗" in told["text"]
    assert "被认为有误的答复：1 个" in told["text"]
    with assistant.store.begin() as connection:
        assert outbox.counts(connection)["waiting"] == 2
        done(connection, str(found["id"]), third.turn)
        with pytest.raises(Refusal, match="nothing of this name"):
            done(connection, "none", third.turn)
    assert handed(assistant) == []


def test_a_customer_may_want_a_person_whatever_was_answered(assistant: Assistant) -> None:
    first = assistant.ask("How do I reset my password?")
    assert assistant.person(first.session).text.startswith("I have passed this on")
    assert handed(assistant)[0]["summary"]["why"] == "asked"
    with pytest.raises(Refusal, match="there is no such conversation"):
        assistant.person("no-such-session")


def test_a_question_that_goes_on_is_sought_with_the_one_before(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as assistant:
        asked = {
            "退货运费谁出": "普通用户的退货运费自理。",
            "学生用户退货运费谁出": "学生用户的退货运费由我们出。",
            "会员的积分怎么用": "会员积分在结算时抵扣。",
        }
        assistant.store.add([Entry(f"e{n}", answer, "", (text,), 1) for n, (text, answer) in enumerate(asked.items())])
        assistant.refresh()
        first = assistant.ask("退货运费谁出")
        assert first.text.startswith("普通用户")
        follow = assistant.ask("那学生用户呢", first.session)
        assert follow.text.startswith("学生用户")
        assert assistant.ask("那学生用户呢").kind == "person"
        other = assistant.ask("今天几点下雨", first.session)
        assert other.kind == "person"
        with assistant.store.begin() as connection:
            turns = turns_of(connection, first.session)
        assert turns[1].sought == "退货运费谁出 那学生用户呢"
        assert [turn.number for turn in turns] == [1, 2, 3]


def test_conversations_are_limited_end_with_silence_and_are_forgotten(assistant: Assistant, clock) -> None:
    assistant.now, assistant.patience = clock, Patience(seconds=60, turns=2, days=1)
    first = assistant.ask("包邮吗")
    assert first.begun
    clock.time -= 7200  # a clock that is set back ends nothing
    second = assistant.ask("怎么开发票", first.session)
    assert (second.session, second.begun) == (first.session, False)
    third = assistant.ask("包邮吗", first.session)
    assert third.session != first.session
    assert third.begun
    clock.time += 61
    assert assistant.ask("包邮吗", third.session).session != third.session
    clock.time += 86_500
    with assistant.store.begin() as connection:
        assert forget(connection, clock(), assistant.patience) == 3
        assert turns_of(connection, first.session) == []


@pytest.mark.parametrize("question", ["", "  ", "???", "。。。", "\u0000\u0007"])
def test_what_is_no_question_is_a_sentence(assistant: Assistant, question: str) -> None:
    with pytest.raises(Refusal, match="Please write what you would like to know"):
        assistant.ask(question)
    with pytest.raises(Refusal, match="请写下您想了解的问题"):
        assistant.ask(question, language="zh")


def test_any_other_text_gets_an_answer_or_a_person(assistant: Assistant) -> None:
    for question in [
        "Où est mon colis ?",
        "где моя посылка",
        "a\ud800b",
        '"; DROP TABLE x; --',
        "AND OR NOT *",
        "𠮷" * 4000,
    ]:
        assert assistant.ask(question).kind in ("past", "person")
    with pytest.raises(Refusal, match="4,001 characters"):
        assistant.ask("x" * 4001)


def test_a_correction_holds_from_the_next_question_on_and_a_wrong_answer_is_not_given_again(
    assistant: Assistant,
) -> None:
    first = assistant.ask(UNKNOWN)
    assistant.judge(first.turn, "corrected", "We sell lamps, and know nothing of football.", "desk")
    again = assistant.ask(UNKNOWN)
    assert (again.kind, again.text) == ("past", "We sell lamps, and know nothing of football.")
    assert handed(assistant) == []
    assistant.judge(again.turn, "wrong", None, "desk")
    assert assistant.ask(UNKNOWN).entry != again.entry
    given = assistant.ask("怎么退货？")
    assistant.judge(given.turn, "wrong", None, "desk")
    assert assistant.ask("怎么退货？").entry != given.entry
    assert assistant.ask("如何退货").entry == given.entry  # of another question it may still be the answer


def test_what_customers_say_is_kept_and_changes_nothing_by_itself(assistant: Assistant) -> None:
    given = assistant.ask("怎么退货？")
    assistant.judge(given.turn, "wrong", None, judging.CUSTOMER)
    assert assistant.ask("怎么退货？").entry == given.entry
    with pytest.raises(Refusal, match="answers are written by who keeps this"):
        assistant.judge(given.turn, "corrected", "free money for all", judging.CUSTOMER)
    with assistant.store.begin() as connection:
        assert [each.verdict for each in judging.judgements(connection, customers=True)] == ["wrong"]
        assert judging.judgements(connection) == []


@pytest.mark.parametrize(
    ("verdict", "answer", "sentence"),
    [
        ("good", None, "expected right, wrong or corrected"),
        ("corrected", " ", "'answer' goes with the verdict 'corrected'"),
        ("wrong", "no", "'answer' goes with the verdict 'corrected'"),
        ("right", None, "was handed over"),
        ("corrected", "x" * 20_001, "20,001 characters"),
    ],
)
def test_verdicts_that_do_not_fit_are_refused(
    assistant: Assistant, verdict: str, answer: str | None, sentence: str
) -> None:
    turn = assistant.ask(UNKNOWN).turn
    with pytest.raises(Refusal, match=sentence):
        assistant.judge(turn, verdict, answer, "desk")
    with pytest.raises(Refusal, match="there is no such turn"):
        assistant.judge("x", "right", None, "desk")


def test_judgements_become_rows_to_learn_from(assistant: Assistant) -> None:
    given = assistant.ask("怎么退货？")
    assistant.judge(given.turn, "corrected", "请致电门店。", "desk")
    with assistant.store.begin() as connection:
        found = rows(assistant.finder.known, judging.judgements(connection))
    (row,) = [row for row in found if row["text_pair"] == "请致电门店。"]
    assert row == {"text": "怎么退货？", "text_pair": "请致电门店。", "negatives": [given.text]}
    assert len(found) > len(assistant.finder.known.phrases)


def test_a_judgement_that_was_told_as_kept_survives_kill_9_and_takes_effect(folder: Path) -> None:
    with opened(folder) as assistant:
        turn = assistant.ask(UNKNOWN).turn
    script = (
        "import os, signal, sys, time\n"
        "from danlu.apps.assistant.judging import judge\n"
        "from danlu.apps.assistant.store import Store\n"
        "store = Store(sys.argv[1])\n"
        "with store.begin() as connection:\n"
        "    judge(connection, sys.argv[2], 'corrected', 'Kept.', 'desk', time.time())\n"
        "print('kept', flush=True)\n"
        "with store.begin() as connection:\n"
        "    judge(connection, sys.argv[2], 'corrected', 'Not kept.', 'desk', time.time())\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    words = [sys.executable, "-c", script, f"sqlite:///{folder}/assistant.db", turn]
    ended = started.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "kept\n"), ended.stderr
    with opened(folder) as assistant:  # the index had not heard of it
        assert assistant.ask(UNKNOWN).text == "Kept."
        assert "Not kept." not in json.dumps([entry.answer for entry in assistant.finder.known.entries.values()])


def test_another_process_sees_what_was_kept(folder: Path) -> None:
    with opened(folder) as one, opened(folder) as other:
        assert not other.refresh()
        turn = one.ask(UNKNOWN).turn
        one.judge(turn, "corrected", "Here it is.", "desk")
        assert other.refresh()
        assert other.ask(UNKNOWN).text == "Here it is."


def test_a_generator_answers_only_what_stands_in_past_answers(
    assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    from danlu.apps.grounded import grounded

    said = ["A refund reaches your card 3 to 5 working days after the parcel has come back to us. We also pay the bus."]
    monkeypatch.setattr(grounded, "written", lambda *_given: said[0])
    monkeypatch.setattr(grounded, "refuse_other_writers", lambda _bundle: None)
    assistant.models = Models(generator=object())  # type: ignore[arg-type]
    question = "working days after parcel back to card"
    assert not assistant.placed(question).given
    answer = assistant.ask(question)
    assert answer.kind == "written"
    assert answer.text.startswith("A refund reaches your card")
    assert "bus" not in answer.text
    assert answer.cites[0]["answer"].startswith("A refund reaches your card")
    said[0] = "We pay the bus."
    assert assistant.ask(question).kind == "person"


REFUND = "A refund reaches your card 3 to 5 working days after the parcel has come back to us."


@pytest.fixture
def writing(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> Assistant:
    """An assistant whose generator says what stands in a past answer, whatever it is given."""
    from danlu.apps.grounded import grounded

    monkeypatch.setattr(grounded, "written", lambda *_given: REFUND)
    monkeypatch.setattr(grounded, "refuse_other_writers", lambda _bundle: None)
    assistant.models = Models(generator=object())  # type: ignore[arg-type]
    return assistant


ASKED = "working days after parcel back to card"


def test_the_numbers_of_a_written_answer_are_those_of_what_it_cites(writing: Assistant) -> None:
    answer = writing.ask(ASKED)
    assert answer.text == f"{REFUND}[1]"
    assert len(answer.cites) == 1
    assert REFUND in answer.cites[0]["answer"]
    writing.judge(answer.turn, "right", None, "desk")
    again = writing.ask(ASKED)
    assert (again.kind, again.text) == ("past", REFUND)


def test_a_written_answer_that_was_called_wrong_is_not_written_again(writing: Assistant) -> None:
    writing.judge(writing.ask(ASKED).turn, "wrong", None, "desk")
    assert writing.ask(ASKED).kind == "person"
    with Assistant(writing.store, writing.folder, writing.models) as other:
        assert other.ask(ASKED).kind == "person"


def test_what_was_called_wrong_for_a_question_is_not_written_from_for_it(writing: Assistant) -> None:
    entry = writing.ask(ASKED).cites[0]["entry"]
    turn = writing.ask(ASKED).turn
    with writing.store.begin() as connection:  # as if it had been given as it stands
        connection.execute(TURNS.update().where(TURNS.c.id == turn).values(kind="past", entry=entry))
    writing.judge(turn, "wrong", None, "desk")
    assert writing.ask(ASKED).kind == "person"


@pytest.mark.parametrize("later", ["corrected", "right"])
def test_the_last_word_about_a_turn_counts(assistant: Assistant, later: str) -> None:
    given = assistant.ask("怎么退货？")
    assistant.judge(given.turn, "corrected", "写错了的答复", "one")
    assert assistant.ask("怎么退货？").text == "写错了的答复"
    assistant.judge(given.turn, later, "改好的答复" if later == "corrected" else None, "two")
    assert assistant.ask("怎么退货？").text == ("改好的答复" if later == "corrected" else given.text)


def test_a_correction_is_kept_without_marks_that_no_page_shows(assistant: Assistant, folder: Path) -> None:
    turn = assistant.ask(UNKNOWN).turn
    assistant.judge(turn, "corrected", "We do\0 not\x1b know,\r\nsorry. \ud800", "desk")
    with opened(folder) as other:
        assert other.ask(UNKNOWN).text == "We do not know,\nsorry. ?"
    with pytest.raises(Refusal, match="goes with the verdict"):
        assistant.judge(turn, "corrected", "\0\x07 ", "desk")


def test_an_index_of_another_embedder_is_left_alone(folder: Path, tiny_bundle) -> None:
    with Store(f"sqlite:///{folder}/assistant.db") as store, load(tiny_bundle("embed"), threads=1) as bundle:
        with Assistant(store, folder, Models(embedder=bundle)) as assistant:
            vectors = [each.features["vector"] for each in assistant.finder.candidates("怎么退货？")]
            assert max(vectors) == pytest.approx(1.0, abs=1e-5)
        with Assistant(store, folder) as assistant:
            assert {each.features["vector"] for each in assistant.finder.candidates("怎么退货？")} == {0.0}
    assert len(list(folder.glob("index-*"))) == 2
