"""Answering only where one is sure: errors among the surest answers, for any number of these (El-Yaniv, Wiener 2010).

Shapes: N records, R draws, G groups of records that are equally sure. Within a group no order is better than another,
so what is told is the mean over all orders.
"""

from collections.abc import Sequence

import numpy as np

from danlu.evaluate.scoring.metric import Floats

Groups = tuple[Floats, Floats, Floats, Floats]


class Selective:
    """Records by how sure their answers were, the surest first, and which are wrong."""

    def __init__(self, sure_N: Floats, wrong_N: Floats) -> None:
        """`wrong_N` is 1 for a wrong answer, 0 for a right one."""
        self.order = np.argsort(-sure_N, kind="stable")
        ordered = sure_N[self.order]
        self.starts_G = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self.wrong_N = wrong_N[self.order]

    def area(self, times_RN: Floats) -> Floats:
        """The mean over k = 1 to N of the share of errors among the k surest, (R,), in each draw."""
        return self._area(self._groups(times_RN))

    def accuracies(self, times_RN: Floats, shares: Sequence[float]) -> list[Floats]:
        """The share of right answers among the surest of all, for each share of them, (R,) each.

        A share is rounded up to a whole answer.
        """
        groups = self._groups(times_RN)
        return [_accuracy(groups, share * times_RN[0].sum()) for share in shares]

    def area_and_accuracies(self, times_RN: Floats, shares: Sequence[float]) -> list[Floats]:
        """Both, where both are wanted."""
        groups = self._groups(times_RN)
        return [self._area(groups), *(_accuracy(groups, share * times_RN[0].sum()) for share in shares)]

    def curve(self, points: int = 100) -> list[tuple[float, float]]:
        """The share of errors by the share that is answered, at so many points or at each record."""
        count = len(self.order)
        shares = (np.unique(np.ceil(np.linspace(1 / points, 1, points) * count)) / count).tolist()
        found = self.accuracies(np.ones((1, count)), shares)
        return [(share, float(1 - right[0])) for share, right in zip(shares, found, strict=True)]

    def _area(self, groups: Groups) -> Floats:
        size_RG, wrong_RG, before_RG, errors_RG = groups
        slope_RG = _ratio(wrong_RG, size_RG)
        start, end = before_RG.astype(np.int64), (before_RG + size_RG).astype(np.int64)
        harmonic = np.r_[0.0, np.cumsum(1 / np.arange(1, end.max() + 1))]
        # the sum over j = 1 to S of (e + m j) / (b + j), with e errors among the b before and m a record in the group
        inverse_RG = harmonic[end] - harmonic[start]
        sums_RG = slope_RG * size_RG + (errors_RG - slope_RG * before_RG) * inverse_RG
        area: Floats = sums_RG.sum(1) / size_RG.sum(1)
        return area

    def _groups(self, times_RN: Floats) -> Groups:
        """Of each group (R, G): its records, its errors, and records and errors of all before it."""
        ordered_RN = times_RN[:, self.order]
        size_RG = np.add.reduceat(ordered_RN, self.starts_G, axis=1)
        wrong_RG = np.add.reduceat(ordered_RN * self.wrong_N, self.starts_G, axis=1)
        return size_RG, wrong_RG, size_RG.cumsum(1) - size_RG, wrong_RG.cumsum(1) - wrong_RG


def _accuracy(groups: Groups, wanted: float) -> Floats:
    """The share of right answers among the `wanted` surest."""
    most = max(1.0, float(np.ceil(wanted - 1e-9)))
    size_RG, _, before_RG, _ = groups
    place_R1 = (before_RG + size_RG < most).sum(1)[:, None]
    size, wrong, before, errors = (np.take_along_axis(each, place_R1, 1)[:, 0] for each in groups)
    found: Floats = 1 - (errors + _ratio(wrong, size) * (most - before)) / most
    return found


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole > 0)
