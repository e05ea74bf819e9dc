"""How well texts that a model was not made for can be told from those it was: by energy, probability, entropy.

Energy is the logarithm of the sum of exponentiated logits (Liu et al., 2020), of labels that are decided each by itself
the sum of theirs (Wang et al., 2021); the highest probability is the baseline of Hendrycks and Gimpel (2017). All are
told so that a text inside has more.

Shapes: N texts inside, M outside, C labels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from danlu.data.record import Record
from danlu.engine.predict import Predictor
from danlu.evaluate.scoring.metric import Floats
from danlu.evaluate.scoring.proportion import widened
from danlu.evaluate.scoring.resample import Interval, interval
from danlu.refusal import Refusal
from danlu.task.calibrated import Calibrated
from danlu.task.entities import shown_text
from danlu.task.rewritten import rewritten

KEPT = 0.95
"""Share of the texts inside that are let through where it is told how many outside are as well."""

ENERGY, PROBABILITY, ENTROPY = "energy", "probability", "entropy"


@dataclass(frozen=True)
class Told:
    """How well a score tells texts apart.

    - `auroc`: the chance that a text inside has more of it than one outside.
    - `fpr`: the share of those outside that pass where 95 % of those inside do.
    """

    auroc: Interval
    fpr: Interval


@dataclass(frozen=True)
class Outside:
    """What `scores.json` holds under `outside`; `shared` texts stand in both sets, and count in neither."""

    inside: int
    outside: int
    shared: int
    scores: dict[str, Told]

    def to_plain(self) -> dict[str, Any]:
        """As it stands in `scores.json`."""
        scores = {
            name: {"auroc": told.auroc.to_plain(), "fpr95": told.fpr.to_plain()} for name, told in self.scores.items()
        }
        return {"inside": self.inside, "outside": self.outside, "shared": self.shared, "scores": scores}


def told_apart(
    predictor: Predictor, inside: Sequence[Record], outside: Sequence[Record], *, resamples: int = 1000, seed: int = 0
) -> Outside:
    """How well what the model says of both sets tells them apart, with 95 % intervals.

    Raises `Refusal` where answers have no probabilities, or all texts stand in both sets.
    """
    task = predictor.task
    if task.form.decides is None:
        raise Refusal(
            f"outside: texts are told apart by how sure answers are, and those of the task {task.kind} have no "
            "probabilities; leave it out, or give a bundle of classify, multilabel, relate or choose"
        )
    texts = [{shown_text(record) for record in records} for records in (inside, outside)]
    both = texts[0] & texts[1]
    sides = [[record for record in records if shown_text(record) not in both] for records in (inside, outside)]
    if not all(sides):
        raise Refusal(
            f"outside: all of its {len(outside):,} texts stand in the test set too; give texts of another kind"
            if outside and inside
            else "outside: there is no text to tell apart; give a file that is not empty"
        )
    found = [_scores(predictor, records) for records in sides]
    rng = np.random.default_rng(seed)
    return Outside(
        inside=len(sides[0]),
        outside=len(sides[1]),
        shared=len(inside) + len(outside) - len(sides[0]) - len(sides[1]),
        scores={name: _told(found[0][name], found[1][name], resamples, rng) for name in found[0]},
    )


def auroc(inside_N: Floats, outside_M: Floats) -> float:
    """The share of pairs of which the one inside has more, equal ones counting half (Mann and Whitney, 1947)."""
    ordered = np.sort(outside_M)
    below, upto = (np.searchsorted(ordered, inside_N, side) for side in ("left", "right"))
    return float((below + upto).mean() / (2 * len(outside_M)))


def passing(inside_N: Floats, outside_M: Floats, kept: float = KEPT) -> float:
    """The share outside that has as much as the least of the `kept` share inside that has most."""
    least = np.sort(inside_N)[int(np.floor((1 - kept) * len(inside_N) + 1e-9))]
    return float((outside_M >= least).mean())


def _told(inside_N: Floats, outside_M: Floats, resamples: int, rng: np.random.Generator) -> Told:
    drawn = np.empty((2, resamples))
    for draw in range(resamples):
        one, two = (values[rng.integers(0, len(values), len(values))] for values in (inside_N, outside_M))
        drawn[:, draw] = auroc(one, two), passing(one, two)
    values, fewest = (auroc(inside_N, outside_M), passing(inside_N, outside_M)), min(len(inside_N), len(outside_M))
    told = (widened(interval(value, draws), (0.0, 1.0), fewest) for value, draws in zip(values, drawn, strict=True))
    return Told(*told)


def _scores(predictor: Predictor, records: Sequence[Record]) -> dict[str, Floats]:
    task = predictor.task
    shares = list(_shares(predictor, records))
    found = {PROBABILITY: np.array([row.max() for row in shares]), ENTROPY: -np.array([*map(_entropy, shares)])}
    if task.form.decides == "each":
        found[ENTROPY] = -np.array([_entropy(row) + _entropy(1 - row) for row in shares])
    if not isinstance(task, Calibrated):
        return found
    raw = Predictor(predictor.network, task.unnormalised(), predictor.tokenizer, beside=predictor)
    outputs = raw.outputs(rewritten(list(records), predictor.rewriters))
    return {ENERGY: np.array([task.energy(said) for said, _ in outputs])} | found


def _shares(predictor: Predictor, records: Sequence[Record]) -> Iterator[Floats]:
    task = predictor.task
    labels = task.label_names()
    for prediction in predictor.stream(records):
        shares = task.form.shares(prediction, labels)
        if shares is None:
            raise Refusal(f"outside: answers of this {task.kind} tell no whole probabilities; leave it out")
        yield np.array(shares)


def _entropy(shares_C: Floats) -> float:
    """In nats."""
    there = shares_C[shares_C > 0]
    return float(-(there * np.log(there)).sum())
