"""One training: what it holds, and what it keeps of the best."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification

from danlu.train.held import bytes_a_parameter
from danlu.train.run import TrainingRun, Validation
from danlu.tuning.method import Method


def network() -> BertForSequenceClassification:
    torch.manual_seed(3)
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
    return BertForSequenceClassification(BertConfig(vocab_size=600, max_position_embeddings=32, num_labels=3, **sizes))


@pytest.fixture(scope="module")
def _forgotten() -> Iterator[None]:
    """What was there before these tests is not looked through in each of them."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def allocated() -> int:
    """Bytes of all storages that a tensor of this process lies in."""
    gc.collect()
    tensors: list[Tensor] = [item for item in gc.get_objects() if type(item) in (Tensor, nn.Parameter)]
    storages = [tensor.untyped_storage() for tensor in tensors if tensor.device.type == "cpu"]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def scores(*values: float) -> Validation:
    """Validations that find these, one after the other."""
    left = list(values)
    return Validation(lambda: {"score": left.pop(0)}, "score", higher_is_better=True)


@pytest.mark.usefixtures("_forgotten")
@pytest.mark.parametrize(
    ("tuning", "precision", "fields", "validated", "expected"),
    [
        ("full", "float32", {}, False, 16),
        ("full", "float32", {"optimizer": "sgd"}, False, 12),
        ("full", "float32", {"optimizer": "sgd", "momentum": 0.0}, False, 8),
        ("full", "bfloat16", {"optimizer": "muon", "average": 0.9}, False, None),
        ("full", "float32", {"optimizer": "adafactor"}, False, None),
        ("lora", "float32", {"optimizer": "muon"}, False, None),
        ("full", "bfloat16", {}, False, 18),
        ("full", "float32", {"average": 0.9}, False, 20),
        ("full", "float32", {"evaluate": 2}, True, 20),
        ("full", "float32", {"evaluate": 4}, True, 16),  # it can only choose the last
        ("full", "bfloat16", {"evaluate": 2, "average": 0.9}, True, 26),
        ({"kind": "full", "layer_decay": 0.8}, "float32", {}, False, 16),
        ("lora", "float32", {}, False, None),
        ("lora", "bfloat16", {"average": 0.9}, False, None),
        ("head", "float32", {"evaluate": 2}, True, None),
    ],
)
def test_the_bytes_a_parameter_that_are_told_are_those_that_are_held(
    made_run: Callable[..., TrainingRun],
    tmp_path: Path,
    tuning: Any,
    precision: str,
    fields: dict[str, Any],
    validated: bool,
    expected: int | None,
) -> None:
    method = Method.model_validate(tuning)
    before = allocated()
    model = method.apply(network()).to(getattr(torch, precision))
    run = made_run(model, method, tmp_path, precision=precision, steps=4, **fields)
    told = bytes_a_parameter(run, validated)
    run.train("run", scores(0.9, 0.1) if validated else None)
    run.model.zero_grad(set_to_none=True)
    parameters = sum(p.numel() for p in model.parameters())
    assert (allocated() - before) / parameters == pytest.approx(told, rel=0.01)
    if expected is None and tuning == "full":
        assert told < 8.5 or fields["optimizer"] == "muon"
    elif expected is None:
        assert told < 10  # what is frozen has 4 bytes, or 2
    else:
        assert told == expected


@pytest.mark.parametrize("average", [0.0, 0.5])
def test_the_best_is_kept_only_where_it_is_not_the_last(
    made_run: Callable[..., TrainingRun], tmp_path: Path, average: float
) -> None:
    """And is written over in place."""
    ends: dict[int, dict[str, Tensor]] = {}
    for steps in (2, 4, 6):
        run = made_run(network(), Method.model_validate("full"), tmp_path / str(steps), steps=steps, average=average,
                       schedule="constant", warmup=0.0, evaluate=2)  # fmt: skip
        best = run.train("run", scores(0.1, 0.2, 0.9))
        assert (best.step, run.state.best_values) == (steps, [])
        ends[steps] = {name: value.clone() for name, value in best.weights.items()}
    run = made_run(network(), Method.model_validate("full"), tmp_path / "all", steps=6, average=average,
                   schedule="constant", warmup=0.0, evaluate=2)  # fmt: skip
    places: list[list[int]] = []
    keep = run._keep

    def kept(last: bool) -> None:
        keep(last)
        places.append([value.data_ptr() for value in run.state.best_values])

    run._keep = kept  # type: ignore[method-assign]
    best = run.train("run", scores(0.1, 0.2, 0.15))
    assert (best.step, best.score) == (4, 0.2)
    assert places[0] == places[1] != []
    assert all(torch.equal(value, ends[4][name]) for name, value in best.weights.items())
    if not average:
        present = dict(run.model.named_parameters())
        assert all(torch.equal(value, ends[6][name]) for name, value in present.items())


def test_what_a_training_ends_with_is_no_copy(made_run: Callable[..., TrainingRun], tmp_path: Path) -> None:
    run = made_run(network(), Method.model_validate("full"), tmp_path, steps=2)
    best = run.train("run", None)
    own = {p.untyped_storage().data_ptr() for p in run.model.parameters()}
    assert {value.untyped_storage().data_ptr() for value in best.weights.values()} <= own
