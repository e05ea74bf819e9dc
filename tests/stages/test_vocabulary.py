"""A training of the rows that the data read ends where one of the whole vocabulary ends, bit by bit."""

import json
import math
import os
import random
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import danlu
from danlu.model import fast, word_rows
from danlu.stages.stage import Place, Stage
from danlu.text.batching.batch import Batch
from danlu.train.recorders.jsonl import read
from danlu.train.run import TrainingRun
from danlu.train.settings import Training
from danlu.tuning.methods.full import Full

RARE = "龘靐齉爩鱻麤龗灪吁飍馫鸾鹂麝"
LETTERS = "这家店的东西我昨天收到看了一下觉得真是"
SMALL = {"kind": "scratch", "architecture": "bert", "layers": 2, "width": 16, "heads": 2, "positions": 32}
TRAIN = {"steps": 8, "rate": 1e-2, "batch_tokens": 96, "precision": "float32", "evaluate": 4, "weight_decay": 0.1}


def record(letters: str, dice: random.Random) -> dict[str, Any]:
    text = "".join(dice.choices(letters, k=dice.randint(4, 12)))
    label = "good" if text[0] < "我" else "bad"
    return {"text": text, "label": label, "entities": [{"start": 1, "end": 3, "label": label}]}


def written(path: Path, letters: str, rows: int) -> dict[str, str]:
    dice = random.Random(letters)
    path.write_text("\n".join(json.dumps(record(letters, dice)) for _ in range(rows)))
    return {"kind": "jsonl", "path": str(path)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of few characters, validation records with some more, and a tokenizer that knows many more."""
    root = tmp_path_factory.mktemp("data")
    written(root / "train.jsonl", LETTERS, 60)
    written(root / "valid.jsonl", LETTERS + RARE[:4], 20)
    everything = written(root / "all.jsonl", LETTERS + RARE + "abcdefghijklmnopqrstuvwxyz", 300)
    vocabulary = {"kind": "tokenizer", "data": everything, "tokenizer": {"kind": "wordpiece", "size": 200}}
    Stage.model_validate(vocabulary).run(Place(root / "vocab", {}, "one", 0, "en", lambda line: None))
    return root


def section(data: Path) -> dict[str, Any]:
    return {
        "kind": "train",
        "data": {"kind": "jsonl", "path": str(data / "train.jsonl")},
        "validation": {"kind": "jsonl", "path": str(data / "valid.jsonl")},
        "tokenizer": "@vocab",
        "model": SMALL,
        "task": "classify",
        "train": TRAIN,
    }


Trained = Callable[..., Path]


def run(data: Path, folder: Path, /, *, narrow: bool, **fields: Any) -> Path:
    """Run a train stage in a folder; `narrow` says whether with the rows alone that are read."""
    said: list[str] = []
    inputs = {"vocab": data / "vocab", "shards": folder.parent / "shards"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "SPARSE_FROM", 0)
        patch.setattr(word_rows, "SPARSE_FROM", 1 if narrow else sys.maxsize)
        Stage.model_validate(section(data) | fields).run(Place(folder, inputs, "one", 0, "en", said.append))
    assert any(" words, for no text has the others" in line for line in said) is narrow
    return folder


@pytest.fixture
def trained(data: Path, tmp_path: Path) -> Trained:
    """Run a train stage in the folder of a name."""
    return lambda name, **fields: run(data, tmp_path / name, **fields)


AVERAGED = {"train": TRAIN | {"average": 0.5}}


@pytest.fixture(scope="module")
def plain(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Narrow and unbroken."""
    return run(data, tmp_path_factory.mktemp("plain") / "narrow", narrow=True)


@pytest.fixture(scope="module")
def averaged(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Narrow and unbroken, with an average of its steps."""
    return run(data, tmp_path_factory.mktemp("averaged") / "narrow", narrow=True, **AVERAGED)


OF_TIME = ("seconds", "data_wait", "optimizer")


def same(one: Path, other: Path) -> bool:
    """Whether weights, losses, norms and validations have the same bits."""
    lines = []
    for folder in (one, other):
        told = [dict(line) for line in read(folder / "log.jsonl")]
        for line in told:
            for name in (*OF_TIME, "tokens_per_second", "share_of_limit", "limit", "limit_in_the_middle"):
                line.pop(name, None)
        lines.append(told)
    first, second = (load_file(folder / "bundle" / "model.safetensors") for folder in (one, other))
    differing = [name for name in first.keys() | second.keys() if not torch.equal(first[name], second[name])]
    assert differing == []
    assert lines[0] == lines[1]
    return True


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"task": "tag", "train": TRAIN | {"threads": 2, "accumulate": 2}},
        {
            "train": TRAIN | {"average": 0.8, "rate": 0.1, "schedule": "constant", "evaluate": 1}
        },  # the best is not the last
        {"tuning": {"kind": "full", "layer_decay": 0.7, "unfreeze": 2}, "train": TRAIN | {"average": 0.5}},
        {"task": "tag", "train": TRAIN | {"precision": "bfloat16"}},
        {"train": TRAIN | {"optimizer": "sgd", "weight_decay": 0.0}},
        {"train": TRAIN | {"optimizer": "muon", "average": 0.5}},
        {"model": SMALL | {"architecture": "gpt2"}, "train": TRAIN | {"clip": 0.01}},
        {"model": SMALL | {"architecture": "llama"}, "task": "tag", "train": TRAIN | {"average": 0.5}},
    ],
    ids=("plain", "replicas", "average", "layers", "bfloat16", "sgd", "muon", "gpt2", "llama"),
)
def test_bundle_losses_and_validations_have_the_bits_of_the_whole_table(
    trained: Trained, plain: Path, fields: dict[str, Any]
) -> None:
    narrow = trained("narrow", narrow=True, **fields) if fields else plain
    assert same(trained("whole", narrow=False, **fields), narrow)


def test_a_step_that_is_left_out_moves_no_word(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    penalised = TrainingRun._penalised

    def spoilt(self: TrainingRun, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        factor = math.nan if self.state.step in (2, 5) else 1.0
        return {name: value * factor for name, value in penalised(self, model, batch).items()}

    monkeypatch.setattr(TrainingRun, "_penalised", spoilt)
    whole = trained("whole", narrow=False, **AVERAGED)
    assert same(whole, trained("narrow", narrow=True, **AVERAGED))
    assert [line["step"] for line in read(whole / "log.jsonl") if "event" in line] == [3, 6]
    (text,) = json.loads((whole / "bad-batches" / "step-00000002-batch-00000002.json").read_text("utf-8"))["batches"][
        0
    ]["texts"][:1]
    assert text.startswith("[CLS]")


def test_words_that_no_record_had_have_decayed_and_are_answered_afterwards(trained: Trained, plain: Path) -> None:
    still, decayed = (
        load_file(where / "bundle" / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
        for where in (trained("still", narrow=True, train=TRAIN | {"weight_decay": 0.0}), plain)
    )
    bundle = danlu.load(plain)
    settings, steps = Training(**TRAIN), bundle.facts["provenance"]["best_step"]
    product = torch.tensor([1 - 0.1 * settings.rate_at(step, 8) for step in range(steps)], dtype=torch.float64).prod()
    unread = bundle.tokenizer.convert_tokens_to_ids(["q", RARE[-1]])
    torch.testing.assert_close(decayed[unread], (still[unread].double() * product).float(), rtol=1e-6, atol=0)
    assert bundle.predict([RARE, "quiz"])[1]["label"] in ("good", "bad")


@pytest.mark.parametrize("at", [3, 4])
def test_what_goes_on_after_a_break_ends_with_the_same_bits(
    trained: Trained, averaged: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """At step 4 the model is being validated."""
    rate = TrainingRun._rate

    def interrupted(self: TrainingRun, step: int) -> float:
        if step == at - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return rate(self, step)

    monkeypatch.setattr(TrainingRun, "_rate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained("broken", narrow=True, **AVERAGED)
    monkeypatch.setattr(TrainingRun, "_rate", rate)
    assert same(trained("broken", narrow=True, **AVERAGED), averaged)


def test_rows_on_disk_are_looked_through_for_their_words(
    trained: Trained, data: Path, plain: Path, tmp_path: Path
) -> None:
    section = {"kind": "shards", "data": {"kind": "jsonl", "path": str(data / "train.jsonl")}}
    shards = Stage.model_validate(section | {"tokenizer": "@vocab", "task": "classify", "longest": 32})
    shards.run(Place(tmp_path / "shards", {"vocab": data / "vocab"}, "one", 0, "en", lambda line: None))
    assert same(trained("disk", narrow=True, data="@shards"), plain)


class Watching(Full):
    """A method that looks at all weights after each step."""

    def after_step(self, model: nn.Module, weights: Mapping[str, Tensor], step: int) -> bool:
        assert len(weights["bert.embeddings.word_embeddings.weight"]) > 60
        return False


@pytest.mark.parametrize(
    "fields",
    [
        {"task": "masked_lm"},
        {"tuning": "lora"},
        {"tuning": Watching()},
        {"train": TRAIN | {"precision": "float16"}},
        {"train": TRAIN | {"optimizer": "sgd"}},
        {"train": TRAIN | {"optimizer": "adafactor", "weight_decay": 0.0}},
        {"model": SMALL | {"architecture": "llama"}, "task": "causal_lm"},
    ],
    ids=("invents", "frozen", "watching", "float16", "sgd", "adafactor", "answers"),
)
def test_the_table_stays_whole_where_more_than_what_is_read_may_matter(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    monkeypatch.setattr(word_rows, "SPARSE_FROM", 1)
    stage = Stage.model_validate(section(data) | fields)
    ready = stage.ready(Place(tmp_path, {"vocab": data / "vocab"}, "one", 0, "en", lambda line: None))  # type: ignore[attr-defined]
    assert word_rows.word_rows(ready.model) == {}
