"""Whether an explanation tells what matters: what is left without the words that it names, and with them alone.

Comprehensiveness and sufficiency of ERASER (DeYoung et al., 2020), means over shares of the words, beside words that
were drawn at random. Words are hidden where they stand, so that the places of others stay. W words, T tokens.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from danlu.explain.asked import Asked, Floats
from danlu.machine.seed import generator

SHARES = (0.05, 0.1, 0.2, 0.5)
"""Of the words that are hidden, or left alone; those of the paper but for 1 %, which is no word of a sentence."""

DRAWS = 10


@dataclass(frozen=True)
class Faithfulness:
    """Drops of a probability, or of a number, as means over `SHARES`.

    - `comprehensiveness`: where the words with the highest scores are hidden; the larger the better.
    - `sufficiency`: where all others are; the smaller the better.
    - `random_comprehensiveness`, `random_sufficiency`: the same for words in a random order, the mean of `DRAWS`.
    """

    comprehensiveness: float
    sufficiency: float
    random_comprehensiveness: float
    random_sufficiency: float


def faithfulness(asked: Asked, scores_W: Floats) -> Faithfulness:
    """How faithful the scores of the words are."""
    rng = generator(0, "random words")
    orders = [np.argsort(-scores_W, kind="stable"), *(rng.permutation(len(scores_W)) for _ in range(DRAWS))]
    counts = [ceil(share * len(scores_W)) for share in SHARES]
    whole = asked.aim.shown(asked.value)
    hidden = []
    for order in orders:
        for count in counts:
            hidden += [_tokens(asked, order[:count]), _tokens(asked, order[count:])]
    shown = np.array([asked.aim.shown(value) for value in asked.without(np.array(hidden))])
    drops = (whole - shown).reshape(len(orders), len(counts), 2).mean(1)
    return Faithfulness(float(drops[0, 0]), float(drops[0, 1]), float(drops[1:, 0].mean()), float(drops[1:, 1].mean()))


def _tokens(asked: Asked, words: np.ndarray) -> np.ndarray:
    hidden_T = np.zeros(len(asked.ids_T), np.bool_)
    for number in words:
        hidden_T[list(asked.words[number].tokens)] = True
    return hidden_T
