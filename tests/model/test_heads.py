from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.model.heads import cross_entropy_sum, kept_logits, trunk, unwrapped
from danlu.tuning.methods.lora import Lora

Network = Callable[[str], PreTrainedModel]
Rows = Callable[[str], dict[str, Tensor]]
FAMILIES = ["bert", "roberta", "electra", "ernie", "albert", "distilbert", "modernbert"]
FAMILIES += ["gpt2", "llama", "gemma2", "bart", "t5"]


def kept_places(inputs: dict[str, Tensor]) -> Tensor:
    ids = inputs.get("decoder_input_ids", inputs["input_ids"])
    return (ids % 3 == 0) & (ids != 0)


def gradients(model: nn.Module, value: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    value.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_gradients_are_those_of_the_whole_at_the_kept_places(
    network: Network, rows: Rows, family: str
) -> None:
    model, inputs = network(family), rows(family)
    keep = kept_places(inputs)
    assert 2 < int(keep.sum()) < keep.numel() - 2
    labels = torch.arange(int(keep.sum())) % 5
    whole = model(**inputs).logits[keep]
    expected = gradients(model, nn.functional.cross_entropy(whole, labels))
    kept = kept_logits(model, inputs, keep)
    torch.testing.assert_close(kept, whole, atol=1e-6, rtol=1e-5)
    assert whole.std() > 0.01
    torch.testing.assert_close(
        gradients(model, nn.functional.cross_entropy(kept, labels)), expected, atol=1e-6, rtol=1e-4
    )
    torch.testing.assert_close(model(**inputs).logits[keep], whole)  # the hook is gone


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama"])
def test_a_model_that_peft_has_wrapped_gives_its_own_logits(network: Network, rows: Rows, family: str) -> None:
    model, inputs = Lora(rank=2).apply(network(family)).eval(), rows(family)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # zero at first
            nn.init.normal_(parameter, std=0.3)
    keep = kept_places(inputs)
    whole = model(**inputs).logits[keep]
    torch.testing.assert_close(kept_logits(model, inputs, keep), whole, atol=1e-6, rtol=1e-5)
    with model.disable_adapter():
        assert not torch.allclose(model(**inputs).logits[keep], whole, atol=1e-3)
    assert unwrapped(model).base_model is trunk(model)


def test_no_kept_place_gives_no_logits_and_a_loss_of_zero(network: Network, rows: Rows) -> None:
    model, inputs = network("bert"), rows("bert")
    kept = kept_logits(model, inputs, torch.zeros_like(inputs["input_ids"], dtype=torch.bool))
    assert kept.shape == (0, 48)
    value = cross_entropy_sum(kept, torch.zeros(0, dtype=torch.long))
    assert value.item() == 0
    value.backward()


def test_the_hook_goes_also_when_the_model_fails(network: Network, rows: Rows) -> None:
    model, inputs = network("bert"), rows("bert")
    with pytest.raises(IndexError):
        kept_logits(model, inputs, torch.ones(2, 2, dtype=torch.bool))
    assert model(**inputs).logits.shape == (3, 9, 48)


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_the_summed_loss_is_the_same_in_any_chunks(chunk: int) -> None:
    logits = torch.randn(7, 11, requires_grad=True)
    labels = torch.arange(7)
    found = cross_entropy_sum(logits, labels, chunk)
    expected = -torch.log_softmax(logits.double(), -1)[labels, labels].sum()
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-6)
    torch.testing.assert_close(
        torch.autograd.grad(found, logits)[0], torch.autograd.grad(expected, logits)[0], atol=1e-6, rtol=1e-5
    )
