"""One recipe with several seeds."""

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from tiny_recipe import made

import danlu
from danlu.cli.main import main
from danlu.recipe import lock as locks
from danlu.recipe.yaml_text import dump
from danlu.refusal import Refusal
from danlu.trials import seeds


def read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def best_of(folder: Path) -> float:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return max(line["validation"]["macro_f1"] for line in lines if line.get("validation"))


def test_seeds_tell_mean_and_spread_and_the_best_bears_the_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(dump(made(tmp_path)), encoding="utf-8")
    for count in (2, 3):  # the second call makes one more, and no other anew
        with pytest.raises(SystemExit) as ended:
            main(["run", "recipe.yaml", f"seeds={count}", "model.train.rate=0.05"])
        assert ended.value.code == 0
        out = capsys.readouterr().out
        assert sum("bundle in" in line for line in out.splitlines()) == 4 - count if count == 3 else 2
    told, run = read(Path("runs/tried/seeds.json")), Path("runs/tried")
    assert "3 seeds, from 0 on" in out
    assert len(list(run.glob("clean*"))) == len(list(run.glob("vocab*"))) == 1
    folders: dict[int, dict[str, Path]] = {}
    for file in run.glob(f"*/{locks.NAME}"):
        lock = locks.load(file.parent)
        assert lock is not None
        folders.setdefault(lock.seed, {})[lock.stage] = file.parent
    assert sorted(folders) == told["seeds"] == [0, 1, 2]
    accuracy = [read(folders[seed]["test"] / "scores.json")["metrics"]["accuracy"]["value"] for seed in range(3)]
    spread = told["metrics"]["test"]["accuracy"]
    assert spread["values"] == accuracy
    assert spread["mean"] == pytest.approx(statistics.fmean(accuracy))
    assert spread["std"] == pytest.approx(statistics.stdev(accuracy))
    validated = {seed: best_of(folders[seed]["model"]) for seed in range(3)}
    assert told["best"] == max(validated, key=lambda seed: validated[seed])
    assert folders[told["best"]]["model"] == run / "model"
    assert folders[told["best"]]["test"] == run / "test"
    assert "standard deviation" in (run / "report.html").read_text(encoding="utf-8")
    for beside in (["--beside"], []):  # a stage of its own has the best training's results, and tells of no other
        with pytest.raises(SystemExit):
            main(["run", "recipe.yaml", "seeds=3", "model.train.rate=0.05", "--only", "test", *beside])
        assert read(Path("runs/tried/seeds.json")) == told
    other = next(seed for seed in range(3) if seed != told["best"])
    with pytest.raises(SystemExit):
        main(["run", "recipe.yaml", f"seed={other}", "model.train.rate=0.05", "--only", "clean"])
    with pytest.raises(SystemExit):
        main(["run", "recipe.yaml", "model.train.steps=1", "model.train.rate=0.05"])
    assert "standard deviation" not in (run / "report.html").read_text(encoding="utf-8")


def test_what_was_told_of_results_that_build_on_others_is_dropped(tmp_path: Path) -> None:
    def result(name: str, mark: str, **stages: str) -> None:
        (tmp_path / name).mkdir(exist_ok=True)
        locks.save(tmp_path / name, locks.Lock(name, "done", mark, 0, {}, {}, stages, {}))

    def told(**prints: str) -> dict[str, Any]:
        metrics = {name: {"accuracy": {"values": [0.5]}} for name in prints}
        return {"seeds": [0, 1], "best": 0, "chosen_by": "x", "fingerprints": prints, "metrics": metrics}

    file = tmp_path / seeds.NAME
    result("model", "m1")
    result("test", "t1", model="m1")
    seeds._write(file, told(model="m1", test="t1"))
    seeds._write(file, told(model="m1"))
    assert set(read(file)["metrics"]) == {"model", "test"}
    result("model", "m2")
    seeds._write(file, told(model="m2"))
    assert read(file)["fingerprints"] == {"model": "m2"}
    assert set(read(file)["metrics"]) == {"model"}


def test_seeds_of_a_recipe_that_trains_nothing_are_refused(tmp_path: Path) -> None:
    recipe = made(tmp_path)
    recipe["stages"] = {name: recipe["stages"][name] for name in ("clean", "vocab")}
    with pytest.raises(Refusal, match="no stage trains"):
        danlu.run(recipe, root=tmp_path / "runs", seeds=3)
    with pytest.raises(Refusal, match="seeds: this should be greater than or equal to 1"):
        danlu.run(recipe, root=tmp_path / "runs", seeds=0)
