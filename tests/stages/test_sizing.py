"""A size that is chosen once, by the data and the speed that was measured, and stays."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist

import danlu
from danlu.machine.ranks import Ranks
from danlu.model.source import Source
from danlu.refusal import Refusal
from danlu.stages import sizing
from danlu.stages.ready import Prepared
from danlu.stages.recipe import read
from danlu.stages.run import run
from danlu.stages.stage import Place
from danlu.train.settings import Training


def recipe(folder: Path, **train: Any) -> dict[str, Any]:
    path = folder / "lines.txt"
    path.write_text("".join(f"line {number} of a small text that is learnt\n" for number in range(60)))
    data = {"kind": "text", "path": str(path)}
    model = {"kind": "scratch", "architecture": "gpt2", "size": "auto", "minutes": 0.5, "positions": 32}
    stages = {
        "vocab": {"kind": "tokenizer", "data": data, "tokenizer": {"kind": "bpe", "size": 300}},
        "model": {
            "kind": "train",
            "data": data,
            "tokenizer": "@vocab",
            "model": model,
            "task": {"kind": "causal_lm"},
            "train": {"batch_tokens": 256, "precision": "float32", **train},
        },
    }
    return {"name": "sized", "stages": stages}


def shape_of(folder: Path) -> tuple[int, int, int]:
    config = json.loads((folder / "bundle" / "config.json").read_text())
    return config["n_layer"], config["n_embd"], config["n_head"]


def test_the_size_is_told_kept_and_the_same_when_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizing, "matmul_rate", lambda _: 3e8)
    said: list[str] = []
    first = run(read(recipe(tmp_path)), tmp_path / "runs", say=said.append)["model"]
    kept = json.loads((first / sizing.NAME).read_text())
    (told,) = [line for line in said if "size auto" in line]
    assert kept["told"] in told
    assert "4 passes over the data" in told
    layers, width, heads = shape_of(first)
    assert kept["shape"] == {"layers": layers, "width": width, "heads": heads}
    log = [json.loads(line) for line in (first / "log.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == kept["steps"]
    assert log[-1]["epoch"] == pytest.approx(4, abs=0.5)

    monkeypatch.setattr(sizing, "matmul_rate", lambda _: 3e10)
    (first / "bundle" / "config.json").unlink()
    again = run(read(recipe(tmp_path)), tmp_path / "runs", say=said.append)["model"]
    assert shape_of(again) == (layers, width, heads)
    assert danlu.load(again / "bundle").predict([{"text": "line 3"}])


def test_more_speed_gives_a_larger_network_and_given_steps_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for rate in (5e7, 4e8):
        monkeypatch.setattr(sizing, "matmul_rate", lambda _, rate=rate: rate)
        folder = run(read(recipe(tmp_path, steps=2)), tmp_path / f"runs-{rate}", say=lambda _: None)["model"]
        kept = json.loads((folder / sizing.NAME).read_text())
        assert kept["steps"] is None
        assert json.loads((folder / "log.jsonl").read_text().splitlines()[-1])["step"] == 2
        found.append(shape_of(folder)[1])
    assert found[0] < found[1]


def test_other_stages_refuse_a_size_that_nobody_chose(tmp_path: Path) -> None:
    source = Source.model_validate({"kind": "scratch", "size": "auto", "minutes": 1})
    with pytest.raises(Refusal, match="size auto: is chosen by a stage of kind 'train'"):
        source.build("AutoModelForMaskedLM", None, {})  # type: ignore[arg-type]


def test_networks_beside_are_made_for_the_shape_that_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizing, "matmul_rate", lambda _: 1e8)
    plain = recipe(tmp_path, steps=2)
    plain["stages"]["vocab"]["tokenizer"] = {"kind": "wordpiece", "size": 300}
    plain["stages"]["model"] |= {"task": {"kind": "replaced_token"}}
    plain["stages"]["model"]["model"]["architecture"] = "electra"
    folder = run(read(plain), tmp_path / "runs", say=lambda _: None)["model"]
    width = json.loads((folder / sizing.NAME).read_text())["shape"]["width"]
    beside = json.loads((folder / "generator" / "config.json").read_text())
    assert json.loads((folder / "bundle" / "config.json").read_text())["hidden_size"] == width
    assert beside["hidden_size"] < width


def test_the_teacher_of_a_network_whose_size_is_sought_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizing, "matmul_rate", lambda _: 1e8)
    plain = recipe(tmp_path, steps=1)
    taught = json.loads(json.dumps(plain["stages"]["model"]))
    plain["stages"]["model"]["model"] = {"kind": "scratch", "architecture": "gpt2", "size": "tiny", "positions": 32}
    plain["stages"]["taught"] = taught | {"task": {"kind": "distil_lm"}}
    with pytest.raises(Refusal, match="the task distil_lm needs teacher under 'roles'"):
        run(read(plain), tmp_path / "runs", say=lambda _: None)
    taught |= {"task": {"kind": "distil_lm"}, "roles": {"teacher": {"kind": "pretrained", "path": "@model"}}}
    plain["stages"]["taught"] = taught
    folder = run(read(plain), tmp_path / "runs", say=lambda _: None)["taught"]
    assert (folder / sizing.NAME).is_file()


def test_only_the_first_rank_chooses_with_the_speed_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizing, "matmul_rate", lambda _: 1e8)
    asked: list[float] = []

    def choose(_prepared: Any, _learnt: Any, _settings: Any, rate: float, *_: Any) -> dict[str, Any]:
        asked.append(rate)
        return {"shape": {"layers": 2, "width": 64, "heads": 2}, "steps": 7, "told": "so"}

    monkeypatch.setattr(sizing, "_choose", choose)
    store = dist.HashStore()
    places = [Place(tmp_path / f"{n}", {}, "", 0, "en", print, ranks=Ranks(n, 2, n, None, store)) for n in range(2)]
    prepared = Prepared(Source.model_validate({"kind": "scratch", "size": "auto", "minutes": 1}), *[None] * 5)  # type: ignore[arg-type]
    monkeypatch.setattr(sizing, "_of_shape", lambda _prepared, shape, _given: shape)
    for place in places:
        place.folder.mkdir()
    given = (None, Training(), "float32")
    first = sizing.sized(prepared, *given, places[0], print, {})  # type: ignore[arg-type]
    for place in places:
        sizing.keep_chosen(place)
    assert sizing.sized(prepared, *given, places[1], print, {}) == first  # type: ignore[arg-type]
    assert asked == [2 * sizing.REACHED * 1e8]
    assert first[1].steps == 7
