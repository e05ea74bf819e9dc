"""One process alone deals its parameters out to itself; what several do is compared in `test_ranks.py`."""

from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist
from transformers import BertConfig, BertForSequenceClassification

from danlu.machine.ranks import ALONE, Ranks, grouped
from danlu.refusal import Refusal
from danlu.train.layouts.sharded import ShardedParameters

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}


@pytest.fixture
def alone() -> Iterator[Ranks]:
    yield grouped(ALONE)
    dist.destroy_process_group()


def test_layers_that_were_compiled_are_compiled_where_they_are_dealt_out(
    alone: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda call: call)
    model = BertForSequenceClassification(BertConfig(vocab_size=20, **SIZES))
    model.bert.encoder.layer[1].compile()
    dealt_out = ShardedParameters(model, (), alone).trained(model)
    names = [name for name, module in dealt_out.named_modules() if module._compiled_call_impl is not None]
    assert names == ["bert.encoder.layer.1"]


def test_a_first_process_without_room_for_the_whole_network_is_told(alone: Ranks) -> None:
    model = BertForSequenceClassification(BertConfig(vocab_size=20, **SIZES))
    parameters = ShardedParameters(model, (), alone)
    with pytest.raises(Refusal, match="'fsdp' the first process has the whole network"), parameters.gathered():
        raise torch.OutOfMemoryError
