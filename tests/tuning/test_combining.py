"""What several adapters of a method are together: their mean, or the sum of their updates."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from danlu.recipe.part import kinds
from danlu.refusal import Refusal
from danlu.tuning.combining import Saved
from danlu.tuning.method import Method

ADDED = [{"kind": kind} for kind in kinds(Method) if kind != "full"]
ADDED += [{"kind": "lora", "rank": 2, "dora": True}, {"kind": "lora", "rank": 2, "init": "pissa"}]
ADDED += [{"kind": "ptuning", "encoder": "lstm", "size": 3}]


def saved(tiny: SimpleNamespace, section: dict[str, Any], folder: Path, shape: str, seed: int) -> Saved:
    method = Method.model_validate(section)
    torch.manual_seed(11)
    model = method.apply(tiny.build(shape))
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    folder.mkdir()
    method.save(model, folder)
    return Saved(folder.name, method, folder, 1.0)


def opened(tiny: SimpleNamespace, method: Any, folder: Path, shape: str) -> nn.Module:
    model: nn.Module = method.load(tiny.build(shape), folder).eval()
    return model


def logits(tiny: SimpleNamespace, model: nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(**tiny.inputs()).logits
    return found


def combined(root: Path, parts: list[tuple[Saved, float]], *, summed: bool = False) -> tuple[Any, Path]:
    weighted = [Saved(part.name, part.method, part.folder, weight) for part, weight in parts]
    folder = root / f"combined-{len(list(root.iterdir()))}"
    folder.mkdir()
    return weighted[0].method.combined(weighted, folder, summed=summed), folder


@pytest.mark.parametrize("section", ADDED, ids=str)
def test_the_average_of_one_and_the_same_is_it(tiny: SimpleNamespace, tmp_path: Path, section: dict[str, Any]) -> None:
    one = saved(tiny, section, tmp_path / "one", "classify-bert", 1)
    method, folder = combined(tmp_path, [(one, 0.7), (one, 0.3)])
    expected = logits(tiny, opened(tiny, one.method, one.folder, "classify-bert"))
    found = logits(tiny, opened(tiny, method, folder, "classify-bert"))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    plain = logits(tiny, tiny.build("classify-bert"))
    assert not torch.allclose(expected, plain, atol=1e-2)
    if section["kind"] not in ("lora", "adalora"):
        with pytest.raises(Refusal, match="is no update that could be added up"):
            combined(tmp_path, [(one, 1), (one, 1)], summed=True)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"kind": "lora", "rank": 2, "alpha": 3}, {"kind": "lora", "rank": 5, "alpha": 7, "rslora": False}),
        ({"kind": "lora", "rank": 3, "init": "pissa"}, {"kind": "lora", "rank": 2}),
        ({"kind": "adalora", "rank": 3, "target_rank": 2}, {"kind": "adalora", "rank": 9, "alpha": 5}),
    ],
)
@pytest.mark.parametrize("shape", ["causal-llama", "gpt2"])
def test_updates_that_are_combined_are_added_weight_by_weight(
    tiny: SimpleNamespace, tmp_path: Path, first: dict[str, Any], second: dict[str, Any], shape: str
) -> None:
    """By hand: the base, and so much of what each has changed; a mean where the weights together are 1."""
    shape = "classify-gpt2" if shape == "gpt2" else shape
    (tmp_path / "parts").mkdir()
    parts = [saved(tiny, each, tmp_path / "parts" / "ab"[n], shape, n) for n, each in enumerate((first, second))]
    base = dict(tiny.build(shape).named_parameters())
    merged = [
        dict(part.method.merge(opened(tiny, part.method, part.folder, shape)).named_parameters()) for part in parts
    ]
    headless = shape != "classify-gpt2"
    for weights in [(0.7, 0.3), *([(2.0, -0.5)] if headless else [])]:
        summed = sum(weights) != 1
        method, folder = combined(tmp_path, list(zip(parts, weights, strict=True)), summed=summed)
        found = method.merge(opened(tiny, method, folder, shape))
        for name, value in found.named_parameters():
            steps = [weight * (each[name] - base[name]) for weight, each in zip(weights, merged, strict=True)]
            torch.testing.assert_close(value, base[name] + sum(steps), atol=1e-5, rtol=1e-5)
    if not headless:
        with pytest.raises(Refusal, match=r"has more than updates that can be added up \('.*score.*'\); average it"):
            combined(tmp_path, [(part, 1.0) for part in parts], summed=True)


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ({"kind": "ia3"}, None, "belong to other base weights; give those of one base"),
        ({"kind": "prompt", "size": 3}, {"kind": "prompt", "size": 4}, "other settings: 'size' is 3 and 4"),
        ({"kind": "lora", "dora": True}, {"kind": "lora"}, "differ in 'use_dora'; train both with the same one"),
        ({"kind": "lora"}, {"kind": "lora", "targets": ["query"]}, "differ in 'target_modules'"),
        (
            {"kind": "adalora"},
            {"kind": "adalora", "targets": ["query"]},
            "differ in 'weights.*adalora.*': combined are",
        ),
    ],
)
def test_between_what_is_unlike_nothing_lies(
    tiny: SimpleNamespace, tmp_path: Path, first: dict[str, Any], second: dict[str, Any] | None, sentence: str
) -> None:
    one = saved(tiny, first, tmp_path / "one", "classify-bert", 1)
    other = saved(tiny, second or first, tmp_path / "other", "classify-bert" if second else "tag-bert", 2)
    with pytest.raises(Refusal, match=sentence):
        combined(tmp_path, [(one, 0.5), (other, 0.5)])
