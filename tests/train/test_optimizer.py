"""Each optimizer is that of torch on plain parameters, and keeps what is foretold."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

from danlu.refusal import Refusal
from danlu.train.layouts.flat import FlatParameters
from danlu.train.layouts.matrices import MatrixParameters
from danlu.train.optimizer import OptimizerName, build_optimizer, lay_out, moment_bytes
from danlu.train.parameters import Parameters
from danlu.tuning.method import Method


@pytest.mark.parametrize(
    ("name", "momentum"),
    [("adamw", None), ("sgd", None), ("sgd", 0.0), ("adafactor", None), ("muon", None)],
)
def test_what_an_optimizer_keeps_is_what_is_foretold(
    small: SimpleNamespace, name: OptimizerName, momentum: float | None
) -> None:
    parameters = lay_out(name, small.Net())
    moving = build_optimizer(name, parameters, rate=0.1, weight_decay=0.1, betas=(0.9, 0.98), momentum=momentum)
    parameters.step(moving, 0.1)
    kept = {key: value for key, value in parameters.state(moving).items() if not key.startswith("master")}
    moments = sum(value.nbytes for key, value in kept.items() if not key.endswith(".step"))
    assert moments == sum(moment_bytes(name, share, momentum) for share in parameters.shares)


@pytest.mark.parametrize("tuning", ["full", "lora"])
@pytest.mark.parametrize("family", ["bert", "gpt2", "t5"])
def test_the_matrices_are_those_of_the_layers_below_heads_and_embeddings(family: str, tuning: str) -> None:
    sizes: dict[str, dict[str, int]] = {
        "bert": {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16},
        "gpt2": {"n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 8},
        "t5": {"d_model": 8, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2},
    }
    config = AutoConfig.for_model(family, vocab_size=20, **sizes[family])
    auto = {"bert": AutoModelForMaskedLM, "gpt2": AutoModelForCausalLM, "t5": AutoModelForSeq2SeqLM}[family]
    model = Method.model_validate(tuning).apply(auto.from_config(config))
    parameters = MatrixParameters(model)
    names = {id(parameter): name for name, parameter in parameters.named}
    places = {value.data_ptr(): names[id(p)] for _, p in parameters.named for value in (p.detach(),)}
    turned = {places[t.data_ptr()] for share in parameters.shares if share.matrices for t in share.tensors}
    two = {name for name, p in parameters.named if p.dim() == 2}
    assert turned == {
        name
        for name in two
        if ("lora" in name if tuning == "lora" else not any(word in name for word in OTHERS))
        and not name.startswith("cls")
    }
    assert turned


OTHERS = ("embed", "wte", "wpe", "shared", "lm_head", "relative_attention_bias", "cls", "decoder.weight")


@pytest.mark.parametrize("matrix_rate", [None, 0.03])
def test_muon_is_that_of_torch_for_matrices_and_adamw_for_the_rest(
    small: SimpleNamespace, matrix_rate: float | None
) -> None:
    plain, model = small.Net(), small.Net()
    named = dict(plain.named_parameters())
    matrices = [named["inner.weight"], named["out.weight"]]
    table = [named["embed.weight"]]
    vectors = [p for p in named.values() if p.dim() < 2]
    decay: dict[str, Any] = {"weight_decay": 0.1}
    theirs = [
        torch.optim.Muon(matrices, lr=0.01, adjust_lr_fn="match_rms_adamw", momentum=0.95, **decay),
        torch.optim.AdamW([{"params": table, **decay}, {"params": vectors, "weight_decay": 0.0}], betas=(0.9, 0.98)),
    ]
    parameters = lay_out("muon", model)
    given = {"weight_decay": 0.1, "betas": (0.9, 0.98), "matrix_rate": matrix_rate}
    ours = build_optimizer("muon", parameters, rate=0.01, **given)  # type: ignore[arg-type]
    _same_steps(plain, theirs, parameters, ours, small, 3 if matrix_rate else 1)
    with pytest.raises(Refusal, match=r"train\.optimizer: 'muon' moves the matrices of layers, and none"):
        build_optimizer("muon", FlatParameters(small.Net()), rate=0.01, **given)  # type: ignore[arg-type]


def test_adafactor_is_that_of_torch_matrix_by_matrix(small: SimpleNamespace) -> None:
    plain, model = small.Net(), small.Net()
    groups = [
        {"params": [p for p in plain.parameters() if (p.dim() >= 2) is decays], "weight_decay": 0.1 * decays}
        for decays in (True, False)
    ]
    parameters = lay_out("adafactor", model)
    ours = build_optimizer("adafactor", parameters, rate=0.01, weight_decay=0.1, betas=(0.9, 0.98))
    _same_steps(plain, [torch.optim.Adafactor(groups)], parameters, ours, small, 1)


def _same_steps(
    plain: nn.Module,
    theirs: list[torch.optim.Optimizer],
    parameters: Parameters,
    ours: torch.optim.Optimizer,
    small: SimpleNamespace,
    times: int,
) -> None:
    """Seven steps of rates that fall, on the same gradients."""
    for step in range(7):
        batch = small.batch(4, step)
        plain.zero_grad()
        small.loss(plain, batch)["class"].backward()
        parameters.begin(step)
        parameters.add([p.grad for p in plain.parameters()], first=True)
        for place, optimizer in enumerate(theirs):
            for group in optimizer.param_groups:
                group["lr"] = 0.01 / (1 + step) * (times if place == 0 else 1)
            optimizer.step()
        parameters.step(ours, 0.01 / (1 + step))
        parameters.publish()
    now = parameters.by_name(parameters.values())
    for name, value in plain.named_parameters():
        torch.testing.assert_close(now[name], value.detach(), atol=2e-6, rtol=1e-5)
