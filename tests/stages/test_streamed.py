"""A training from shards that come while it goes on: the same wherever they lie, and after a kill."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import danlu
from danlu.apps.doctor import TrainingFacts, diagnose
from danlu.refusal import Refusal
from danlu.stages.recipe import read
from danlu.stages.run import Run
from danlu.text.batching.stored_rows import groups_of
from danlu.train.batches import Batches
from danlu.train.run import TrainingRun

MODEL = {"kind": "scratch", "architecture": "llama", "layers": 1, "width": 16, "heads": 2, "positions": 32}
TRAIN = {"epochs": 2, "rate": 1e-2, "batch_tokens": 96, "precision": "float32", "threads": 1, "accumulate": 2}
OFTEN = {"checkpoint_seconds": 1e-6}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Shards of both forms, of 1,000 tokens each."""
    root = tmp_path_factory.mktemp("made")
    lines = "".join(
        f"{'这家店的东西我很' * (1 + row % 3)}{'喜欢' if row % 2 else '失望'}{row}\n" for row in range(1300)
    )
    (root / "texts.txt").write_text(lines, encoding="utf-8")
    data = {"kind": "text", "path": str(root / "texts.txt")}
    pairs = {"kind": "bpe", "size": 400, "begin": "<s>", "end": "</s>"}
    many = {"kind": "shards", "data": "@clean", "tokenizer": "@vocab", "file_tokens": 1000}
    stages: dict[str, Any] = {
        "clean": {"kind": "prepare", "data": data, "dedup": "none", "split": {"validation": 0.1}},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": pairs},
        "flat": many,
        "rows": many | {"task": {"kind": "causal_lm", "pack": False}, "longest": 32},
    }
    return danlu.run({"name": "made", "stages": stages}, root=root / "runs", say=lambda _: None)


def held(folder: Path) -> float:
    """GiB of four of the files of shards and some more."""
    plain = json.loads((folder / "shards" / "manifest.json").read_text("utf-8"))
    assert len(plain["shards"]) > 6
    return 4.5 * max(shard["files"][shard["file"]]["bytes"] for shard in plain["shards"]) / 2**30


def recipe(where: Path, **train: Any) -> dict[str, Any]:
    task = {"kind": "causal_lm", "pack": False}
    fit = {"kind": "train", "data": "@far", "tokenizer": "@far", "model": MODEL, "task": task, "train": TRAIN | train}
    return {"name": "far", "stages": {"far": {"kind": "fetch", "path": str(where), "held": held(where)}, "fit": fit}}


def trained(where: Path, root: Path, **train: Any) -> tuple[bytes, list[dict[str, Any]], Run]:
    run = danlu.run(recipe(where, **train), root=root, say=lambda _: None)
    log = [json.loads(line) for line in (run["fit"] / "log.jsonl").read_text("utf-8").splitlines()]
    return (run["fit"] / "bundle" / "model.safetensors").read_bytes(), log, run


def here(run: Run) -> list[str]:
    return sorted(path.name for path in (run["far"] / "shards").glob("*[0-9].*") if path.suffix in (".bin", ".arrow"))


