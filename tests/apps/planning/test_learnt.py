"""What is learnt beside the data of a training is planned with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from danlu.apps.planning.foretell import Foretold
from danlu.apps.planning.planned import planned
from danlu.stages.recipe import read


def classifying(folder: Path, cleaners: tuple[str, ...] = (), **fields: Any) -> Foretold:
    """A training on 60 records, beside others of the same sort."""
    stages: dict[str, Any] = {}
    for name, count in (("new", 60), ("old", 200)):
        rows = [{"text": f"{name} text {row}", "label": "good" if row % 2 else "bad"} for row in range(count)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        data = {"kind": "jsonl", "path": str(folder / f"{name}.jsonl")}
        stages[name] = {"kind": "prepare", "data": data, "dedup": "none", "split": {"validation": 0.1, "test": 0}}
        stages[name] |= {"cleaners": list(cleaners)}
    stages["vocab"] = {"kind": "tokenizer", "data": "@new", "tokenizer": {"kind": "char"}}
    model = {"kind": "scratch", "layers": 1, "width": 16, "heads": 2, "positions": 32}
    fit = {"kind": "train", "data": "@new", "tokenizer": "@vocab", "model": model, "task": "classify"}
    stages["fit"] = fit | {"train": {"batch_tokens": 256, "precision": "float32"}} | fields
    (found,) = planned(read({"name": "beside", "stages": stages}), folder / "runs", where="a100")
    return found


def test_what_is_learnt_once_more_is_among_the_tokens(tmp_path: Path) -> None:
    alone = classifying(tmp_path)
    for task in (None, "classify"):
        both = classifying(tmp_path, retain={"old": {"data": "@old", "task": task, "share": 0.5}})
        assert both.tokens == pytest.approx(2 * (alone.tokens or 0), rel=0.1)


@pytest.mark.parametrize("cleaners", [(), ("whitespace",)])
def test_records_of_which_the_teacher_alone_speaks_are_among_the_tokens(
    tmp_path: Path, tiny_bundle: Any, cleaners: tuple[str, ...]
) -> None:
    teacher = {"bundle": str(tiny_bundle("classify"))}
    alone = classifying(tmp_path, cleaners, teacher=teacher)
    both = classifying(tmp_path, cleaners, teacher=teacher | {"unlabelled": "@old"})
    assert (both.tokens or 0) > 3.5 * (alone.tokens or 0)
