from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.model.dropout import ByteDropout
from danlu.model.fast import prepare_for_training, use_our_dropout
from danlu.model.replica import replica
from danlu.tuning.methods.lora import Lora

Network = Callable[[str], PreTrainedModel]
Rows = Callable[[str], dict[str, Tensor]]


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama"])
def test_a_replica_shares_storage_and_has_gradients_of_its_own(network: Network, rows: Rows, family: str) -> None:
    model, inputs = network(family), rows(family)
    second = replica(model)
    names = [name for name, _ in model.named_parameters()]
    assert [name for name, _ in second.named_parameters()] == names
    for mine, other in zip(model.parameters(), second.parameters(), strict=True):
        assert mine.data_ptr() == other.data_ptr()
        assert mine is not other
    assert [b.data_ptr() for b in model.buffers()] == [b.data_ptr() for b in second.buffers()]
    second(**inputs).logits.sum().backward()
    assert all(parameter.grad is None for parameter in model.parameters())
    with torch.no_grad():
        next(model.parameters()).add_(1.0)
        assert torch.equal(model(**inputs).logits, second(**inputs).logits)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_tied_weights_stay_tied(network: Network, family: str) -> None:
    second = replica(network(family))
    assert second.get_output_embeddings().weight is second.get_input_embeddings().weight


def test_what_is_frozen_stays_frozen_and_modes_are_apart(network: Network) -> None:
    model = Lora(rank=2).apply(network("bert")).train()
    second = replica(model)
    assert [p.requires_grad for p in second.parameters()] == [p.requires_grad for p in model.parameters()]
    second.eval()
    assert model.training
    assert all(module.training for module in model.modules())


def test_every_dropout_of_torch_becomes_ours(network: Network) -> None:
    model = Lora(rank=2, dropout=0.2).apply(network("bert"))
    before = [module.p for module in model.modules() if type(module) is nn.Dropout]
    use_our_dropout(model)
    assert [module.p for module in model.modules() if isinstance(module, ByteDropout)] == before
    assert 0.2 in before
    assert not [module for module in model.modules() if type(module) is nn.Dropout]


def test_float16_keeps_float32_weights(network: Network) -> None:
    dtypes = {}
    for precision in ("float32", "bfloat16", "float16"):
        model = prepare_for_training(network("bert"), precision)
        dtypes[precision] = next(model.parameters()).dtype
        assert model.training
        assert model.config._attn_implementation == "danlu"
    assert dtypes == {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float32}
