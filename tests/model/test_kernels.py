"""Kernels of attention for long rows: each is right, and which one is taken is measured once and kept."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from danlu.model import kernels
from danlu.model.attention import KERNELS, NAME
from danlu.model.kernels import FILE, Asked, Kernel, Sight, chosen, keep_choices, own_choices
from danlu.refusal import Refusal

LONG = 520


@pytest.fixture(autouse=True)
def unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is measured yet, and nothing is kept."""
    monkeypatch.setattr(kernels, "best_ever", dict)
    monkeypatch.setattr(kernels, "_known", {})
    monkeypatch.setattr(kernels, "_kept", {})
    monkeypatch.setattr(kernels, "_file", [])


def fastest(monkeypatch: pytest.MonkeyPatch, kernel: Kernel) -> list[str]:
    """Let this one be measured to be; the names that were measured."""
    names: list[str] = []

    def measured(asked: Asked, given: dict[Kernel, object]) -> dict[Kernel, float]:
        names.append(asked.name)
        return {each: 1.0 if each == kernel else 2.0 for each in given}

    monkeypatch.setattr(kernels, "measured", measured)
    return names


def asked(length: int = LONG, sight: Sight = "causal") -> Asked:
    return Asked.of(torch.zeros(1, 2, length, 8), length, sight)


@pytest.mark.parametrize("sight", ["all", "causal", "mask"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_has_the_values_and_gradients_of_the_formula(kernel: Kernel, sight: Sight) -> None:
    """What is measured is what is used: the causal one of a whole row, and two documents of one."""
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(2, 2, 20, 8, generator=generator, requires_grad=True) for _ in range(3)]
    query, key, value = (each.double() for each in given)
    seen = torch.ones(20, 20, dtype=torch.bool)
    if sight != "all":
        seen = seen.tril()
    if sight == "mask":
        half = torch.arange(20) >= 10
        seen = seen & (half[:, None] == half)
    scores = (query @ key.mT * 8**-0.5).masked_fill(~seen, -torch.inf)
    right = torch.softmax(scores, -1) @ value
    found = KERNELS[kernel](*given, sight)  # type: ignore[call-arg]
    torch.testing.assert_close(found.double(), right, atol=1e-5, rtol=1e-5)
    weights = torch.linspace(-1, 1, right.numel()).view_as(right)
    expected = torch.autograd.grad((right * weights).sum(), given)
    for one, other in zip(torch.autograd.grad((found * weights).sum(), given), expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def rows(model: LlamaForCausalLM, length: int, *, packed: bool = False) -> tuple[Tensor, Tensor]:
    ids = torch.randint(3, 40, (1, length), generator=torch.Generator().manual_seed(1))
    inputs = {"input_ids": ids}
    if packed:
        half = length // 2
        inputs["segments"] = (torch.arange(length) >= half).long()[None]
        inputs["position_ids"] = torch.cat([torch.arange(half), torch.arange(length - half)])[None]
    logits = model(**inputs, use_cache=False).logits
    weight = model.get_input_embeddings().weight
    return logits, torch.autograd.grad((logits * torch.linspace(-1, 1, 40)).sum(), weight)[0]


@pytest.mark.parametrize("packed", [False, True])
def test_a_model_says_the_same_whatever_is_chosen_for_its_long_rows(
    monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = LlamaConfig(vocab_size=40, intermediate_size=24, max_position_embeddings=LONG, **sizes)
    model = LlamaForCausalLM(config).eval()
    model.set_attn_implementation(NAME)
    calls: list[object] = []
    real = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional, "scaled_dot_product_attention", lambda *a, **k: calls.append(1) or real(*a, **k)
    )
    found = []
    kinds: tuple[Kernel, ...] = ("plain", "fused")
    for kernel in kinds:
        kernels._known.clear()
        names = fastest(monkeypatch, kernel)
        rows(model, 40, packed=packed)
        assert not names  # short rows are not measured
        found.append(rows(model, LONG, packed=packed))
        assert names == [asked(LONG, "mask" if packed else "causal").name.replace("2 x 8", "4 x 4")]
        assert len(calls) == (2 if kernel == "fused" else 0)
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_lengths_and_directions_are_measured_apart_and_once() -> None:
    names = {asked(length, sight).name for length in (513, 1000, 1024) for sight in ("all", "causal", "mask")}
    with torch.no_grad():
        names.add(asked().name)
    assert len(names) == 4
    assert "attention, float32, 2 x 8, 1024 tokens, causal, forward and backward" in names


def test_a_training_goes_on_with_what_it_has_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keep_choices(tmp_path)
    assert not (tmp_path / FILE).exists()
    names = fastest(monkeypatch, "fused")
    assert [chosen(asked(), KERNELS) for _ in range(2)] == ["fused", "fused"]
    assert len(names) == 1
    assert json.loads((tmp_path / FILE).read_text()) == {asked().name: "fused"}
    other = tmp_path / "other"
    keep_choices(other)  # another training of this process keeps what it uses
    assert chosen(asked(), KERNELS) == "fused"
    assert (other / FILE).read_text() == (tmp_path / FILE).read_text()
    keep_choices(other, 1)
    kernels._known.clear()
    fastest(monkeypatch, "plain")
    assert chosen(asked(), KERNELS) == "plain"
    assert json.loads((other / "kernels-rank-1.json").read_text()) == {asked().name: "plain"}
    assert (other / FILE).read_text() == (tmp_path / FILE).read_text()
    kernels._known.clear()
    names = fastest(monkeypatch, "plain")
    keep_choices(tmp_path)
    assert chosen(asked(), KERNELS) == "fused"
    assert not names
    (tmp_path / FILE).write_text("[]")
    with pytest.raises(Refusal, match=r"kernels.json: is damaged, so what it was begun with is not known; remove "):
        keep_choices(tmp_path)


def test_once_a_training_is_over_nothing_is_written_into_its_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kernels._known.clear()
    fastest(monkeypatch, "plain")
    with own_choices():
        keep_choices(tmp_path)
    chosen(asked(), KERNELS)
    assert not (tmp_path / FILE).exists()


def test_what_is_measured_are_whole_calls_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "TOKENS", 64)
    seen: list[tuple[torch.Size, bool]] = []

    def compute(query: Tensor, key: Tensor, value: Tensor, sight: Sight) -> Tensor:
        seen.append((query.shape, query.requires_grad))
        return query * key + value

    found = kernels.measured(asked(32), {"plain": compute, "fused": compute})
    assert set(found) == {"plain", "fused"}
    assert min(found.values()) > 0
    assert seen == [(torch.Size([2, 2, 32, 8]), True)] * 2 * (kernels.TIMES + 1)
