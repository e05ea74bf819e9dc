"""The slices of a test set that are worse than the rest beyond chance, however many were looked at.

Losses are dealt out anew to the records many times, and a slice is weak if hardly any deal has a slice, any of all,
that looks as bad: the test of the maximum (Westfall and Young, 1993), which is exact, whatever slices share records.
Then the records of that slice are set aside, and the rest is searched again, so that what is bad for the same reason is
told once.

Shapes: N records, S slices, R deals, K errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.special import gammaln
from scipy.stats import norm

from danlu.evaluate.scoring.metric import Floats, MeanMetric, Metric
from danlu.evaluate.scoring.resample import Interval
from danlu.evaluate.scoring.side import Side
from danlu.evaluate.scoring.slicing import COLUMN, WORD, Slice

RATE = 0.05
"""Share of test sets without any weak slice in which one is found all the same."""

MOST = 10  # weak slices that are told
_DEALS = (199, 999)  # of the losses: at least, at most
_WORK = 3e8  # additions a search may take before there are fewer deals
_AT_ONCE = 2**22  # dealt losses that are held at a time


@dataclass(frozen=True)
class Weak:
    """A slice and its mean loss, with the interval that holds for all slices together; `p` accounts for all as well."""

    slice: Slice
    interval: Interval
    p: float | None = None

    def told(self, losses: "Losses") -> "Weak":
        """The same in the numbers of the measure."""
        value, *ends = map(losses.told, (self.interval.value, self.interval.low, self.interval.high))
        return replace(self, interval=Interval(value, *sorted(ends)))

    def to_plain(self) -> dict[str, Any]:
        """As it stands in `scores.json`."""
        column = {"column": self.slice.column} if self.slice.column else {}
        told = {"kind": self.slice.kind, **column, "name": self.slice.value, "records": len(self.slice.members)}
        return told | self.interval.to_plain() | ({} if self.p is None else {"p": self.p})


@dataclass(frozen=True)
class Losses:
    """What is worse where it is higher, of each record.

    - `measure`: what it is called. `sign`, `start`: a loss L is told as `start + sign * L`.
    - `share`: whether it lies between 0 and 1.
    """

    measure: str
    each: Floats
    sign: int = 1
    start: float = 0.0
    share: bool = False

    def told(self, loss: float) -> float:
        """A loss in the numbers of the measure."""
        return self.start + self.sign * loss


@dataclass(frozen=True)
class Slices:
    """What `scores.json` holds under `slices`.

    - `measure`: "errors", a share of the records, or the metric whose loss was looked at; `value`: of all records.
    - `weak`: the slices that are worse beyond chance, those that stand out most first.
    - `others`: all but words, each with an interval of its own.
    """

    measure: str
    value: float
    looked_at: int
    smallest: int
    weak: list[Weak]
    others: list[Weak]

    def to_plain(self) -> dict[str, Any]:
        """As it stands in `scores.json`."""
        return {
            "measure": self.measure,
            "value": self.value,
            "looked_at": self.looked_at,
            "smallest": self.smallest,
            "rate": RATE,
            "weak": [each.to_plain() for each in self.weak],
            "others": [each.to_plain() for each in self.others],
        }


def sliced(
    side: Side, metric: Metric | None, name: str, found: Sequence[Slice], least: int, seed: int
) -> Slices | None:
    """Which of the slices are weak; `metric` is the task's first, `name` its name. None if there is nothing to find."""
    if not found or (looked := losses_of(side, metric, name)) is None:
        return None
    losses_N, share = looked.each, looked.share
    if not np.isfinite(losses_N).all() or np.ptp(losses_N) == 0:
        return None
    weak = weakest(losses_N, found, least, share=share, seed=seed)
    others = [Weak(each, around(losses_N[each.members], 1, share=share)) for each in found if each.kind != WORD]
    return Slices(
        measure=looked.measure,
        value=looked.told(float(losses_N.mean())),
        looked_at=len(found),
        smallest=least,
        weak=[each.told(looked) for each in weak],
        others=[each.told(looked) for each in others],
    )


def losses_of(side: Side, metric: Metric | None, name: str) -> Losses | None:
    """What is looked at of each record.

    The metric if that is a mean over records; of a text's likelihood the nats a token; else whether the answer is
    wrong. None where answers are neither right nor wrong.
    """
    if side.form.kind == "likelihood":
        return Losses("nats", np.array([nll / tokens if tokens else np.nan for nll, tokens, *_ in side.values]))
    if isinstance(metric, MeanMetric) and name != "accuracy":
        of_each = np.array(list(metric.of_each(side)), np.float64)
        share = metric.bounds == (0.0, 1.0)
        if not metric.higher_is_better:
            return Losses(name, of_each, share=share)
        return Losses(name, 1 - of_each, -1, 1.0, share) if share else Losses(name, -of_each, -1)
    if not side.form.right_or_wrong:
        return None
    rights = (side.form.right(true, given) for true, given in zip(side.gold, side.values, strict=True))
    return Losses("errors", 1.0 - np.array(list(rights), np.float64), share=True)


