"""Columns: every task finds its own among others, by what its samples say."""

import json

import pytest

from danlu.apps.guessing.columns import columns_of, matched, shape_of, ways
from danlu.apps.guessing.files import Given
from danlu.apps.guessing.look import read
from danlu.recipe.part import find, kinds
from danlu.refusal import Refusal
from danlu.task.task import Task

TASKS = kinds(Task)


@pytest.mark.parametrize("kind", TASKS)
def test_every_task_is_found_in_a_file_of_its_own_samples(kind, tmp_path):
    task = find(Task, kind)
    for way in ways(task):
        records = [record for record in task.sample if set(way) == record.keys() & {*task.columns, *task.other_columns}]
        if not records:
            continue
        rows = [{"id": n, **record} for n, record in enumerate(records * 8)]
        path = tmp_path / "samples.jsonl"
        path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
        found = read(task, Given(str(path)), {}, {})
        assert found.columns == {name: name for name in way}


@pytest.mark.parametrize("kind", TASKS)
def test_every_task_has_a_way_and_a_shape_for_each_of_its_columns(kind):
    task = find(Task, kind)
    assert any(set(way) <= {*task.columns, *task.other_columns} for way in ways(task))
    for name in (*task.columns, *task.other_columns):
        assert shape_of(task, name)[0] in ("text", "label", "number", "structure")


TABLES = {
    ("sentence_A", "judgment"): lambda n: {
        "id": n,
        "pair_ID": n,
        "sentence_A": f"句子 {n} 甲乙",
        "judgment": "AB"[n % 2],
    },
    ("p", "q"): lambda n: {"u": f"u{n}", "p": f"长长的一句话 {n}", "q": "xyz"[n % 3], "one": "x"},
    ("Review Text", "Star Rating"): lambda n: {"Review Text": f"so good {n}", "Star Rating": n % 5, "helpful": n % 7},
    ("content", "labelName"): lambda n: {
        "contentId": n,
        "content": f"内容 {n}",
        "score": n / 7,
        "labelName": "ab"[n % 2],
    },
}


PAIRS = {
    ("sentence1", "sentence2"): ["idx"],
    ("sentence_A", "sentence_B"): [],
    ("question1", "question2"): ["qid1", "qid2"],
    ("text_a", "text_b"): [],
    ("premise", "hypothesis"): ["genre"],
    ("question", "sentence"): [],
    ("query", "title"): [],
    ("句子一", "句子二"): [],
}


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
@pytest.mark.parametrize("kind", ["classify", "regress", "multilabel"])
def test_two_texts_whose_names_belong_together_are_read_as_two(kind, pair):
    said = {"classify": "ab", "regress": (0.5, 1.5), "multilabel": (["a"], [])}[kind]
    name = {"classify": "label", "regress": "score", "multilabel": "labels"}[kind]
    rows = [
        {side: f"第 {n} 句 {side}" for side in pair} | dict.fromkeys(PAIRS[pair], f"{n}") | {name: said[n % 2]}
        for n in range(40)
    ]
    task, columns = find(Task, kind), columns_of(rows)
    assert matched(task, columns, {}) == {"text": pair[0], "text_pair": pair[1], name: name}
    alone = matched(task, columns, {"text_pair": "none"})
    assert alone in [{"text": side, name: name} for side in pair]
    assert matched(task, columns, {"text": pair[1]}) == {"text": pair[1], name: name} or kind == "regress"
    assert matched(task, columns, {"text": pair[1], "text_pair": pair[0]}) == {
        "text": pair[1],
        "text_pair": pair[0],
        name: name,
    }


def test_what_a_task_must_have_cannot_be_left_out(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"a {n},{n % 2}\n" for n in range(20)), "utf-8")
    for name in ("none", "²"):
        with pytest.raises(Refusal, match=f"there is no column '{name}' for 'text'"):
            read(find(Task, "classify"), Given(str(tmp_path / "a.csv")), {}, {"text": name})


def test_of_two_texts_without_names_the_first_is_read_and_no_note_of_who_wrote_them():
    rows = [
        {"0": f"第{n}句话说得很清楚", "1": f"the {n}th sentence is clear", "2": f"CC-BY 2.0 (France) Attribution {n}"}
        for n in range(40)
    ]
    assert matched(find(Task, "translate"), columns_of(rows), {}) == {"text": "0", "translation": "1"}
    assert matched(find(Task, "summarise"), columns_of([{"0": "短", "1": row["1"] * 9} for row in rows]), {}) == {
        "text": "1",
        "summary": "0",
    }


@pytest.mark.parametrize("expected", TABLES, ids=" ".join)
def test_columns_are_told_by_name_else_by_content(expected):
    found = matched(find(Task, "classify"), columns_of(list(map(TABLES[expected], range(40)))), {})
    assert (found["text"], found["label"]) == expected


def test_numbers_dates_texts_and_constants_are_no_labels():
    others = {
        "score": lambda n: n / 7,
        "day": lambda n: f"2024-01-{n % 9 + 1}",
        "said": lambda n: f"b {n}",
        "k": lambda n: 1,
    }
    records = [{"text": f"a {n}", **{name: value(n) for name, value in others.items()}} for n in range(60)]
    assert matched(find(Task, "classify"), columns_of(records), {}) is None
    assert matched(find(Task, "classify"), columns_of(records), {"label": "day"}) == {"text": "text", "label": "day"}
