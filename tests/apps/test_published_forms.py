"""Forms in which data sets are published: `danlu init` reads them as they are."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from danlu.apps.init import init

PARTS = ("物流", "包装", "味道", "客服", "质量", "价格", "颜色")
PAIRS = [(a, b) for a in PARTS for b in PARTS if a != b]


def guessed(place: Path, task: str, data: str) -> dict[str, Any]:
    """The data of the recipe that is written."""
    with contextlib.chdir(place):
        path = init(task, data, [], places=[], model="scratch").path
        return yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]["clean"]["data"]


PUBLISHED = {
    "RACE": (
        "choose",
        {
            "article": "{a}住在{b}，后来走了。",
            "question": "{a}住在哪里？",
            "question_type": "where",
            "options": ["{b}", "火星"],
            "answer": "A",
        },
        {"kind": "jsonl", "path": "data.jsonl", "columns": {"text": "article", "choices": "options"}},
    ),
    "ARC": (
        "choose",
        {
            "question": {
                "stem": "{a}在{b}吗？",
                "choices": [{"label": "1", "text": "{b}"}, {"label": "2", "text": "x"}],
            },
            "answerKey": "1",
        },
        {"kind": "choices", "path": "data.jsonl"},
    ),
    "CommonsenseQA": (
        "choose",
        {
            "question": "{a}在{b}吗？",
            "question_concept": "{a}",
            "choices": {"label": ["A", "B"], "text": ["{b}", "x"]},
            "answerKey": "B",
        },
        {"kind": "choices", "path": "data.jsonl"},
    ),
    "OpenNRE": (
        "relate",
        {
            "text": "{a}去{b}",
            "h": {"name": "{a}", "pos": [0, 2]},
            "t": {"name": "{b}", "pos": [3, 5]},
            "relation": "{label}",
        },
        {"kind": "relations", "path": "data.jsonl"},
    ),
    "tokens": (
        "relate",
        {
            "token": ["{a}", "去", "{b}"],
            "h": {"name": "{a}", "pos": [0, 1]},
            "t": {"name": "{b}", "pos": [2, 3]},
            "relation": "{label}",
        },
        {"kind": "relations", "path": "data.jsonl"},
    ),
    "RACE as published": (
        "choose",
        {
            "article": "{a}住在{b}，后来走了。",
            "questions": ["{a}住在哪里？", "谁走了？"],
            "options": [["{b}", "火星"], ["{a}", "没有人"]],
            "answers": ["A", "A"],
            "id": "high1.txt",
        },
        {"kind": "choices", "path": "data.jsonl"},
    ),
    "TACRED": (
        "relate",
        {
            "token": ["{a}", "去", "{b}"],
            **{"subj_start": 0, "subj_end": 0, "obj_start": 2, "obj_end": 2},
            "relation": "{label}",
        },
        {"kind": "relations", "path": "data.jsonl"},
    ),
    "marks": (
        "relate",
        {"sentence": "<e1>{a}</e1>去<e2>{b}</e2>", "relation": "{label}"},
        {"kind": "jsonl", "path": "data.jsonl", "columns": {"text": "sentence", "label": "relation"}},
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_forms_of_published_data_are_read(name, tmp_path):
    task, form, section = PUBLISHED[name]
    plain = json.dumps(form, ensure_ascii=False)
    rows = [(a, b, "x" if n % 2 else "y") for n, (a, b) in enumerate(PAIRS)]
    lines = [plain.replace("{a}", a).replace("{b}", b).replace("{label}", label) for a, b, label in rows]
    (tmp_path / "data.jsonl").write_text("\n".join(lines), "utf-8")
    assert guessed(tmp_path, task, "data.jsonl") == section


def test_whole_files_that_are_no_list_of_objects_are_read(tmp_path):
    texts = [{"tokens": [a, "去", b], "h": [a, "Q1", [[0]]], "t": [b, "Q2", [[2]]], "label": "x"} for a, b in PAIRS]
    (tmp_path / "fewrel.json").write_text(json.dumps({"P1": texts[::2], "P2": texts[1::2]}), "utf-8")
    assert guessed(tmp_path, "relate", "fewrel.json")["kind"] == "relations"
    asked = [
        [[f"女：{a}住在{b}？"], [{"question": f"{a}住在哪里？", "choice": [b, "火星"], "answer": b}], f"7-{row}"]
        for row, (a, b) in enumerate(PAIRS)
    ]
    (tmp_path / "c3.json").write_text(json.dumps(asked, ensure_ascii=False, indent=1), "utf-8")
    assert guessed(tmp_path, "choose", "c3.json")["kind"] == "choices"
