"""The bundles of folders: what is told of each, and that no more than two are open at a time."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from studio_runs import write_lock

from danlu.apps.studio.bundles import OPEN, Opened, bundles, name_of
from danlu.apps.studio.served import Served
from danlu.refusal import Refusal
from danlu.serve.problem import Problem
from danlu.serve.shelf import Shelf


@pytest.fixture
def served(tmp_path: Path, tiny_bundle: Callable[[str], Path]) -> Served:
    """Three bundles: one of a run with its scores, two of one name in other folders; and a damaged one."""
    runs, more = tmp_path / "runs", tmp_path / "more"
    shutil.copytree(tiny_bundle("classify"), runs / "a<b" / "model" / "bundle")
    write_lock(runs / "a<b" / "model", kind="train")
    write_lock(runs / "a<b" / "test", needs=("model",), kind="evaluate", bundle="@model")
    write_lock(runs / "a<b" / "other", kind="evaluate", bundle="@clean")
    for name, score in (("test", 0.75), ("other", 0.1)):
        told = {"metrics": {"accuracy": {"value": score, "low": 0.1, "high": 0.9}}}
        (runs / "a<b" / name / "scores.json").write_text(json.dumps(told))
    shutil.copytree(tiny_bundle("classify"), more / "one" / "same")
    shutil.copytree(tiny_bundle("classify"), tmp_path / "working" / "one" / "same")
    (more / "broken").mkdir()
    (more / "broken" / "danlu.json").write_text("{")
    (more / "link").symlink_to(tiny_bundle("classify"))
    return Served({"working": tmp_path / "working", "runs": runs, "folder1": more})


def test_each_is_told_with_its_task_size_and_scores_and_a_damaged_one_with_what_is_wrong(served: Served) -> None:
    found = {each["address"]: each for each in bundles(served)}
    assert found.keys() == {
        "runs:a<b/model/bundle",
        "folder1:one/same",
        "folder1:broken",
        "working:one/same",
    }
    told = found["runs:a<b/model/bundle"]
    folder = served.inside("runs:a<b/model/bundle")
    files = [path for path in folder.iterdir() if path.name not in ("danlu.json", "README.md")]
    assert told["size"] == sum(path.stat().st_size for path in files)
    assert (told["task"], told["scores"], told["name"]) == ("classify", {"accuracy": 0.75}, "a<b:model")
    assert "cannot be read as json" in found["folder1:broken"]["wrong"]


def test_scores_of_a_bundle_that_was_replaced_are_not_those_of_the_new_one(served: Served) -> None:
    write_lock(served.inside("runs:a<b/model/bundle").parent, kind="train", train={"rate": 1e-3})
    told = next(each for each in bundles(served) if each["address"] == "runs:a<b/model/bundle")
    assert told["scores"] == {}


def test_names_are_such_as_models_may_have() -> None:
    assert name_of("runs:a/model/bundle") == "a:model"
    assert name_of("working:bundle") == "bundle"
    assert not set(name_of('working:a?b#c\\d/"\n\u202e')) & set("/\\?#\n\u202e")


def test_a_bundle_that_was_trained_anew_is_opened_anew(served: Served, tiny_bundle: Callable[[str], Path]) -> None:
    shelf, opened, address = Shelf([]), Opened(served), "runs:a<b/model/bundle"
    shelf.open()
    try:
        name = opened.open(shelf, address)
        with shelf.lease(name) as model:
            before = model.fingerprint
        folder = served.inside(address)
        shutil.rmtree(folder)
        shutil.copytree(tiny_bundle("tag"), folder)
        assert opened.open(shelf, address) == name
        with shelf.lease(name) as model:
            assert model.predictor.task.kind == "tag"
            assert model.fingerprint != before
    finally:
        shelf.close()


def test_the_least_used_is_closed_once_a_third_is_opened_and_names_stay_apart(served: Served) -> None:
    shelf, opened = Shelf([]), Opened(served)
    shelf.open()
    try:
        first = opened.open(shelf, "folder1:one/same")
        second = opened.open(shelf, "working:one/same")
        assert first != second
        assert opened.open(shelf, "folder1:one/same") == first
        opened.used(second)
        with shelf.lease(second) as model:
            assert model.predictor.predict([{"text": "好"}])[0]["label"]
        third = opened.open(shelf, "runs:a<b/model/bundle")
        assert sorted(shelf.names) == sorted([second, third])
        assert len(shelf.names) == OPEN
        with pytest.raises(Problem, match="there is no model"), shelf.lease(first):
            pass
        with pytest.raises(Refusal, match="cannot be read as json"):
            opened.open(shelf, "folder1:broken")
        with pytest.raises(Refusal, match="there is no bundle"):
            opened.open(shelf, "working:one")
    finally:
        shelf.close()
