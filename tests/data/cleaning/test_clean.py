import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.cleaning.clean import Cleaned, clean_records, rewriters, rewriters_of
from danlu.data.cleaning.cleaner import Cleaner
from danlu.data.cleaning.rewriting import _tags_left
from danlu.data.record import Record
from danlu.refusal import Refusal


def parts(*kinds: Any) -> list[Cleaner]:
    return [Cleaner.model_validate(kind) for kind in kinds]


USUAL = parts("html", "control", "normalise", "whitespace")


def marked(text: str, *words: str) -> list[dict[str, Any]]:
    return [{"start": text.index(word), "end": text.index(word) + len(word), "label": word} for word in words]


def test_marks_move_with_their_text() -> None:
    text = "\u3000\u3000<b>李白</b>生于\u200b碎叶城，　字ＡＢ。"
    entities = marked(text, "李白", "碎叶城", "ＡＢ")
    relation = {"text": text, "head": entities[0] | {"text": "李白"}, "tail": entities[1], "label": "born in"}
    cleaned = clean_records([{"text": text, "entities": entities}, relation], USUAL)
    first, second = cleaned.records
    assert first["text"] == "李白生于碎叶城， 字AB。"
    assert [first["text"][mark["start"] : mark["end"]] for mark in first["entities"]] == ["李白", "碎叶城", "AB"]
    assert second["head"] == {"start": 0, "end": 2, "label": "李白", "text": "李白"}
    assert second["text"][second["tail"]["start"] : second["tail"]["end"]] == "碎叶城"
    assert cleaned.changed == {"html": 2, "control": 2, "normalise": 2, "whitespace": 2}
    assert text == relation["text"]  # what was given is as it was
    assert entities[0] == {"start": text.index("李白"), "end": text.index("李白") + 2, "label": "李白"}


def test_answers_move_with_their_context_and_questions_are_rewritten_too() -> None:
    record = {
        "context": "  他  １９９８年去了北京。",
        "question": "哪 年？  ",
        "answers": [{"text": "１９９８年", "start": 5}, {"text": "北京", "start": 12}],
    }
    (found,) = clean_records([record], USUAL).records
    assert found["context"] == "他 1998年去了北京。"
    assert found["question"] == "哪 年？"
    for answer, said in zip(found["answers"], ["1998年", "北京"], strict=True):
        assert answer["text"] == said == found["context"][answer["start"] : answer["start"] + len(said)]


def test_texts_among_the_arguments_of_calls_are_rewritten_as_what_is_said() -> None:
    def asked(arguments: Any) -> Record:
        call = {"id": "1", "type": "function", "function": {"name": "ＡＢ", "arguments": arguments}}
        said = {"role": "assistant", "content": None, "tool_calls": [call, {"function": "?"}, 3]}
        return {"messages": [{"role": "user", "content": "Ｃ"}, said, {"role": "tool", "content": "Ｄ"}]}

    given = {"城": "Ｅ", "ｋ": [1, "Ｆ", {"x": "Ｇ\u200b"}], "n": None}
    clean = {"城": "E", "ｋ": [1, "F", {"x": "G"}], "n": None}
    for arguments in (given, json.dumps(given)):
        (found,) = clean_records([asked(arguments)], USUAL).records
        user, said, tool = found["messages"]
        assert (user["content"], tool["content"]) == ("C", "D")
        assert said == asked(clean)["messages"][1]


@pytest.mark.parametrize("arguments", ['{"a": 1}', '{"b":"x"}', "", None, "42", {"a": "b"}, '{"a": NaN}'])
def test_calls_that_a_cleaner_does_not_change_stay_to_the_letter(arguments: Any) -> None:
    call = {"function": {"name": "f", "arguments": arguments}}
    given = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "", "tool_calls": [call]}]}
    cleaned = clean_records([given], USUAL)
    assert json.dumps(cleaned.records) == json.dumps([given])
    assert not any(cleaned.changed.values())


