"""Formats whose files hold more than a text and a label: tags, spans, questions, relations, dialogues, groups."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.data.reading.formats.conll import to_bio
from danlu.data.reading.marks import read_marks
from danlu.data.record import Record
from danlu.refusal import Refusal


def read(kind: str, path: Path, bad_rows: BadRows | None = None, **fields: object) -> list[Record]:
    return list(Format.model_validate({"kind": kind, "path": str(path), **fields}).read(bad_rows=bad_rows))


def written(folder: Path, value: Any) -> Path:
    path = folder / "a.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def test_conll_takes_chosen_columns_and_leaves_out_marks_of_documents(tmp_path: Path) -> None:
    path = written(tmp_path, "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\n\n\nPeter NNP I-NP I-PER\n")
    assert read("conll", path) == [
        {"tokens": ["EU", "rejects"], "tags": ["B-ORG", "O"]},
        {"tokens": ["Peter"], "tags": ["B-PER"]},
    ]
    assert read("conll", path, tag=1, entities=False)[0]["tags"] == ["NNP", "VBZ"]
    with pytest.raises(Refusal, match=r"line 3: tag 'NNP' is neither O nor BIO"):
        read("conll", path, tag=1)


def test_conll_tokens_may_hold_spaces_between_tabs_and_blank_ones_are_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, "# text = x\nNew York\tB-place\n\u200b \tO\n \tO\n\t\n好\tO\n")
    bad_rows = BadRows()
    found = read("conll", path, bad_rows, comment="# ", on_bad_row="skip")
    assert [record["tokens"] for record in found] == [["New York", "\u200b"], ["好"]]
    assert bad_rows.mended == {"tokens without a character left out": 1}
    with pytest.raises(Refusal, match=r"line 1: one column where a token and its tag are expected"):
        read("conll", written(tmp_path, "word\n"))


@given(st.lists(st.tuples(st.sampled_from(["x", "y"]), st.integers(0, 3)), max_size=8))
def test_bioes_and_bio_tell_the_same_entities(spans: list[tuple[str, int]]) -> None:
    bio, bioes, bilou = [], [], []
    for label, length in spans:
        inside = length - 2
        if length == 0:
            bio, bioes, bilou = [*bio, "O"], [*bioes, "O"], [*bilou, "O"]
            continue
        bio += [f"B-{label}", *[f"I-{label}"] * (length - 1)]
        bioes += [f"S-{label}"] if length == 1 else [f"B-{label}", *[f"I-{label}"] * inside, f"E-{label}"]
        bilou += [f"U-{label}"] if length == 1 else [f"B-{label}", *[f"I-{label}"] * inside, f"L-{label}"]
    assert to_bio(bioes) == to_bio(bilou) == to_bio(bio) == bio


@given(st.lists(st.sampled_from(["O", "B-x", "I-x", "B-y", "I-y"])))
def test_what_begins_with_inside_becomes_a_beginning_as_seqeval_counts_it(tags: list[str]) -> None:
    found = to_bio(tags)
    assert get_entities(found) == get_entities(tags)
    assert to_bio(found) == found


CONTEXT = "李白生于碎叶城。李白是诗人。"


def question(text: str, start: int) -> dict[str, Any]:
    answers = [{"text": text, "answer_start": start}]
    return {"id": "q", "question": "谁？", "answers": answers}


def test_squad_moves_answers_to_where_their_text_stands_and_leaves_out_others(tmp_path: Path) -> None:
    questions = [question("李白", 0), question("李白", 9), question("诗人", 99), question("杜甫", 0)]
    path = written(tmp_path, {"data": [{"paragraphs": [{"context": CONTEXT, "qas": questions}]}]})
    bad_rows = BadRows()
    found = read("squad", path, bad_rows, on_bad_row="skip")
    assert [record["answers"][0]["start"] for record in found] == [0, 8, 11]
    for record in found:
        (answer,) = record["answers"]
        assert record["context"].startswith(answer["text"], answer["start"])
    assert bad_rows.mended == {"answers moved to where their text stands": 2}
    assert "question 4: no answer stands in the context, such as '杜甫'" in bad_rows.first[0]
    assert bad_rows.count == 1
    with pytest.raises(Refusal, match=r"a\.json, question 4: no answer stands"):
        read("squad", path)


def test_squad_is_read_flat_too_and_may_have_no_answer(tmp_path: Path) -> None:
    flat = {"context": CONTEXT, "question": "谁？", "answers": {"text": ["李白"], "answer_start": [8]}}
    assert read("squad", written(tmp_path, [flat]))[0]["answers"] == [{"text": "李白", "start": 8}]
    lines = json.dumps(flat) + "\n" + json.dumps(flat | {"answers": []}) + "\n"
    assert [len(record["answers"]) for record in read("squad", written(tmp_path, lines))] == [1, 0]
    unlabelled = {key: value for key, value in flat.items() if key != "answers"}
    placeholder = {"answers": [{"text": "", "answer_start": -1}], "is_impossible": True}
    lines = [unlabelled, unlabelled | {"answers": None}, flat | placeholder, unlabelled | {"is_impossible": True}]
    found = read("squad", written(tmp_path, lines))
    assert [record.get("answers") for record in found] == [None, None, [], []]
    assert "answers" not in found[0]
    bad_rows = BadRows()
    assert read("squad", written(tmp_path, [flat | {"is_impossible": True}]), bad_rows)[0]["answers"] == []
    assert sum(bad_rows.mended.values()) == 1
    for wrong in (
        {"data": 3},
        [{"context": CONTEXT}],
        [flat | {"answers": [{"text": 3}]}],
        {"data": [{"paragraphs": [1]}]},
    ):
        with pytest.raises(Refusal, match="expected"):
            read("squad", written(tmp_path, wrong))


TEXT = "彭小军在台湾"
SPANS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cluener": ({"text": TEXT, "label": {"name": {"彭小军": [[0, 2]]}, "address": {"台湾": [[4, 5]]}}}, {}),
    "cmeee": (
        {
            "text": TEXT,
            "entities": [
                {"start_idx": 4, "end_idx": 5, "type": "address", "entity": "台湾"},
                {"start_idx": 0, "end_idx": 2, "type": "name", "entity": "彭小军"},
            ],
        },
        {"spans": "entities"},
    ),
    "exclusive": ({"text": TEXT, "label": [[0, 3, "name"], [4, 6, "address"]]}, {"ends": "exclusive"}),
    "inclusive": ({"text": TEXT, "label": [[0, 2, "name"], [4, 5, "address"]]}, {"ends": "inclusive"}),
}


@pytest.mark.parametrize(("given", "fields"), SPANS.values(), ids=SPANS.keys())
def test_spans_of_all_forms_cover_the_same_characters(
    given: dict[str, Any], fields: dict[str, Any], tmp_path: Path
) -> None:
    (record,) = read("spans", written(tmp_path, [given]), **fields)
    covered = [(TEXT[entity["start"] : entity["end"]], entity["label"]) for entity in record["entities"]]
    assert covered == [("彭小军", "name"), ("台湾", "address")]


def test_spans_that_cannot_be_right_are_refused(tmp_path: Path) -> None:
    plain = written(tmp_path, [{"text": TEXT, "label": [[0, 3, "name"]]}])
    with pytest.raises(Refusal, match="it cannot be told whether the end belongs"):
        read("spans", plain)
    for spans, message in (
        ([[4, 9, "x"]], "is not within the text of 6 characters"),
        ({"name": {"王五": [[0, 1]]}}, "should cover '王五', which is not in the text"),
        ("nonsense", "holds no spans"),
        ([["0", "3", "x"]], "holds no spans"),
    ):
        with pytest.raises(Refusal, match=message):
            read("spans", written(tmp_path, [{"text": TEXT, "label": spans}]), ends="exclusive")
    with pytest.raises(Refusal, match=r"there is no key 'label'; did you mean 'labels'\?"):
        read("spans", written(tmp_path, [{"text": TEXT, "labels": []}]))
    bad_rows = BadRows()
    moved = read(
        "spans", written(tmp_path, [{"text": TEXT, "label": {"a": {"台湾": [[3, 4]]}}}]), bad_rows, on_bad_row="skip"
    )
    assert moved[0]["entities"] == [{"start": 4, "end": 6, "label": "a"}]
    assert bad_rows.mended.total() == 1


def test_marks_become_spans_of_the_text_without_them(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("Other\tThe <e1> child </e1> was in the <e2>cradle</e2>.\n", encoding="utf-8")
    (record,) = read("marked", path)
    assert record == {
        "text": "The child was in the cradle.",
        "head": {"start": 4, "end": 9},
        "tail": {"start": 21, "end": 27},
        "label": "Other",
    }
    path.write_text('8001\t"<e2>出生</e2>于<e1>碎叶城</e1>"\nPlace(e1,e2)\nComment: \n\n', encoding="utf-8")
    (record,) = read("marked", path)
    assert (record["text"], record["head"], record["label"]) == ("出生于碎叶城", {"start": 3, "end": 6}, "Place(e1,e2)")
    path.write_text("Other\tThe <e1>child</e1> was\n", encoding="utf-8")
    with pytest.raises(Refusal, match=r"a\.tsv, line 1: expected a label and a sentence with <e1>"):
        read("marked", path)


@given(
    st.lists(st.text(st.characters(categories=["L", "P"]), min_size=1), min_size=5, max_size=5),
    st.booleans(),
    st.booleans(),
)
def test_marked_words_stand_at_their_spans(words: list[str], spaced: bool, swapped: bool) -> None:
    space = " " if spaced else ""
    first, second = ("e2", "e1") if swapped else ("e1", "e2")
    sentence = (
        f"{words[0]} <{first}>{space}{words[1]}{space}</{first}> {words[2]} <{second}>{words[3]}</{second}>{words[4]}"
    )
    found = read_marks(sentence, "e1", "e2")
    assert found is not None
    covered = {name: found["text"][found[name]["start"] : found[name]["end"]] for name in ("head", "tail")}
    assert covered == {"head": words[3] if swapped else words[1], "tail": words[1] if swapped else words[3]}
    assert found["text"] == f"{words[0]} {words[1]} {words[2]} {words[3]}{words[4]}"


ASKED, SAID = {"role": "user", "content": "你好\n在吗"}, {"role": "assistant", "content": "在"}
CHATS = {
    "openai": {"messages": [ASKED, SAID]},
    "openai_parts": {"messages": [ASKED | {"content": [{"type": "text", "text": "你好\n在吗"}]}, SAID]},
    "sharegpt": {"conversations": [{"from": "human", "value": "你好\n在吗"}, {"from": "gpt", "value": "在"}]},
    "alpaca": {"instruction": "你好", "input": "在吗", "output": "在"},
}


@pytest.mark.parametrize("given", CHATS.values(), ids=CHATS.keys())
def test_dialogues_of_all_forms_become_the_same_messages(given: dict[str, Any], tmp_path: Path) -> None:
    as_list, as_lines = read("chat", written(tmp_path, [given])), read("chat", written(tmp_path, json.dumps(given)))
    assert as_list == as_lines == [{"messages": [ASKED, SAID]}]


def test_system_history_and_slots_are_kept(tmp_path: Path) -> None:
    given = {"system": "我是{{name}}", "history": [["一", "二"]], "prompt": "三", "answer": "{{other}}", "id": 7}
    path = written(tmp_path, [given])
    (record,) = read("chat", path, instruction="prompt", output="answer", slots={"name": "丹炉"})
    assert [message["role"] for message in record["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert [message["content"] for message in record["messages"]] == ["我是丹炉", "一", "二", "三", "{{other}}"]
    assert record["id"] == 7


PREFERENCES = {
    "sharegpt": {
        "conversations": [{"from": "human", "value": "问"}],
        "chosen": {"from": "gpt", "value": "好"},
        "rejected": {"from": "gpt", "value": "坏"},
    },
    "alpaca": {"instruction": "问", "chosen": "好", "rejected": "坏"},
    "dialogues": {
        "chosen": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "好"}],
        "rejected": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "坏"}],
    },
}


@pytest.mark.parametrize("given", PREFERENCES.values(), ids=PREFERENCES.keys())
def test_preferences_of_all_forms_become_two_answers_to_the_messages(given: dict[str, Any], tmp_path: Path) -> None:
    (record,) = read("chat", written(tmp_path, [given]))
    assert record == {"messages": [{"role": "user", "content": "问"}], "chosen": "好", "rejected": "坏"}


NO_CHATS = [
    ({"text": "a"}, "there is no 'messages', 'conversations' or 'instruction'; the keys are: text"),
    ({"messages": []}, "'messages' is no list of messages"),
    ({"messages": [{"role": "robot", "content": "a"}]}, "message 1 of 'messages': there is no role 'robot'"),
    ({"messages": [ASKED]}, "the last message is not the assistant's"),
    (
        {"messages": [ASKED, SAID | {"content": {"a": 1}}]},
        "'content' is an object where a text",
    ),
    ({"instruction": "a", "output": ""}, "'output' is empty"),
    ({"instruction": "a", "output": ["x"]}, "'output' is a list where a text is expected"),
    ({"instruction": "a", "chosen": "x"}, "there is 'chosen' alone"),
    (PREFERENCES["dialogues"] | {"rejected": [{"role": "user", "content": "x"}, SAID]}, "are not those before"),
]


@pytest.mark.parametrize(("given", "message"), NO_CHATS, ids=[message for _, message in NO_CHATS])
def test_what_is_no_dialogue_is_refused(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"a\.json, record 2: ") as caught:
        read("chat", written(tmp_path, [{"instruction": "a", "output": "b"}, given]))
    assert message in str(caught.value)


def test_rows_of_one_group_become_one_record_with_a_list_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "id,content,topic,value\n1,好车,价格,0\n2,慢,动力,1\n1,好车,外观,1\n1,好车,价格,1\n", encoding="utf-8"
    )
    grouped = read("csv", path, group="id", collect={"labels": "topic"}, columns={"text": "content"})
    assert grouped == [
        {"id": "1", "text": "好车", "labels": ["价格", "外观"]},
        {"id": "2", "text": "慢", "labels": ["动力"]},
    ]
    with pytest.raises(Refusal, match="there is no column 'topics' to group; the columns are: id, content"):
        read("csv", path, group="id", collect={"labels": "topics"})
    with pytest.raises(ValueError, match="'group' and 'collect' go together"):
        read("csv", path, group="id")


def test_lists_of_lines_are_joined_to_one_text(tmp_path: Path) -> None:
    path = written(tmp_path, [{"paragraphs": ["明月", "天山"]}, {"paragraphs": "云海"}])
    found = read("json", path, columns={"text": "paragraphs"}, join={"text": "\n"})
    assert found == [{"text": "明月\n天山"}, {"text": "云海"}]
