"""How alike the splits are: labels and lengths of each, and how far they are from those of training."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.language import translator
from danlu.refusal import Refusal

Integers = NDArray[np.integer]


@dataclass(frozen=True)
class Shift:
    """One split beside the training split.

    - `labels`: rows by label; `median`, `mean`, `longest`: lengths in characters.
    - `label_distance`: total variation between the shares of labels, 0 to 1: the share of rows that would have to
      carry another label; None without labels. `label_chance`: the probability of a chi-square (Pearson, 1900) as
      large by chance; below 0.01 a split is another population. None for training.
    - `length_distance`: largest difference between the distributions of lengths (Kolmogorov, 1933), 0 to 1.
    """

    rows: int
    labels: dict[str, int]
    median: float
    mean: float
    longest: int
    label_distance: float | None
    label_chance: float | None
    length_distance: float

    def to_plain(self) -> dict[str, Any]:
        """The figures as plain data."""
        return asdict(self)


def refuse_unseen_labels(rows: Mapping[str, NDArray[np.bool_]], codes: Integers, names: Sequence[str]) -> None:
    """Refuse splits with labels that no row of `train` has, so that no model could know them.

    `rows` tells which rows (N,) are in a split, `codes` (N,) the place of each row's label among `names`, -1 for none.

    Raises:
        Refusal: there is such a label.
    """
    known = np.unique(codes[rows["train"]])
    for name, chosen in rows.items() if (known >= 0).any() else ():
        unseen = np.setdiff1d(codes[chosen], [*known.tolist(), -1])
        if len(unseen):
            raise Refusal(
                f"label '{min(names[code] for code in unseen)}' occurs in the {name} records but in none for "
                "training; add examples of it to 'data', or correct the label"
            )


def shifts(
    splits: Mapping[str, Integers], codes: Integers, names: Sequence[str], characters: Integers
) -> dict[str, Shift]:
    """Compare splits, `train` among them, of which each gives its rows.

    - `codes`: each row's label as a position in `names`, -1 for none, (N,); `characters`: its length, (N,).
    """
    counts = {split: np.bincount(codes[rows] + 1, minlength=len(names) + 1)[1:] for split, rows in splits.items()}
    lengths = {split: np.sort(characters[rows]) for split, rows in splits.items()}
    found = {}
    for split in splits:
        distance, chance = _labels_apart(counts["train"], counts[split])
        found[split] = Shift(
            rows=len(splits[split]),
            labels={name: int(count) for name, count in zip(names, counts[split], strict=True) if count},
            median=float(np.median(lengths[split])),
            mean=float(lengths[split].mean()),
            longest=int(lengths[split][-1]),
            label_distance=distance,
            label_chance=None if split == "train" else chance,
            length_distance=_lengths_apart(lengths["train"], lengths[split]),
        )
    return found


def _labels_apart(first: Integers, second: Integers) -> tuple[float | None, float | None]:
    from scipy.special import chdtrc

    sums = first.sum(), second.sum()
    if not all(sums):
        return None, None
    distance = float(np.abs(first / sums[0] - second / sums[1]).sum() / 2)
    seen = (first + second) > 0
    table = np.stack([first[seen], second[seen]]).astype(np.float64)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    freedom = table.shape[1] - 1
    chance = float(chdtrc(freedom, ((table - expected) ** 2 / expected).sum())) if freedom else 1.0
    return distance, chance


def _lengths_apart(first: Integers, second: Integers) -> float:
    values = np.union1d(first, second)
    shares = [np.searchsorted(side, values, side="right") / len(side) for side in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def shared_in_words(clusters: Integers, split_of: Integers, language: str = "en") -> list[str]:
    """A line where test records are like validation records, in either language; of given sets that is kept as it is.

    - `clusters`: equal for rows that are alike, (N,); `split_of`: 1 for validation and 2 for test, (N,).
    """
    validation, test = (clusters[split_of == number] for number in (1, 2))
    shared = int(np.isin(test, validation).sum())
    told = translator(language)(
        "{shared:,} of {test:,} test records are like validation records, by which the best model is chosen, so the "
        "test flatters it; leave them out of the validation set"
    )
    return [told.format(shared=shared, test=len(test))] if shared else []


def in_words(rows: Mapping[str, int], splits: Mapping[str, Shift], language: str = "en") -> list[str]:
    """The sizes of the splits, and how far they are from training, in one line, in English or Chinese."""
    _ = translator(language)
    told = _("records: {counts}").format(counts=", ".join(f"{name} {count:,}" for name, count in rows.items()))
    others = [side for name, side in splits.items() if name != "train"]
    if not others:
        return [told]
    lengths = max(side.length_distance for side in others)
    labels = [side.label_distance for side in others if side.label_distance is not None]
    if labels:
        apart = _("; labels differ by up to {labels:.1%} from training, lengths by up to {lengths:.1%}")
        return [told + apart.format(labels=max(labels), lengths=lengths)]
    return [told + _("; lengths differ by up to {lengths:.1%} from training").format(lengths=lengths)]
