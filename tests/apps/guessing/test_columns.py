"""Columns: every task finds its own among others, by what its samples say."""

import json

import pytest

from danlu.apps.guessing.columns import columns_of, matched, shape_of, ways
from danlu.apps.guessing.files import Given
from danlu.apps.guessing.look import read
from danlu.recipe.part import find, kinds
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