def weakest(
    losses_N: Floats,
    slices: Sequence[Slice],
    least: int,
    *,
    share: bool = False,
    rate: float = RATE,
    deals: int | None = None,
    seed: int = 0,
) -> list[Weak]:
    """The slices that are worse than the rest beyond chance, those that stand out most first.

    Where none is, one is found all the same in a share `rate` of cases at most.
    """
    rng, left = np.random.default_rng(seed), np.ones(len(losses_N), bool)
    members = csr_array(
        (
            np.ones(sum(len(each.members) for each in slices)),
            np.concatenate([each.members for each in slices] or [np.zeros(0, np.int64)]),
            np.cumsum([0, *(len(each.members) for each in slices)]),
        ),
        shape=(len(slices), len(losses_N)),
    )
    found: list[Weak] = []
    while len(found) < MOST and slices:
        some = members[:, np.flatnonzero(left)]
        size_S = some.sum(1)
        kept = np.flatnonzero((size_S >= least) & (size_S <= left.sum() - least))
        some = some[kept]
        if not len(kept) or np.ptp(losses_N[left]) == 0:
            break
        badness = _Badness(losses_N[left], size_S[kept])
        worst_S = badness(some @ losses_N[left][:, None])[:, 0]
        place = int(worst_S.argmax())
        p = _chance(float(worst_S[place]), losses_N[left], some, badness, deals or _deals(some), rng)
        if p > rate:
            break
        each = slices[kept[place]]
        found.append(Weak(each, around(losses_N[each.members], len(slices), share=share), p))
        left[each.members] = False
    return found


def around(losses_n: Floats, looked_at: int, *, share: bool = False) -> Interval:
    """The mean with its 95 % interval, wide enough to hold for so many slices together (Bonferroni).

    Wilson (1927) of what is 0 or 1; of other numbers by their standard error, and where each is a `share`, within 0
    and 1.
    """
    count, mean = len(losses_n), float(losses_n.mean())
    z = float(norm.isf(0.025 / looked_at))
    if set(np.unique(losses_n)) <= {0.0, 1.0}:
        middle = (mean + z * z / (2 * count)) / (1 + z * z / count)
        half = z * sqrt(mean * (1 - mean) / count + z * z / (4 * count * count)) / (1 + z * z / count)
        return Interval(mean, max(0.0, middle - half), min(1.0, middle + half))
    half = z * float(losses_n.std(ddof=1)) / sqrt(count)
    low, high = (max(0.0, mean - half), min(1.0, mean + half)) if share else (mean - half, mean + half)
    return Interval(mean, low, high)


class _Badness:
    """How bad sums of losses are for slices of some sizes: comparable between sizes, higher where less to be expected.

    Of errors it is minus the logarithm of the chance of as many or more (hypergeometric, as in Fisher 1935); of other
    numbers the deviation of their sum from its mean, in standard deviations.
    """

    def __init__(self, losses_N: Floats, size_S: Floats) -> None:
        self.size_S1 = size_S[:, None]
        count, self.mean, spread = len(losses_N), losses_N.mean(), losses_N.var()
        self.shares = set(np.unique(losses_N)) <= {0.0, 1.0}
        self.deviation_S1 = np.sqrt(self.size_S1 * (count - self.size_S1) / max(1, count - 1) * spread)
        if self.shares:
            errors = int(losses_N.sum())
            tails = {size: _tail(count, errors, size) for size in np.unique(size_S).astype(int).tolist()}
            starts = dict(zip(tails, np.cumsum([0, *map(len, tails.values())])[:-1].tolist(), strict=True))
            self.tails = np.concatenate(list(tails.values()))
            self.starts_S1 = np.array([starts[int(size)] for size in size_S], np.int64)[:, None]

    def __call__(self, sums_SR: Floats) -> Floats:
        """Of sums (S, R)."""
        found: Floats = (
            -self.tails[self.starts_S1 + np.rint(sums_SR).astype(np.int64)]
            if self.shares
            else (sums_SR - self.size_S1 * self.mean) / self.deviation_S1
        )
        return found


def _tail(count: int, errors: int, size: int) -> Floats:
    """The logarithm of the chance that k or more of the errors fall among `size` of the records, for each k from 0."""
    k = np.arange(min(size, errors) + 1)

    def ways(whole: Any, part: Any) -> Any:
        return gammaln(whole + 1) - gammaln(part + 1) - gammaln(whole - part + 1)

    possible = size - k <= count - errors
    rest = np.where(possible, size - k, 0)
    log_k = np.where(possible, ways(errors, k) + ways(count - errors, rest) - ways(count, size), -np.inf)
    tail: Floats = np.logaddexp.accumulate(log_k[::-1])[::-1]
    return tail


def _deals(members: csr_array) -> int:
    least, most = _DEALS
    return int(np.clip(_WORK // max(1, members.nnz), least, most))


def _chance(
    worst: float, losses_N: Floats, members: csr_array, badness: _Badness, deals: int, rng: np.random.Generator
) -> float:
    """How often a deal of the losses has a slice that is as bad."""
    as_bad, done = 0, 0
    while done < deals:
        rows = min(deals - done, max(1, _AT_ONCE // max(members.shape)))
        dealt_RN = rng.permuted(np.tile(losses_N, (rows, 1)), axis=1)
        highest_R = badness(members @ dealt_RN.T).max(0)
        as_bad += int((highest_R >= worst - 1e-9).sum())
        done += rows
    return (1 + as_bad) / (1 + deals)


def kinds_told(slices: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The `others` of a `scores.json` by their kind, those of a column by its name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for each in slices["others"]:
        found.setdefault(f"{COLUMN}:{each['column']}" if each["kind"] == COLUMN else each["kind"], []).append(each)
    return found
