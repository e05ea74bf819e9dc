"""What is written at validations is kept, and a training with samples has the bits of one without."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

import danlu
from danlu.bundle.bundle import load
from danlu.recipe.part import find
from danlu.stages import samples
from danlu.stages.samples import Samples
from danlu.task.task import Task
from danlu.train.events import Returned, Validated
from danlu.train.run import TrainingRun

SIZES = {"layers": 1, "width": 16, "heads": 2, "positions": 64, "dropout": 0.1}
BYTES = {"kind": "bpe", "size": 300, "begin": "<s>", "end": "</s>", "pad": "<pad>"}
TRAIN = {"steps": 6, "rate": 5e-3, "batch_examples": 4, "evaluate": 2, "precision": "float32", "threads": 1}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "rewrite": ({"kind": "scratch", "architecture": "t5"} | SIZES, {"policy": {"kind": "greedy", "max_new_tokens": 8}}),
    "causal_lm": ({"kind": "scratch", "architecture": "llama"} | SIZES | {"dropout": 0.0}, {}),
}


class Killed(BaseException):
    """What nobody catches, as nobody does a signal that cannot be caught."""


def trained(kind: str, root: Path) -> Path:
    """The folder of a training whose data are the samples of a task."""
    model, fields = CASES[kind]
    records = [record for record in find(Task, kind).sample for _ in range(6)]  # type: ignore[type-abstract]
    file = root.parent / "records.jsonl"
    file.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    data = {"kind": "jsonl", "path": str(file)}
    task, train = {"kind": kind} | fields, TRAIN | {"checkpoint_seconds": 1e-6}
    stages: dict[str, dict[str, Any]] = {
        "vocab": {"kind": "tokenizer", "data": data, "tokenizer": BYTES},
        "fit": {"kind": "train", "data": data, "validation": data, "tokenizer": "@vocab", "model": model, "task": task},
    }
    stages["fit"]["train"] = train
    return danlu.run({"name": "sampled", "stages": stages}, root=root, say=lambda _: None)["fit"]


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / samples.NAME).read_text("utf-8").splitlines()]


@pytest.mark.parametrize("kind", CASES)
def test_samples_change_no_bit_of_a_training_and_go_on_with_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "SHARE", 1e9)
    with monkeypatch.context() as without:
        without.setattr(Samples, "seen", lambda _self, _task, _records, predictions: iter(predictions))
        without.setattr(Samples, "write", lambda *_: None)
        plain = trained(kind, tmp_path / "plain")
    assert not (plain / samples.NAME).exists()
    with monkeypatch.context() as killing:  # goes on from step 5 where its samples reach to step 4
        rate = TrainingRun._rate

        def killed(run: TrainingRun, step: int) -> float:
            if step == 5:
                raise Killed
            return rate(run, step)

        if kind == "rewrite":
            killing.setattr(TrainingRun, "_rate", killed)
            with pytest.raises(Killed):
                trained(kind, tmp_path / "sampled")
    sampled = trained(kind, tmp_path / "sampled")
    found = lines(sampled)
    assert [line["step"] for line in found] == [2, 4, 6]
    for line in found:
        assert len(line["samples"]) == samples.RECORDS
        assert all(each["input"] and each["truth"] and isinstance(each["written"], str) for each in line["samples"])
    assert kind == "rewrite" or all(each["written"] for line in found for each in line["samples"])
    one, other = (load_file(each / "bundle" / "model.safetensors") for each in (plain, sampled))
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name].numpy().view(np.uint8), other[name].numpy().view(np.uint8)) for name in one)
    logs = [[json.loads(line) for line in (each / "log.jsonl").read_text().splitlines()] for each in (plain, sampled)]
    told = [[(line.get("loss"), line.get("validation")) for line in log] for log in logs]
    assert told[0] == told[1]


def taken(folder: Path, step: int) -> Samples:
    kept = Samples(folder, writes=False)
    kept._take("asked", f"written {step}", "truth")
    kept.watching(lambda _event: None)(Validated({"step": step, "validation": {}}, 0))
    return kept


def test_the_file_stays_short_and_goes_back_with_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "LINES", 8)
    for step in range(1, 101):
        kept = taken(tmp_path, step)
    found = [line["step"] for line in lines(tmp_path)]
    assert len(found) <= 8
    assert found[-1] == 100
    assert found == sorted(found)
    with (tmp_path / samples.NAME).open("a") as file:
        file.write('{"step": 101, "sam')
    kept.watching(lambda _event: None)(Returned({"step": found[-2]}, "back", found[-2]))
    assert [line["step"] for line in lines(tmp_path)] == found[:-1]


def test_a_long_text_is_cut(tmp_path: Path) -> None:
    kept = Samples(tmp_path, writes=False)
    kept._take("a" * 5000, "b" * 5000, ["c" * 5000, "d"])
    kept.watching(lambda _event: None)(Validated({"step": 1, "validation": {}}, 0))
    (sample,) = lines(tmp_path)[0]["samples"]
    assert {len(text) for text in sample.values()} == {samples.LONGEST}


def test_a_language_model_goes_on_with_each_text_that_has_a_half(
    tiny_bundle: Callable[[str], Path], tmp_path: Path
) -> None:
    with load(tiny_bundle("causal_lm"), "float32") as bundle:
        kept = Samples(tmp_path, writes=True, _begun=0.0)
        kept.write(bundle.predictor, [{"text": "好"}, {"text": "这本书写得很好"}, {"text": "值得一读"}])
        kept.watching(lambda _event: None)(Validated({"step": 1, "validation": {}}, 0))
        texts = [each.text for (each,) in bundle.generate(["这本书", "值得"], "greedy", max_new_tokens=samples.TOKENS)]
    found = [(each["input"], each["truth"], each["written"]) for each in lines(tmp_path)[0]["samples"]]
    assert found == [("这本书", "写得很好", texts[0]), ("值得", "一读", texts[1])]
