"""What a data set holds, and what would go wrong with it: counts, lengths, duplicates, leaks."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.data.dedup import Clusters, Rows, conflicting
from danlu.data.record import Record, text_of
from danlu.language import translator

_PERCENTILES = (1, 5, 25, 50, 75, 95, 99, 100)
_BINS = 30


@dataclass(frozen=True)
class Lengths:
    """Lengths of texts in characters.

    - `percentiles`: by the percentage, "50" being the median.
    - `edges`, `counts`: histogram; bin i holds lengths from edges[i] to below edges[i + 1], the last one all
      that are longer.
    """

    mean: float
    percentiles: dict[str, float]
    edges: list[int]
    counts: list[int]


@dataclass(frozen=True)
class Leak:
    """What a naive random split would leak: test rows whose text stands in the training rows as well.

    - `exact`, `near`: shares of the test rows, of equal texts, and of equal or alike ones.
    """

    test_rows: int
    exact: float
    near: float


@dataclass(frozen=True)
class Survey:
    """What a data set holds before anything is dropped.

    - `rows`: as read; `nonempty_rows`: those with a text that is not only white space; the rest counts these.
    - `different_texts`: white space at the ends aside.
    - `near_duplicates`: filled rows beside the first of their cluster of like texts, `exact_duplicates` included.
    - `labels`: rows by label; `entities`: entities by label.
    - `conflicting_texts`, `conflicting_rows`: texts that come with more than one label, or set of entities.
    """

    rows: int
    nonempty_rows: int
    different_texts: int
    exact_duplicates: int
    near_duplicates: int
    labels: dict[str, int]
    unlabelled_rows: int
    entities: dict[str, int]
    conflicting_texts: int
    conflicting_rows: int
    characters: Lengths
    naive_leak: Leak

    def to_plain(self) -> dict[str, Any]:
        """The survey as plain data."""
        return asdict(self)


def survey(
    records: Sequence[Record],
    clusters: Clusters,
    rng: np.random.Generator,
    *,
    empty_rows: int = 0,
    test_share: float = 0.1,
    column: str = "text",
) -> Survey:
    """Survey the filled rows, whose texts have these clusters, beside `empty_rows` that were left out before."""
    contested = conflicting(records, clusters.exact)
    labels = Counter(label for record in records for label in _labels(record))
    entities = Counter(label for record in records for label in _entity_labels(record))
    return Survey(
        rows=len(records) + empty_rows,
        nonempty_rows=len(records),
        different_texts=len(np.unique(clusters.exact)),
        exact_duplicates=len(records) - len(np.unique(clusters.exact)),
        near_duplicates=len(records) - len(np.unique(clusters.near)),
        labels=dict(labels.most_common()),
        unlabelled_rows=sum(1 for record in records if not {"label", "entities", "tags"} & record.keys()),
        entities=dict(entities.most_common()),
        conflicting_texts=len(np.unique(clusters.exact[contested])),
        conflicting_rows=int(contested.sum()),
        characters=lengths([len(text_of(record, column)) for record in records]),
        naive_leak=naive_leak(clusters, rng, test_share),
    )


def lengths(counts: Sequence[int]) -> Lengths:
    """Mean, percentiles and histogram of lengths; the histogram ends at the 99th percentile."""
    values = np.asarray(counts, np.int64)
    percentiles = np.percentile(values, _PERCENTILES)
    last = max(1, int(np.ceil(percentiles[_PERCENTILES.index(99)])))
    edges = np.unique(np.linspace(0, last, _BINS + 1).astype(np.int64))
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return Lengths(
        mean=float(values.mean()),
        percentiles={str(name): float(value) for name, value in zip(_PERCENTILES, percentiles, strict=True)},
        edges=edges.tolist(),
        counts=np.bincount(bins, minlength=len(edges) - 1).tolist(),
    )


def naive_leak(clusters: Clusters, rng: np.random.Generator, test_share: float) -> Leak:
    """Shuffle the rows, cut off a test set, and see how much of it stands in the rest."""
    order = rng.permutation(len(clusters.exact))
    size = max(1, round(test_share * len(order)))
    test, train = order[:size], order[size:]
    return Leak(size, _share_within(clusters.exact, test, train), _share_within(clusters.near, test, train))


def in_words(found: Survey, language: str = "en") -> list[str]:
    """The survey in a few lines for a terminal, in English or Chinese."""
    _ = translator(language)
    told = [
        _("{rows:,} rows with text, {different:,} different texts").format(
            rows=found.nonempty_rows, different=found.different_texts
        ),
        _("{near:,} rows repeat another, {exact:,} of them exactly").format(
            near=found.near_duplicates, exact=found.exact_duplicates
        ),
        _("length in characters: median {median:,.0f}, mean {mean:,.1f}, longest {longest:,.0f}").format(
            median=found.characters.percentiles["50"],
            mean=found.characters.mean,
            longest=found.characters.percentiles["100"],
        ),
        _("a naive random split would leak {near:.1%} of its test rows into training, {exact:.1%} exactly").format(
            near=found.naive_leak.near, exact=found.naive_leak.exact
        ),
    ]
    if found.rows > found.nonempty_rows:
        told.append(_("{rows:,} rows without text").format(rows=found.rows - found.nonempty_rows))
    if found.labels:
        told.append(_("labels: {counts}").format(counts=_counted(found.labels)))
    if found.entities:
        told.append(_("entities: {counts}").format(counts=_counted(found.entities)))
    if found.conflicting_texts:
        told.append(
            _("{texts:,} texts come with different labels, in {rows:,} rows").format(
                texts=found.conflicting_texts, rows=found.conflicting_rows
            )
        )
    return told


def _labels(record: Record) -> Iterable[str]:
    """Its label, or each of several; numbers to be predicted are no labels."""
    label = record.get("label")
    return [label] if isinstance(label, str) else map(str, label) if isinstance(label, list) else ()


def _entity_labels(record: Record) -> Iterable[str]:
    yield from (str(entity["label"]) for entity in record.get("entities", ()))
    yield from (tag[2:] for tag in record.get("tags", ()) if tag.startswith("B-"))


def _share_within(clusters: Rows, test: NDArray[np.int64], train: NDArray[np.int64]) -> float:
    return float(np.isin(clusters[test], clusters[train]).mean())


def _counted(counts: dict[str, int]) -> str:
    shown = [f"{label} {count:,}" for label, count in counts.items()]
    return ", ".join([*shown[:12], "…"] if len(shown) > 12 else shown)