def test_conversations_pairs_translations_and_tokens_are_rewritten_where_they_hold_text() -> None:
    records: list[Record] = [
        {"messages": [{"role": "user", "content": "你好\u200b"}, {"role": "assistant", "content": "好"}]},
        {"messages": [], "chosen": "ＯＫ", "rejected": [{"role": "assistant", "content": "Ｎｏ"}]},
        {"text": "Ａ", "text_pair": "Ｂ", "label": "same"},
        {"source": "Ｃ", "target": "Ｄ"},
        {"tokens": ["Ｅ", "\u200b", "F"], "tags": ["O", "B-x", "I-x"]},
        {"words": ["Ｅ", "\u200b", "F"], "tags": ["n", "x", "v"]},
        {"words": ["今天", "\ufeff", "好"]},
        {"text": 7, "label": "number"},
    ]
    assert clean_records(records, USUAL).records == [
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {"messages": [], "chosen": "OK", "rejected": [{"role": "assistant", "content": "No"}]},
        {"text": "A", "text_pair": "B", "label": "same"},
        {"source": "C", "target": "D"},
        {"tokens": ["E", "F"], "tags": ["O", "B-x"]},
        {"words": ["E", "F"], "tags": ["n", "v"]},
        {"words": ["今天", "好"]},
        {"text": 7, "label": "number"},
    ]


def test_what_has_gone_is_counted_with_its_reason_and_a_sample() -> None:
    records: list[Record] = [
        {"text": "\u200b\u200b", "label": "a"},
        {"text": "好\u200b看", "entities": [{"start": 1, "end": 2, "label": "x"}]},
        {"text": "好\u200b看", "head": {"start": 1, "end": 2}, "tail": {"start": 0, "end": 1}, "label": "r"},
        *({"text": f"{n}"} for n in range(30)),
    ]
    cleaned = clean_records(records, parts("control", {"kind": "length", "minimum": 2}))
    assert cleaned.records[0] == {"text": "好看", "entities": []}
    assert len(cleaned.records) == 1 + 20  # 10 to 29 have two digits
    assert cleaned.dropped == {"control: nothing left": 1, "control: head or tail gone": 1, "length: too short": 10}
    assert cleaned.lost_spans == {"control": 2}
    assert cleaned.samples["control: nothing left"] == ["\u200b\u200b"]
    more = Cleaned()
    for _ in range(3):
        more.count(cleaned)
    assert more.dropped["length: too short"] == 30
    assert more.samples["length: too short"] == [f"{n}" for n in range(10)] * 2
    assert more.changed == {"control": 9}


def test_counts_are_told_in_both_languages() -> None:
    cleaned = clean_records([{"text": "好\u200b"}, {"text": "\u200b"}], parts("control"))
    assert cleaned.in_words() == [
        "rewritten records: control 2",
        "dropped by cleaners: control: nothing left 1; samples in dropped.json",
    ]
    assert len(cleaned.in_words("zh")) == 2
    assert Cleaned().in_words() == []


def test_entities_that_did_not_overlap_do_not_overlap_after() -> None:
    text = "电13800138000话"
    entities = [{"start": 0, "end": 4, "label": "a"}, {"start": 4, "end": 13, "label": "b"}]
    cleaned = clean_records([{"text": text, "entities": entities}], parts("personal"))
    assert cleaned.records == [
        {
            "text": "电<phone>话",
            "entities": [{"start": 0, "end": 8, "label": "a"}, {"start": 8, "end": 9, "label": "b"}],
        }
    ]


