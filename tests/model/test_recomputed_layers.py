"""Layers that are computed anew on the way back: the same bits, dropout included, and fewer values kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

from danlu.model.dropout import seed_dropout
from danlu.model.fast import prepare_for_training
from danlu.model.recomputed_layers import layers_kept, recompute_layers, recomputes
from danlu.refusal import Refusal
from danlu.train.run import TrainingRun
from danlu.tuning.method import Method

SIZES: dict[str, dict[str, int]] = {
    "bert": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 16},
    "llama": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
    "t5": {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2},
    "bart": {
        **{f"{side}_{name}": 2 for side in ("encoder", "decoder") for name in ("layers", "attention_heads")},
        **{"d_model": 16, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_position_embeddings": 32},
    },
    "xlnet": {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32},
}


def made(family: str, precision: str = "float32") -> nn.Module:
    marks = {} if family in ("t5", "bart", "bert", "xlnet") else {"bos_token_id": 1, "eos_token_id": 2}
    config = AutoConfig.for_model(family, vocab_size=30, **marks, **SIZES[family])
    torch.manual_seed(0)
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    model: nn.Module = (AutoModelForMaskedLM if family == "bert" else auto).from_config(config)
    return prepare_for_training(model, precision)


def learnt(model: nn.Module) -> tuple[Tensor, list[Tensor | None], int]:
    """The loss, the gradients, and how many values were kept for them."""
    ids, kept = torch.randint(4, 30, (4, 12), generator=torch.Generator().manual_seed(1)), [0]
    given = {"input_ids": ids} | ({"decoder_input_ids": ids} if model.config.is_encoder_decoder else {})  # type: ignore[union-attr]

    def count(tensor: Tensor) -> Tensor:
        kept[0] += tensor.numel()
        return tensor

    seed_dropout(1)
    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        loss = model(**given).logits.float().logsumexp(-1).sum()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return loss.detach(), [*torch.autograd.grad(loss, parameters, allow_unused=True)], kept[0]


@pytest.mark.parametrize(
    ("family", "precision"), [*((family, "float32") for family in [*SIZES][:5]), ("bert", "bfloat16")]
)
def test_loss_and_gradients_are_the_same_and_little_is_kept(family: str, precision: str) -> None:
    """Of T5 gradients of what all layers share are summed in another order."""
    model = made(family, precision)
    whole = learnt(model)
    recompute_layers(model)
    anew = learnt(model)
    assert torch.equal(whole[0], anew[0])
    for one, other in zip(whole[1], anew[1], strict=True):
        if family == "t5" and one is not None:
            torch.testing.assert_close(one, other)
        else:
            assert (one is None and other is None) or torch.equal(one, other)  # type: ignore[arg-type]
    assert anew[2] < whole[2] / 3
    assert recomputes(model)
    with layers_kept(model):
        assert learnt(model)[2] == whole[2]
    assert recomputes(model)
    assert learnt(model.eval())[2] > anew[2]  # an answer is not computed twice


def test_a_family_whose_layers_cannot_be_is_refused() -> None:
    with pytest.raises(Refusal, match=r"train\.recompute: models of the family 'xlnet' have no layers that can be"):
        recompute_layers(made("xlnet"))


@pytest.mark.parametrize("kind", ["full", "lora", "adapter", "prefix", "ia3"])
def test_every_way_to_tune_ends_with_the_same_weights(
    made_run: Callable[..., TrainingRun], tmp_path: Path, kind: str
) -> None:
    fields: dict[str, Any] = {"optimizer": "muon"} if kind in ("full", "lora") else {}
    ends = []
    for anew in (False, True):
        torch.manual_seed(3)
        config = AutoConfig.for_model("bert", vocab_size=60, **SIZES["bert"])
        method = Method.model_validate(kind)
        model = prepare_for_training(method.apply(AutoModelForMaskedLM.from_config(config)), "float32")
        if anew:
            recompute_layers(model)
        run = made_run(model, method, tmp_path / str(anew), steps=3, average=0.5, **fields)
        ends.append(run.train("run", None).weights)
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
