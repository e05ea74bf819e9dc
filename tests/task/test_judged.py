"""Rows of answers that are judged, beside rows written by hand; what does not fit, and what is refused."""

from itertools import pairwise

import numpy as np
import pytest
from judged_records import RECORDS, WIDE, judged_tokenizer

from danlu.refusal import Refusal
from danlu.task.judged import BAD, GOOD, judged
from danlu.task.tasks.chat import Chat
from danlu.task.tasks.prefer import Prefer


@pytest.fixture
def tokenizer():
    return judged_tokenizer()


def task_of(objective="dpo", **fields):
    return Prefer(objective=objective, **fields)


def encode(task, records, tokenizer, limit=WIDE, labelled=True):
    return task.encode(records, tokenizer, limit, labelled=labelled)


def halves(item):
    size = len(item.rows[0])
    return [(item.rows[0], item.targets["tokens"][:size]), (item.rows[1], item.targets["tokens"][size:])]


def test_the_answers_and_their_ends_alone_are_learnt(tokenizer):
    task = task_of()
    for item, record in zip(encode(task, RECORDS, tokenizer), RECORDS, strict=True):
        assert item.targets["preferred"].tolist() == [1, 0]
        for (row, tokens), name in zip(halves(item), ("chosen", "rejected"), strict=True):
            answer = [*tokenizer(record[name], add_special_tokens=False).input_ids, tokenizer.eos_token_id]
            places = np.flatnonzero(tokens >= 0)
            assert tokens[places].tolist() == answer
            assert all(b - a == 1 for a, b in pairwise(places.tolist()))
            assert row.input_ids[places + 1].tolist() == answer
            assert (row.input_ids == tokenizer.bos_token_id).sum() == 1


def test_rows_are_those_that_chat_learns_and_what_is_asked_begins_them(tokenizer):
    record = RECORDS[1]
    task, chat = task_of(), Chat(learn="last", pack=False)
    (item,) = encode(task, [record], tokenizer)
    (asked,) = task.prompts([record], tokenizer, WIDE)
    for (row, tokens), name in zip(halves(item), ("chosen", "rejected"), strict=True):
        talk = [*record["messages"], {"role": "assistant", "content": record[name]}]
        (same,) = chat.encode([{"messages": talk}], tokenizer, WIDE, labelled=True)
        assert row.input_ids.tolist() == same.row.input_ids.tolist()
        assert tokens.tolist() == same.targets["tokens"].tolist()
        assert row.input_ids[: len(asked)].tolist() == asked.row.input_ids.tolist()


def test_kto_takes_pairs_apart_and_puts_the_answer_to_another_question_beside_each(tokenizer):
    task = task_of("kto")
    ends = [RECORDS[2], {"messages": [{"role": "user", "content": "一"}, {"role": "assistant", "content": "二"}]}]
    ends[1]["label"] = False
    items = encode(task, ends, tokenizer)
    assert [item.targets["preferred"].tolist() for item in items] == [[1, -100], [0, -100], [0, -100]]
    said = []
    for item in items:
        asked, answers = [], []
        for row, tokens in halves(item):
            asked.append(tokenizer.decode(row.input_ids[: np.flatnonzero(tokens >= 0)[0] + 1]))
            answers.append(tokenizer.decode(tokens[tokens >= 0][:-1]))
        assert asked[0] == asked[1]
        said.append(answers)
    assert said == [["再见！", "二"], ["嗯", "二"], ["二", "再见！"]]


def talk(turns, words):
    asked = [{"role": ("user", "assistant")[n % 2], "content": "one " * words} for n in range(2 * turns - 1)]
    return {"messages": asked, "chosen": "four", "rejected": "five"}


def test_a_pair_that_does_not_fit_stops_loses_turns_or_goes_as_a_whole(tokenizer):
    long = talk(1, 2) | {"rejected": "five " * 90}
    with pytest.raises(Refusal, match=r"record 2: the conversation has \d+ tokens with an answer and a row takes 48"):
        encode(task_of(), [talk(1, 2), long], tokenizer, 48)
    assert len(encode(task_of(too_long="drop"), [talk(1, 2), long], tokenizer, 48)) == 1
    cut = encode(task_of(too_long="truncate"), [long], tokenizer, 48)[0]
    assert len(cut.rows[1]) == 48
    assert cut.cut > 0
    turns = encode(task_of(too_long="truncate"), [talk(6, 3)], tokenizer, 48)[0]
    heads = [row.input_ids[: np.flatnonzero(tokens >= 0)[0]].tolist() for row, tokens in halves(turns)]
    assert heads[0] == heads[1]
    assert tokenizer.decode(heads[0]).count("User") < 6
    assert {int(tokens.max()) for _, tokens in halves(turns)} != {-100}
    same = talk(1, 2) | {"chosen": "one " * 90 + "a", "rejected": "one " * 90 + "b"}
    assert encode(task_of(too_long="truncate"), [same], tokenizer, 48) == []  # what is left of both is the same
    shown = encode(task_of(too_long="drop"), [talk(1, 2), long], tokenizer, 48, labelled=False)
    assert [item.record for item in shown] == [0, 1]
    with pytest.raises(Refusal, match="none of 1 records fits into rows of 48 tokens"):
        task_of(too_long="drop").learnable([long], tokenizer, 48, 1000)


@pytest.mark.parametrize("good", [True, 1, 1.0, "1.0", " TRUE ", "１", "true"])
@pytest.mark.parametrize("bad", [False, 0, 0.0, "0.0", "False"])
def test_a_judgement_is_read_however_a_table_spells_it(good, bad):
    messages = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    found = [judged(messages, {"label": label}, 0, "judgements").answers for label in (good, bad)]
    assert [answers[0][1] for answers in found] == [GOOD, BAD]


USER = [{"role": "user", "content": "one"}]
ANSWERED = [*USER, {"role": "assistant", "content": "two"}]


@pytest.mark.parametrize(
    ("objective", "record", "sentence"),
    [
        (
            "dpo",
            {"messages": USER, "chosen": "two", "rejected": " two "},
            "record 2: 'chosen' and 'rejected' are the s",
        ),
        ("dpo", {"messages": USER, "chosen": "two", "rejected": " "}, "record 2: 'rejected' is empty"),
        ("dpo", {"messages": USER, "chosen": "two"}, "record 2: there is no column 'rejected'"),
        ("dpo", {"messages": ANSWERED, "label": True}, "record 2: has one answer.*'objective: kto'"),
        ("dpo", {"messages": ANSWERED, "chosen": "a", "rejected": "b"}, "record 2: column 'messages' ends with an ans"),
        ("kto", {"messages": ANSWERED}, "record 2: there is no column 'label'"),
        ("kto", {"messages": ANSWERED, "label": "so-so"}, "record 2: column 'label' is 'so-so'; write true"),
        ("kto", {"messages": USER, "label": True}, "record 2: there is no column 'chosen'"),
        ("dpo", {"messages": USER * 2, "chosen": "a", "rejected": "b"}, "record 2: .* the user speaks twice"),
    ],
)
def test_what_cannot_be_learnt_is_one_sentence(tokenizer, objective, record, sentence):
    good = {"messages": ANSWERED, "label": "true"} if objective == "kto" else RECORDS[0]
    with pytest.raises(Refusal, match=sentence) as told:
        encode(task_of(objective), [good, record], tokenizer)
    assert "\n" not in str(told.value)
