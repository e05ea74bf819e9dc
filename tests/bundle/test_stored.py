"""Weights in the narrowest format that holds them to the letter, and in memory as before."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel

from danlu.bundle.bundle import load, save
from danlu.bundle.stored import narrowed
from danlu.bundle.verify import verify

SIZES = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def model_in(dtype: torch.dtype, *, tied: bool = False) -> PreTrainedModel:
    """A float32 model whose weights have passed through a format."""
    torch.manual_seed(0)
    found: PreTrainedModel = AutoModelForCausalLM.from_config(LlamaConfig(**SIZES, tie_word_embeddings=tied))
    for weights in found.parameters():
        weights.data = (weights.data * 3).to(dtype).float()
    return found


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_weights_take_the_room_that_they_need(dtype: torch.dtype, tied: bool, tmp_path: Path) -> None:
    model = model_in(dtype, tied=tied)
    before = {name: (weights.data_ptr(), weights.clone()) for name, weights in model.named_parameters()}
    with narrowed(model) as stored:
        model.save_pretrained(tmp_path)
    assert stored == str(dtype).removeprefix("torch.")
    assert {tensor.dtype for tensor in load_file(tmp_path / "model.safetensors").values()} == {dtype}
    again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    for name, weights in model.named_parameters():
        assert weights.data_ptr() == before[name][0]
        assert weights.dtype == torch.float32
        assert torch.equal(weights, before[name][1])
        assert torch.equal(weights, again.get_parameter(name))
    assert (model.lm_head.weight is model.get_input_embeddings().weight) == tied
    assert json.loads((tmp_path / "config.json").read_text("utf-8"))["dtype"] == stored


@pytest.mark.parametrize("odd", [1e-45, 70000.3, float("nan"), 1 + 2**-20])
def test_one_weight_that_would_change_keeps_all_as_they_are(odd: float) -> None:
    model = model_in(torch.float16)
    with torch.no_grad():
        model.get_input_embeddings().weight[3, 3] = odd
    with narrowed(model) as stored:
        assert {weights.dtype for weights in model.parameters()} == {torch.float32}
    assert stored == "float32"


def test_a_model_is_as_before_where_saving_it_fails() -> None:
    model = model_in(torch.bfloat16)
    with pytest.raises(OSError, match="full"), narrowed(model):
        raise OSError("full")
    assert {weights.dtype for weights in model.parameters()} == {torch.float32}


def test_a_bundle_of_narrow_weights_answers_as_it_did_and_is_half_as_large(
    tiny: SimpleNamespace, tmp_path: Path, made: Callable[[str, str], Path]
) -> None:
    model, tokenizer, task = tiny.parts("bert", "classify")
    nn.utils.vector_to_parameters(
        nn.utils.parameters_to_vector(model.parameters()).bfloat16().float(), model.parameters()
    )
    save(tmp_path / "b", model, tokenizer, task, precision="float32", provenance={}, examples=[{"text": "好书"}])
    facts = json.loads((tmp_path / "b" / "danlu.json").read_text("utf-8"))
    assert facts["weights"] == "bfloat16"
    assert verify(tmp_path / "b") == []
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (tmp_path / "b", made("bert", "classify"))]
    assert sizes[0] < 0.55 * sizes[1]
    with load(tmp_path / "b", "float32") as bundle:
        for name, weights in model.named_parameters():
            assert torch.equal(bundle.model.get_parameter(name), weights)
    assert "bfloat16; predicts in float32" in (tmp_path / "b" / "README.md").read_text("utf-8")
