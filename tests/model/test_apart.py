"""Logits that are held back: the loss and the gradients of the whole, and never more than a chunk in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import PreTrainedModel

from danlu.model import apart
from danlu.model.apart import in_chunks, logits_at
from danlu.model.fast import prepare_for_training
from danlu.model.gru import GruConfig, GruForCausalLM
from danlu.model.heads import cross_entropy_and_squares, cross_entropy_sum, kept_logits
from danlu.model.held_back import HeldBack
from danlu.task.task import Task
from danlu.tuning.methods.lora import Lora
from danlu.tuning.methods.prompt import Prompt

Network = Callable[[str], PreTrainedModel]
Rows = Callable[[str], dict[str, Tensor]]
FAMILIES = ["bert", "roberta", "electra", "ernie", "albert", "distilbert", "modernbert"]
FAMILIES += ["gpt2", "llama", "gemma2", "bart", "t5", "gru"]
MOST = 48 * 3


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows of 48 words at once."""
    monkeypatch.setattr(apart, "most_logits", lambda _device: MOST)


def built(network: Network, family: str) -> PreTrainedModel:
    if family != "gru":
        return network(family)
    torch.manual_seed(5)
    return GruForCausalLM(GruConfig(vocab_size=48, hidden_size=16, pad_token_id=0)).eval()


def asked(rows: Rows, family: str) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    inputs = rows("llama" if family == "gru" else family)
    ids = inputs.get("decoder_input_ids", inputs["input_ids"])
    keep = (ids % 3 == 0) & (ids != 0)
    labels = torch.arange(int(keep.sum())) % 5
    labels[1] = -100
    return inputs, keep, labels