@given(
    st.lists(
        st.sampled_from(["好", "ＡＢ", " ", "\u3000", "\u200b", "<b>", "&lt;", "e\u0301", "13800138000", "\n"]),
        max_size=10,
    ),
    st.data(),
)
def test_any_entities_stay_apart_and_within_the_text(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces) + "尾"
    borders = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    pairs = list(zip(borders[::2], borders[1::2], strict=False))
    record: Record = {"text": text, "entities": [{"start": start, "end": end, "label": "x"} for start, end in pairs]}
    (found,) = clean_records([record], [*USUAL, *parts("personal")]).records
    end = 0
    for mark in sorted(found["entities"], key=lambda mark: mark["start"]):
        assert end <= mark["start"] < mark["end"] <= len(found["text"])
        end = mark["end"]
    assert clean_records([found], [*USUAL, *parts("personal")]).records == [found]


def test_what_one_rewriter_makes_the_others_see_too() -> None:
    record = {"text": "＜b＞粗＜／b＞体", "entities": [{"start": 3, "end": 4, "label": "x"}]}
    (found,) = clean_records([record, {"text": "a"}], USUAL).records[:1]
    assert found == {"text": "粗体", "entities": [{"start": 0, "end": 1, "label": "x"}]}
    gone = clean_records([{"text": "＜b＞"}, {"text": "好"}], USUAL)
    assert gone.records == [{"text": "好"}]
    assert gone.dropped == {"html: nothing left": 1}


def test_chunks_give_what_the_whole_gives() -> None:
    records: list[Record] = [{"text": "  ＡＢＣ　" * (n % 4)} for n in range(40)]
    whole = clean_records(records, USUAL)
    parts_of = [clean_records(records[start : start + 7], USUAL) for start in range(0, 40, 7)]
    assert [record for part in parts_of for record in part.records] == whole.records


def test_rewriters_are_told_from_filters_and_read_back() -> None:
    cleaners = [*USUAL, *parts({"kind": "length", "minimum": 3})]
    assert rewriters(cleaners) == USUAL
    assert rewriters_of([part.to_plain() for part in USUAL], "x") == USUAL


ANSWERS: dict[str, Any] = {
    "ours": [{"text": "北京 市", "start": 7}],
    "squad": [{"text": "北京 市", "answer_start": 7}],
    "datasets": {"text": ["北京 市"], "answer_start": [7]},
}


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS.keys())
def test_answers_of_all_forms_move_with_their_context(answers: Any) -> None:
    record = {"context": "他  住在  北京 市。", "question": "哪里？", "answers": answers}
    (cleaned,) = clean_records([record], [Cleaner.model_validate("whitespace")], "context").records
    start = cleaned["context"].index("北京")
    assert cleaned["answers"] == [{"text": cleaned["context"][start : start + 4], "start": start}]


@pytest.mark.parametrize(
    ("column", "value"),
    [("entities", [[0, 2, "PER"]]), ("entities", ["李明"]), ("entities", [{"type": "PER"}]), ("head", {"text": "李"})],
)
def test_marks_of_another_form_are_refused_where_their_text_is_rewritten(column: str, value: Any) -> None:
    cleaners = [Cleaner.model_validate("whitespace")]
    with pytest.raises(Refusal, match=f"column '{column}' must hold {{start, end, label}}"):
        clean_records([{"text": "李明  在", column: value}], cleaners)
    for record in ({"text": "李明在", column: value}, {"text": "李明  在", column: "李明"}):
        assert clean_records([record], cleaners).records[0][column] == record[column]


@pytest.mark.parametrize(
    ("tags", "left"),
    [
        (["B-X", "I-X", "I-X"], ["B-X", "I-X"]), (["B-X", "M-X", "E-X"], ["B-X", "E-X"]), (["B-X", "E-X"], ["S-X"]),
        (["S-X", "B-Y"], ["B-Y"]), (["B-X", "L-X"], ["U-X"]), (["B-X", "E-Y"], ["E-Y"]), (["O", "I-X"], ["I-X"]),
    ],
)  # fmt: skip
def test_what_goes_on_begins_where_the_beginning_went(tags: list[str], left: list[str]) -> None:
    assert _tags_left(tags, list(range(1, len(tags)))) == left
