"""Beam search: with beams enough it finds the best of all texts."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from danlu.model.ends import Ends
from danlu.model.policies.beam import Beam

WORDS, LONGEST, END = 4, 4, 3


def next_logits(written: tuple[int, ...]) -> Tensor:
    """A model that is known: what comes next depends on all that was written."""
    seed = sum((token + 1) * 7**place for place, token in enumerate(written))
    return torch.randn(WORDS, generator=torch.Generator().manual_seed(seed)) * 2


def best_of_all(penalty: float) -> tuple[list[int], float]:
    """By trying every text that ends, and every one that is as long as may be."""
    found = []
    for length in range(1, LONGEST + 1):
        for text in itertools.product(range(WORDS), repeat=length):
            if END in text[:-1] or (text[-1] != END and length < LONGEST):
                continue
            total = sum(float(next_logits(text[:place]).log_softmax(-1)[token]) for place, token in enumerate(text))
            found.append((total / length**penalty, [token for token in text if token != END], total))
    _, ids, total = max(found)
    return ids, total


@pytest.mark.parametrize("penalty", [0.0, 1.0, -0.5, 2.0])
def test_wide_beams_find_the_best_of_all_texts(penalty: float) -> None:
    fields: dict[str, Any] = {"beams": 64, "length_penalty": penalty, "early_stopping": "never"}
    policy = Beam(max_new_tokens=LONGEST, **fields)
    ends = Ends(_Silent(), frozenset({END}), LONGEST)  # type: ignore[arg-type]
    search = policy.begin([], 0, ends)
    while search.open:
        policy.advance([search], torch.stack([next_logits(beam.ids) for beam in search.open]))
    ids, total = best_of_all(penalty)
    assert search.written()[0].ids.tolist() == ids
    assert search.written()[0].log_probability == pytest.approx(total, abs=1e-4)


class _Silent:
    """A tokenizer whose tokens say nothing."""

    def decode(self, ids: list[int], **_: Any) -> str:
        return ""
