"""Ranks go where they matter, by the formulas of the paper."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from danlu.train.run import TrainingRun
from danlu.tuning.added import ADDED
from danlu.tuning.method import Method

SMALL = {"kind": "adalora", "rank": 4, "target_rank": 2, "every": 3}


def updates(model: torch.nn.Module) -> list[Any]:
    return [module.adalora for module in model.modules() if hasattr(module, "adalora")]


def test_the_budget_falls_from_the_first_to_the_last_as_a_cubic() -> None:
    method = Method.model_validate(SMALL | {"warmup": 0.1, "final": 0.3})
    ranks = [method.budget(step, 101) for step in range(101)]
    assert ranks[:11] == [4.0] * 11
    assert ranks[69:] == [2.0] * 32
    assert ranks[40] == pytest.approx(2 + 2 * (1 - 30 / 59) ** 3)
    assert ranks == sorted(ranks, reverse=True)


def test_in_the_end_so_many_ranks_are_left_and_the_others_add_nothing(
    tiny: SimpleNamespace, made_run: Callable[..., TrainingRun], tmp_path: Path
) -> None:
    method = Method.model_validate(SMALL)
    run = made_run(method.apply(tiny.build("classify-bert")), method, tmp_path, steps=20)
    run.train("run", None)
    found = updates(run.model)
    left = torch.stack([update.left for update in found])
    assert left.sum() == 2 * len(found)
    assert left.sum(1).unique().numel() > 1  # not alike in all layers
    assert all(torch.equal(update.scales != 0, update.left.bool()) for update in found)


def test_ranks_that_went_away_add_nothing_to_an_average_of_weights(
    tiny: SimpleNamespace, made_run: Callable[..., TrainingRun], tmp_path: Path
) -> None:
    method = Method.model_validate(SMALL)
    run = made_run(method.apply(tiny.build("classify-bert")), method, tmp_path, steps=20, average=0.99)
    run.train("run", None)
    with run.average.in_force():
        found = updates(run.model)
        assert any((update.scales != 0).sum() > update.left.sum() for update in found)  # the average remembers
        ids = torch.arange(3, 13)[None]
        run.model.eval()
        there = run.model(ids).logits
        method.save(run.model, tmp_path)
        for name, value in load_file(tmp_path / ADDED).items():
            if name.endswith(".scales"):
                update = run.model.get_submodule(name.removeprefix("weights.").removesuffix(".scales"))
                assert torch.equal(value != 0, update.left.bool())
        for update in found:
            update.scales.data *= update.left
        assert torch.equal(run.model(ids).logits, there)


def test_how_much_weights_matter_is_as_in_the_paper(tiny: SimpleNamespace) -> None:
    """Formulas 8 to 10 by numpy, after two steps."""
    method = Method.model_validate({"kind": "adalora", "rank": 3, "target_rank": 1, "targets": ["key"]})
    model = method.apply(tiny.build("tag-bert"))
    weights = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    generator = torch.Generator().manual_seed(1)
    expected: dict[str, tuple[Any, Any]] = {}
    for step in range(2):
        gradients = {name: torch.randn(value.shape, generator=generator) for name, value in weights.items()}
        weights |= {name: torch.randn(value.shape, generator=generator) for name, value in weights.items()}
        method.after_gradients(model, weights, gradients, step, 100)
        for name, value in weights.items():
            now = np.abs(value.numpy() * gradients[name].numpy())
            matters, varies = expected.get(name, (0.0, 0.0))
            matters = 0.85 * matters + 0.15 * now
            expected[name] = matters, 0.85 * varies + 0.15 * np.abs(now - matters)
    name = "bert.encoder.layer.1.attention.self.key.adalora"
    of = {part: np.multiply(*expected[f"{name}.{part}"]) for part in ("down", "scales", "up")}
    scores = of["scales"] + of["down"].mean(1) + of["up"].mean(0)
    np.testing.assert_allclose(model.get_submodule(name).scores(), scores, rtol=1e-4)


def test_the_penalty_is_the_distance_from_orthonormal_directions(tiny: SimpleNamespace) -> None:
    method = Method.model_validate({"kind": "adalora", "orthogonality": 0.5})
    model = method.apply(tiny.build("classify-gpt2"))
    distances = []
    for update in updates(model):
        down, up = update.down.detach().double().numpy(), update.up.detach().double().numpy()
        distances += [np.linalg.norm(product - np.eye(12)) for product in (down @ down.T, up.T @ up)]
    assert method.penalty(model).item() == pytest.approx(0.5 * np.mean(distances), rel=1e-5)


def test_the_penalty_is_in_the_loss_once_a_step_however_it_is_cut(
    tiny: SimpleNamespace, made_run: Callable[..., TrainingRun], tmp_path: Path
) -> None:
    method = Method.model_validate(SMALL)
    run = made_run(method.apply(tiny.build("classify-bert")).eval(), method, tmp_path, steps=2)
    batches = [batch for group in run.batches.groups(0, 2, torch.device("cpu")) for batch in group]
    assert len(batches) == 2
    total = sum(batch.counts["labels"] for batch in batches)
    with torch.no_grad():
        added = [run._penalised(run.model, batch)["labels"] - run.loss(run.model, batch)["labels"] for batch in batches]
        assert float(sum(added)) / total == pytest.approx(float(method.penalty(run.model)), rel=1e-4)


def test_more_ranks_in_the_end_than_in_the_beginning_are_refused() -> None:
    with pytest.raises(ValidationError, match="'target_rank' 8 is more than 'rank' 4; ranks only go away"):
        Method.model_validate({"kind": "adalora", "rank": 4})
