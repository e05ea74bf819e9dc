"""The walk in CONTRIBUTING.md: its files are put in place and do what the page says."""

import contextlib
import importlib
import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import danlu
from danlu.evaluate.scoring.metric import Metric
from danlu.recipe.part import Part, find, kinds
from danlu.task.task import Task

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"<!-- file: (\S+) -->\n```python\n(.*?)```", re.DOTALL)
FILES = dict(BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
PROMISES = {"src/danlu/task/tasks/ordinal.py": Task, "src/danlu/evaluate/scoring/metrics/label_distance.py": Metric}


def loaded(path: Path) -> ModuleType:
    """The module of a file that nobody else has loaded under this name."""
    spec = importlib.util.spec_from_file_location(f"walk_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files of the page where its headings say, seen by the package as if they lay in its own folders."""
    root = tmp_path_factory.mktemp("checkout")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    with contextlib.ExitStack() as stack:
        for name, promise in PROMISES.items():
            stack.enter_context(in_folder(promise, root / name))
        yield root


@contextlib.contextmanager
def in_folder(promise: type[Part], file: Path) -> Iterator[None]:
    assert file.stem not in kinds(promise), f"there is a '{file.stem}' by now; the page needs another walk"
    package = importlib.import_module(promise.folder)
    package.__path__.append(str(file.parent))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        package.__path__.remove(str(file.parent))
        sys.modules.pop(f"{promise.folder}.{file.stem}", None)


def test_the_page_holds_the_files_of_the_walk() -> None:
    assert set(FILES) == {*PROMISES, "tests/task/test_ordinal.py"}


def test_the_name_of_the_file_is_all_the_registration_there_is(checkout: Path) -> None:
    for name, promise in PROMISES.items():
        assert Path(name).stem in kinds(promise)
        assert Path(inspect.getfile(find(promise, Path(name).stem))) == checkout / name
    assert Task.model_validate({"kind": "ordinal", "sharpness": 2}).to_plain()["sharpness"] == 2.0


def test_the_new_task_keeps_the_contract_of_all_tasks(checkout: Path) -> None:
    contract = loaded(ROOT / "tests/task/test_contract.py")
    asked = [
        function
        for name, function in vars(contract).items()
        if name.startswith("test_") and [*inspect.signature(function).parameters] == ["kind"]
    ]
    assert len(asked) >= 10
    for function in asked:
        function("ordinal")


def test_the_tests_of_the_walk_pass(checkout: Path) -> None:
    module = loaded(checkout / "tests/task/test_ordinal.py")
    tests = [function for name, function in vars(module).items() if name.startswith("test_")]
    assert len(tests) == 4
    for function in tests:
        function()


def test_a_recipe_trains_and_evaluates_the_new_task(checkout: Path, tmp_path: Path) -> None:
    words = {"1": "糟糕透顶", "2": "不太满意", "3": "普普通通", "4": "相当不错", "5": "十分完美"}
    rows = [
        f"第{number}次买，{word}，编号{number * 37}{star}。,{star}"
        for number in range(8)
        for star, word in words.items()
    ]
    (tmp_path / "stars.csv").write_text("text,label\n" + "\n".join(rows), encoding="utf-8")
    run = danlu.run(
        {
            "name": "stars",
            "stages": {
                "clean": {
                    "kind": "prepare",
                    "data": {"kind": "csv", "path": str(tmp_path / "stars.csv")},
                    "dedup": "exact",
                    "similarity": 1.0,
                    "split": {"validation": 0.15, "test": 0.15},
                },
                "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": "wordpiece"},
                "model": {
                    "kind": "train",
                    "data": "@clean",
                    "tokenizer": "@vocab",
                    "model": {"kind": "scratch", "size": "tiny"},
                    "task": {"kind": "ordinal"},
                    "train": {"epochs": 8, "rate": 2e-3, "batch_tokens": 256},
                },
                "test": {"kind": "evaluate", "bundle": "@model", "data": "@clean:test"},
            },
        },
        root=tmp_path / "runs",
        say=lambda line: None,
    )
    scores = json.loads((run["test"] / "scores.json").read_text(encoding="utf-8"))
    assert [*scores["metrics"]] == ["label_distance", "accuracy"]
    assert scores["baseline"]["kind"] == "tfidf"
    assert scores["labels"] == ["1", "2", "3", "4", "5"]
    with contextlib.closing(danlu.load(run["model"]).predictor) as predictor:
        (prediction,) = predictor.predict([{"text": "十分完美。"}])
    assert prediction["label"] in words
