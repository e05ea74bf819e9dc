"""BLEU (Papineni et al., 2002), as sacreBLEU has it (Post, 2018): its tokenizers, its smoothing."""

import importlib.util
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from danlu.data.characters.scripts import HAN, HANGUL, KANA, UNSPACED
from danlu.evaluate.scoring.metric import Floats, SumMetric
from danlu.evaluate.scoring.side import Side
from danlu.evaluate.scoring.written import Runs, right_texts, runs, scripts

_ORDERS = 4


class Bleu(SumMetric):
    """Runs of 1 to 4 tokens that stand in a right text as well, 0 to 100, less for texts that are too short.

    The tokenizer goes by what the right texts are written in: zh, ja-mecab, char, or 13a, as sacreBLEU calls them.
    """

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 100.0)

    forms: ClassVar[tuple[str, ...]] = ("text",)

    def counts(self, side: Side) -> Floats:
        """(N, 10): tokens of the answer and of the right text that is nearest in length; runs that are right; runs."""
        tokens = _tokenizer(_name(side))
        found = np.zeros((len(side.gold), 2 + 2 * _ORDERS))
        for row, (right, (given,)) in enumerate(zip(side.gold, side.values, strict=True)):
            answer, truths = tokens(given), [tokens(text) for text in right]
            nearest = min((abs(len(truth) - len(answer)), len(truth)) for truth in truths)[1]
            found[row, :2] = len(answer), nearest
            for order in range(1, _ORDERS + 1):
                there = runs(answer, order)
                known = Runs()
                for truth in truths:
                    known |= runs(truth, order)
                found[row, 1 + order] = (there & known).total()
                found[row, 1 + _ORDERS + order] = there.total()
        return found

    def value(self, totals: Floats) -> Floats:
        """Geometric mean of the four precisions and the brevity penalty: (..., 10) to (...).

        Of the orders without any right run the first counts half a run, the next a quarter, and so on.
        """
        answer, truth = totals[..., 0], totals[..., 1]
        right, every = totals[..., 2 : 2 + _ORDERS], totals[..., 2 + _ORDERS :]
        halves = 0.5 ** np.cumsum(right == 0, axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            precisions = np.where(right == 0, halves, right) / every
            brevity = np.minimum(1.0, np.exp(1 - truth / answer))
            found = 100 * brevity * np.exp(np.log(precisions).mean(-1))
        known = (right.sum(-1) > 0) & (every > 0).all(-1)
        return np.where(known, found, 0.0)

    def definition(self, side: Side) -> str:
        """The tokenizer."""
        return f"sacreBLEU, {_name(side)}"


def _name(side: Side) -> str:
    """The tokenizer for what the right texts are written in."""
    found = scripts(right_texts(side))
    if KANA in found:
        return "ja-mecab" if importlib.util.find_spec("MeCab") and importlib.util.find_spec("ipadic") else "char"
    if HAN in found:
        return "zh"
    return "char" if found & {HANGUL, UNSPACED} else "13a"


def _tokenizer(name: str) -> Callable[[str], list[str]]:
    from importlib import import_module

    classes = {"zh": "Zh", "ja-mecab": "JaMecab", "char": "Char", "13a": "13a"}
    module = import_module(f"sacrebleu.tokenizers.tokenizer_{name.replace('-', '_')}")
    tokenize: Callable[[str], str] = getattr(module, f"Tokenizer{classes[name]}")()
    return lambda text: tokenize(text.rstrip()).split()
