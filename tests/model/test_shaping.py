"""What policies do to logits: equal to the processors of transformers, and drawn as often as they say."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor
from transformers.generation import logits_process as theirs

from danlu.machine.seed import generator
from danlu.model.ends import Ends
from danlu.model.hypothesis import Line
from danlu.model.policies.sample import Sample
from danlu.model.policy import Policy
from danlu.model.shaping import History, shaped
from danlu.model.warping import kept

SIZE = 40
ENDS = Ends(None, frozenset({2, 5}), 100)  # type: ignore[arg-type]


def logits(seed: int = 0, rows: int = 6) -> Tensor:
    return torch.randn(rows, SIZE, generator=torch.Generator().manual_seed(seed)) * 3


def rows(seed: int = 0, count: int = 6, length: int = 30) -> list[list[int]]:
    return np.random.default_rng(seed).integers(0, 12, (count, length)).tolist()  # type: ignore[no-any-return]


SHAPES: dict[str, tuple[dict[str, Any], Callable[[int], Any]]] = {
    "repetition": ({"repetition_penalty": 1.7}, lambda _: theirs.RepetitionPenaltyLogitsProcessor(1.7)),
    "praise of repetition": ({"repetition_penalty": 0.6}, lambda _: theirs.RepetitionPenaltyLogitsProcessor(0.6)),
    "no repeated word": ({"no_repeat_ngram": 1}, lambda _: theirs.NoRepeatNGramLogitsProcessor(1)),
    "no repeated pair": ({"no_repeat_ngram": 2}, lambda _: theirs.NoRepeatNGramLogitsProcessor(2)),
    "no repeated three": ({"no_repeat_ngram": 3}, lambda _: theirs.NoRepeatNGramLogitsProcessor(3)),
    "least length": (
        {"min_new_tokens": 20},
        lambda prompt: theirs.MinNewTokensLengthLogitsProcessor(prompt, 20, torch.tensor([2, 5])),
    ),
    "length reached": (
        {"min_new_tokens": 10},
        lambda prompt: theirs.MinNewTokensLengthLogitsProcessor(prompt, 10, torch.tensor([2, 5])),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_logits_are_shaped_as_transformers_shapes_them(name: str) -> None:
    fields, processor = SHAPES[name]
    policy = Policy.model_validate({"kind": "greedy"} | fields)
    for prompt in (0, 12, 29):
        histories = [History(row[:prompt], row[prompt:]) for row in rows()]
        found = shaped(policy, logits(), histories, [ENDS] * 6)
        right = processor(prompt)(torch.tensor(rows()), logits())
        assert torch.equal(found, right)


def test_penalties_count_what_was_written_alone() -> None:
    policy = Policy.model_validate({"kind": "greedy", "presence_penalty": 0.5, "frequency_penalty": 0.25})
    found = shaped(policy, torch.zeros(1, 6), [History([1, 2, 2], [3, 3, 3, 4])], [ENDS])
    assert found[0].tolist() == [0, 0, 0, -0.5 - 0.75, -0.5 - 0.25, 0]
    ends = Ends(None, frozenset(), 9, never=(1,), bias={2: 4.0})  # type: ignore[arg-type]
    assert shaped(policy, torch.zeros(1, 4), [History([], [])], [ends])[0].tolist() == [0, -np.inf, 4, 0]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("fields", "warper"),
    [
        ({"top_k": 1}, theirs.TopKLogitsWarper(1)),
        ({"top_k": 7}, theirs.TopKLogitsWarper(7)),
        ({"top_k": 999}, theirs.TopKLogitsWarper(999)),
        ({"top_p": 0.05}, theirs.TopPLogitsWarper(0.05)),
        ({"top_p": 0.9}, theirs.TopPLogitsWarper(0.9)),
        ({"min_p": 0.1}, theirs.MinPLogitsWarper(0.1)),
        ({"min_p": 1.0}, theirs.MinPLogitsWarper(1.0)),
        ({"typical_p": 0.2}, theirs.TypicalLogitsWarper(0.2)),
        ({"typical_p": 0.95}, theirs.TypicalLogitsWarper(0.95)),
    ],
    ids=lambda given: str(given) if isinstance(given, dict) else type(given).__name__,
)
def test_what_may_be_drawn_is_what_transformers_lets_be_drawn(fields: dict[str, Any], warper: Any, seed: int) -> None:
    limits = {"top_k": None, "top_p": None, "min_p": None, "typical_p": None} | fields
    assert torch.equal(kept(logits(seed), **limits), warper(None, logits(seed)))


def drawn(policy: Sample, scores_BV: Tensor, numbers: Sequence[int]) -> Tensor:
    lines = [Line(ENDS, random=generator(policy.seed, "sample", number, 0)) for number in numbers]
    return policy.choose(scores_BV, lines)


@pytest.mark.parametrize(
    "fields", [{}, {"temperature": 0.7}, {"top_k": 4}, {"top_p": 0.8, "temperature": 1.3}], ids=str
)
def test_tokens_are_drawn_as_often_as_they_are_likely(fields: dict[str, Any]) -> None:
    policy, draws = Sample(**fields), 2000
    scores_V = torch.randn(8, generator=torch.Generator().manual_seed(4))
    found = np.bincount(drawn(policy, scores_V.expand(draws, 8), range(draws)).numpy(), minlength=8)
    limits = {name: getattr(policy, name) for name in ("top_k", "top_p", "min_p", "typical_p")}
    expected = kept(scores_V[None] / policy.temperature, **limits)[0].double().softmax(-1).numpy() * draws
    possible = expected > 0
    assert not found[~possible].any()
    assert chisquare(found[possible], expected[possible]).pvalue > 0.001


def test_what_is_drawn_depends_on_seed_and_number_and_not_on_neighbours() -> None:
    scores_BV = logits(rows=40)
    whole = drawn(Sample(), scores_BV, range(40))
    assert torch.equal(drawn(Sample(), scores_BV[7:9], [7, 8]), whole[7:9])
    assert not torch.equal(drawn(Sample(seed=1), scores_BV, range(40)), whole)