def both(
    model: nn.Module, asked: tuple[dict[str, Tensor], Tensor, Tensor], loss: Callable[[Any, Tensor], Tensor]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Loss and gradients, held back and whole."""
    inputs, keep, labels = asked
    weights = [each for each in model.parameters() if each.requires_grad]
    with in_chunks(allowed=True):
        held = logits_at(model, inputs, keep)
    assert isinstance(held, HeldBack)
    assert held.rows == 3 < len(labels)
    found = []
    for logits in (held, kept_logits(model, inputs, keep)):
        value = loss(logits, labels) / 7
        gradients = torch.autograd.grad(value, weights, allow_unused=True)
        found.append((value, *(each if each is not None else torch.zeros(()) for each in gradients)))
    return found[0], found[1]


def same(found: tuple[Tensor, ...], right: tuple[Tensor, ...]) -> None:
    assert right[0].item() > 0.1
    for one, other in zip(found, right, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_those_of_the_whole(network: Network, rows: Rows, family: str) -> None:
    model = built(network, family)
    same(*both(model, asked(rows, family), cross_entropy_sum))
    assert "forward" not in vars(apart.trunk(model))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_with_squares_of_the_normaliser_and_with_smoothing_too(network: Network, rows: Rows, smoothing: float) -> None:
    def loss(logits: Any, labels: Tensor) -> Tensor:
        entropy, squares = cross_entropy_and_squares(logits, labels[labels >= 0], smoothing=smoothing)
        return entropy + 0.1 * squares + cross_entropy_sum(logits, labels[labels >= 0], smoothing=smoothing)

    for family in ("bert", "llama"):
        inputs, keep, labels = asked(rows, family)
        same(*both(network(family), (inputs, keep, labels.clamp(min=0)), loss))


def test_labels_that_do_not_count_have_no_part_in_the_squares(network: Network, rows: Rows) -> None:
    model, (inputs, keep, labels) = network("gpt2"), asked(rows, "gpt2")
    with in_chunks(allowed=True):
        held = logits_at(model, inputs, keep)
    counted = labels >= 0
    whole = kept_logits(model, inputs, keep)[counted]
    for one, other in zip(
        cross_entropy_and_squares(held, labels), cross_entropy_and_squares(whole, labels[counted]), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_what_lora_adds_learns_and_a_trunk_with_virtual_tokens_keeps_its_logits(network: Network, rows: Rows) -> None:
    model = Lora(rank=2).apply(network("llama")).eval()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.3)
    same(*both(model, asked(rows, "llama"), cross_entropy_sum))
    inputs, keep, _ = asked(rows, "llama")
    virtual = Prompt(size=4).apply(network("llama"))
    with in_chunks(allowed=True):
        assert isinstance(logits_at(virtual, inputs, keep), Tensor)


def test_few_logits_and_those_that_nobody_learns_from_are_there_as_ever(network: Network, rows: Rows) -> None:
    model, (inputs, keep, _) = network("bert"), asked(rows, "bert")
    right = kept_logits(model, inputs, keep)
    assert torch.equal(logits_at(model, inputs, keep), right)  # type: ignore[arg-type]
    with in_chunks(allowed=True):
        few = keep & (keep.flatten().cumsum(0).view_as(keep) <= 3)
        assert isinstance(logits_at(model, inputs, few), Tensor)
        with torch.no_grad():
            assert isinstance(logits_at(model, inputs, keep), Tensor)


def test_bfloat16_adds_up_the_gradients_of_chunks_in_float32(network: Network, rows: Rows) -> None:
    model = prepare_for_training(network("gpt2"), "bfloat16").eval()
    found, right = both(model, asked(rows, "gpt2"), cross_entropy_sum)
    for one, other in zip(found, right, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one.float(), other.float(), atol=0.02, rtol=0.05)


def test_float16_scales_its_gradients_before_they_are_computed(network: Network, rows: Rows) -> None:
    """Where the way back brings a scale, gradients below float16's smallest number are not lost."""
    model, (inputs, keep, labels) = network("gpt2"), asked(rows, "gpt2")
    tiny = 2.0**-26
    with torch.autocast("cpu", torch.float16), in_chunks(allowed=True):
        held = logits_at(model, inputs, keep)
        loss = cross_entropy_sum(held, labels)
    weight = model.get_input_embeddings().weight
    found = torch.autograd.grad(loss * 65536.0 * tiny, weight)[0] / (65536.0 * tiny)
    right = torch.autograd.grad(cross_entropy_sum(kept_logits(model, inputs, keep), labels), weight)[0]
    torch.testing.assert_close(found, right, atol=0.05, rtol=0.1)


class Largest(TorchDispatchMode):
    """The most elements of any tensor with the vocabulary as its last dimension, but for the head's (16, 48)."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else [result]:
            if isinstance(each, Tensor) and each.dim() > 1 and each.shape[-1] == 48 and each.shape[-2] != 16:
                self.elements = max(self.elements, each.numel())
        return result


@contextmanager
def watched() -> Iterator[Largest]:
    with Largest() as largest:
        yield largest


@pytest.mark.parametrize("squares", [False, True])
@pytest.mark.parametrize("family", ["bert", "llama", "t5"])
def test_no_more_logits_than_a_chunk_are_ever_there(network: Network, rows: Rows, family: str, squares: bool) -> None:
    model, (inputs, keep, labels) = network(family), asked(rows, family)
    weights = list(model.parameters())
    sizes = []
    for allowed in (True, False):
        with in_chunks(allowed=allowed):
            logits_at(model, inputs, keep)  # tried once
            with watched() as largest:
                logits = logits_at(model, inputs, keep)
                value = cross_entropy_and_squares(logits, labels)[1] if squares else cross_entropy_sum(logits, labels)
                torch.autograd.grad(value, weights, allow_unused=True)
        sizes.append(largest.elements)
    assert sizes[0] <= MOST < len(labels) * 48 <= sizes[1]


def test_a_task_with_losses_of_its_own_sees_its_logits(network: Network) -> None:
    from danlu.task.tasks.causal_lm import CausalLm

    seen: list[object] = []

    class Other(CausalLm):
        def losses(self, said: Any, batch: Any) -> dict[str, Tensor]:
            seen.append(said["logits"])
            return {"tokens": said["logits"][:, 0].sum()}

    from danlu.text.batching.batch import Batch

    ids = torch.arange(3, 13)[None]
    batch = Batch({"input_ids": ids}, {"tokens": ids}, {"tokens": 10}, torch.arange(1).numpy(), 10)
    model = network("llama")
    for task in (Other(), CausalLm()):
        assert isinstance(task, Task)
        assert task.loss(model, batch)["tokens"].requires_grad
    assert [type(each) for each in seen] == [Tensor]


@pytest.mark.parametrize("family", ["llama", "bart", "gru", "bert"])
def test_it_is_known_before_any_batch(network: Network, family: str) -> None:
    model = built(network, family)
    apart.settle(model)
    assert vars(model)[apart._TELLS] is True