@pytest.mark.parametrize("form", ["flat", "rows"])
def test_every_row_is_learnt_from_once_an_epoch_and_few_files_lie_here(
    form: str, made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt: list[int] = []
    part = Batches._part

    def counted(self: Batches, examples: Any, *others: Any) -> Any:
        if groups_of(self.encoded):
            learnt.extend(examples.tolist())
        return part(self, examples, *others)

    monkeypatch.setattr(Batches, "_part", counted)
    _, _, run = trained(made[form], tmp_path / "runs")
    count = len({*learnt})
    assert count > 1000
    assert sorted(learnt[-2 * count :]) == sorted([*range(count)] * 2)  # before them, what is tried before a training
    all_of_them = json.loads((made[form] / "shards" / "manifest.json").read_text("utf-8"))
    assert 0 < len(here(run)) <= 4 < len(all_of_them["shards"])
    assert not list((run["far"] / "shards").glob("*.partial"))
    assert (run["far"] / "validation.parquet").is_file()


class Killed(BaseException):
    """What nobody catches, as nobody does a signal that cannot be caught."""


@pytest.mark.parametrize("form", ["flat", "rows"])
def test_a_killed_training_ends_with_the_weights_of_an_unbroken_one(
    form: str, made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _, _ = trained(made[form], tmp_path / "whole", **OFTEN)
    rate = TrainingRun._rate

    def killed(self: TrainingRun, step: int) -> float:
        if step == 20:
            raise Killed
        return rate(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "_rate", killed)
        with pytest.raises(Killed):
            trained(made[form], tmp_path / "broken", **OFTEN)
    for path in (tmp_path / "broken").rglob("*.bin"):
        path.unlink()  # as if the disk had been cleared
    found, _, _ = trained(made[form], tmp_path / "broken", **OFTEN)
    assert found == whole


def test_two_processes_read_the_same_files_and_learn_the_same(made: Run, tmp_path: Path) -> None:
    where = made["flat"]
    (tmp_path / "far.yaml").write_text(
        yaml.safe_dump(recipe(where, epochs=1, batch_tokens=384, parallel="ddp"), allow_unicode=True), "utf-8"
    )
    command = [sys.executable, "-m", "danlu", "run", "far.yaml", "--processes", "2", "--root", "two"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    _, alone, _ = trained(where, tmp_path / "one", epochs=1, batch_tokens=384)
    (log,) = (tmp_path / "two").rglob("log.jsonl")
    both = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    one, two = ([line["loss"] for line in each if "loss" in line] for each in (alone, both))
    assert one == pytest.approx(two, rel=1e-5)
    (shards,) = (tmp_path / "two").rglob("streamed.json")
    assert len([path for path in shards.parent.iterdir() if path.suffix == ".bin"]) <= 4


def test_a_place_that_is_gone_is_told_and_what_was_learnt_stays(
    made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.text.batching.depot.PAUSES", ())
    far = Path(shutil.copytree(made["flat"], tmp_path / "far"))
    danlu.run({**recipe(far), "stages": {"far": recipe(far)["stages"]["far"]}}, root=tmp_path / "runs", say=print)
    for path in (far / "shards").glob("*.bin"):
        path.unlink()
    with pytest.raises(Refusal, match=r"tokens-\d{5}\.bin: there is no such file"):
        trained(far, tmp_path / "runs")


def test_too_little_room_is_told_before_anything_is_fetched(made: Run, tmp_path: Path) -> None:
    wrong = recipe(made["flat"])
    wrong["stages"]["far"]["held"] = 1e-6
    with pytest.raises(Refusal, match=r"held: 9.99e-07 GiB are too few, for 3 files are held at once.*'file_tokens'"):
        danlu.run(wrong, root=tmp_path / "runs", say=lambda _: None)
    assert not list((tmp_path / "runs").rglob("*.npy"))


def test_a_signature_that_would_end_before_the_training_is_not_kept(tmp_path: Path) -> None:
    path = "https://127.0.0.1:9/rows?sig=secret"
    stage = {"kind": "fetch", "path": path, "held": 1.0}
    with pytest.raises(Refusal) as told:
        danlu.run({"name": "far", "stages": {"far": stage}}, root=tmp_path / "runs", say=lambda _: None)
    assert "secret" not in str(told.value)
    assert not [
        file for file in tmp_path.rglob("*") if file.is_file() and "secret" in file.read_text("utf-8", "replace")
    ]


def test_a_check_tells_of_the_rows_what_it_tells_where_all_lie_here(made: Run, tmp_path: Path) -> None:
    far = recipe(made["flat"])
    near = {**far, "stages": {**far["stages"], "far": {"kind": "fetch", "path": str(made["flat"])}}}
    found = [[each.found for each in diagnose(read(recipe_), tmp_path)] for recipe_ in (far, near)]
    one, other = ([each.tokens for each in facts if isinstance(each, TrainingFacts)] for facts in found)
    assert len(one) == 1
    assert [(each.rows, each.total, each.lengths) for each in one] == [
        (each.rows, each.total, each.lengths) for each in other
    ]
    assert one[0].learnt == pytest.approx(other[0].learnt, rel=0.1)  # told by the first files
