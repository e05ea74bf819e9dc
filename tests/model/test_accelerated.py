"""What accelerators compute in another form says what it said before."""

import copy

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PreTrainedModel

from danlu.model import accelerated
from danlu.model.accelerated import (
    AlignedLinear,
    compile_layers,
    use_accelerator,
    use_aligned_heads,
    use_fused_gelu,
    use_fused_norms,
)

VOCABULARY = 1027  # odd and wide


def network(family: str) -> PreTrainedModel:
    torch.manual_seed(0)
    small = {"vocab_size": VOCABULARY, "bos_token_id": 1, "eos_token_id": 2}
    if family == "gpt2":
        config = GPT2Config(n_layer=2, n_embd=32, n_head=2, n_positions=32, **small)
    else:
        sizes = {"num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
        config = LlamaConfig(**sizes, **small, tie_word_embeddings=False)
    return AutoModelForCausalLM.from_config(config).eval()


def learnt(model: nn.Module) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss and its gradients."""
    ids_BT = torch.arange(3, 51).view(3, 16)
    loss = model(input_ids=ids_BT, labels=ids_BT).loss
    loss.backward()
    return loss.detach(), {name: value.grad for name, value in model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_loss_gradients_and_names_stay_what_they_were(family: str) -> None:
    plain = network(family)
    fast = copy.deepcopy(plain)
    use_fused_gelu(fast)
    use_aligned_heads(fast)
    use_fused_norms(fast)
    changed = [name for name, module in fast.named_modules() if type(module) is not type(plain.get_submodule(name))]
    assert "lm_head" in changed
    assert len(changed) == (3 if family == "gpt2" else 6)  # two activations, or norms of two layers and the last one
    assert [*fast.state_dict()] == [*plain.state_dict()]
    (loss, gradients), (truth, true) = learnt(fast), learnt(plain)
    torch.testing.assert_close(loss, truth)
    assert gradients.keys() == true.keys()
    for name in true:
        torch.testing.assert_close(gradients[name], true[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_a_wide_layer_says_the_same_with_more_columns(bias: bool) -> None:
    torch.manual_seed(0)
    plain = nn.Linear(16, VOCABULARY, bias=bias)
    aligned = copy.deepcopy(plain)
    use_aligned_heads(nn.Sequential(aligned))
    assert type(aligned) is AlignedLinear
    hidden = torch.randn(2, 3, 16)
    torch.testing.assert_close(aligned(hidden), plain(hidden))
    narrow, even = nn.Linear(16, 7), nn.Linear(16, 2048)
    use_aligned_heads(nn.Sequential(narrow, even))
    assert {type(narrow), type(even)} == {nn.Linear}


def test_a_norm_of_another_formula_is_left_alone() -> None:
    class LateRMSNorm(nn.Module):
        """Adds one to its weights, as Gemma does."""

        def __init__(self) -> None:
            super().__init__()
            self.weight, self.variance_epsilon = nn.Parameter(torch.zeros(8)), 1e-6

        def forward(self, hidden: torch.Tensor) -> torch.Tensor:
            return nn.functional.rms_norm(hidden, (8,), 1.0 + self.weight, self.variance_epsilon)

    norm = LateRMSNorm()
    use_fused_norms(nn.Sequential(norm))
    assert type(norm) is LateRMSNorm


def test_on_a_processor_nothing_is_compiled_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(accelerated, "device", lambda: torch.device("cpu"))
    model = network("llama")
    use_accelerator(model)
    compile_layers(model, said.append)
    assert said == ["compile: left out, for the model is on a CPU"]
    assert type(model.get_output_embeddings()) is nn.Linear
    compile_layers(nn.Linear(2, 2), said.append)
    assert said[1] == "compile: left out, for the model has no layers that repeat"


def test_layers_are_compiled_where_an_accelerator_is(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(accelerated, "device", lambda: torch.device("cuda"))
    model = network("gpt2")
    monkeypatch.setattr(nn.Module, "compile", lambda module: setattr(module, "compiled", True))
    compile_layers(model, said.append)
    assert said == ["compile: 2 layers; the first steps take long"]
    assert [name for name, module in model.named_modules() if hasattr(module, "compiled")] == [
        "transformer.h.0",
        "transformer.h.1",
    ]
