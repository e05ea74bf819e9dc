"""What a data set holds, and what would go wrong with it: counts, lengths, duplicates, leaks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.data.duplicates.dedup import Clusters, Rows, contested, numbered
from danlu.data.labels import is_fraction
from danlu.data.record import Record, asked_of, entity_labels, is_labelled, labels_of, opinion_of, text_of, truth_of
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
    - `near_duplicates`: filled rows beside the first of their cluster of like texts that are asked the same (see
      `asked_of`), `exact_duplicates` included.
    - `labels`: rows by label; `entities`: entities by label.
    - `conflicting_texts`, `conflicting_rows`: texts that come with more than one label, or set of entities.
    - `contrasting_rows`: rows alike to another one with another label, as by a "not"; they are kept.
    - `uncompared_rows`: those from one template with more others than they were compared with.
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
    contrasting_rows: int = 0
    uncompared_rows: int = 0

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
    return surveyed(
        Counts(
            rows=len(records) + empty_rows,
            labels=counted_labels(records),
            entities=Counter(label for record in records for label in entity_labels(record)),
            unlabelled=sum(not is_labelled(record) for record in records),
        ),
        clusters,
        Said(
            numbered(map(truth_of, records)),
            numbered(map(opinion_of, records)),
            numbered(asked_of(record, column) for record in records),
        ),
        [len(text_of(record, column)) for record in records],
        rng,
        test_share,
    )


def counted_labels(records: Sequence[Record]) -> Counter[str]:
    """Rows by label; none where fractions are among them, for then the numbers are to be measured."""
    if any(is_fraction(record.get("label")) for record in records):
        return Counter()
    return Counter(label for record in records for label in labels_of(record))


@dataclass(frozen=True)
class Said:
    """What N rows say of their texts, as numbers that are 0 for nothing.

    - `truths`: label, entities, tags or words, (N,); `opinions`: labels alone, (N,).
    - `asked`: what they say it of, beside the text, (N,).
    """

    truths: NDArray[np.integer]
    opinions: NDArray[np.integer]
    asked: NDArray[np.integer]


@dataclass(frozen=True)
class Counts:
    """What is counted row by row: all rows, rows by label, entities by label, rows without either."""

    rows: int
    labels: Counter[str]
    entities: Counter[str]
    unlabelled: int


def asked_in_words(rows: Rows, clusters: Clusters, said: Said, language: str = "en") -> list[str]:
    """A line where some `rows` have the text of others, for something else is asked of it, in either language."""
    repeats, left = (len(rows) - len(np.unique(each.exact[rows])) for each in (clusters, clusters.apart(said.asked)))
    told = translator(language)(
        "{count:,} records have the text of another and stay, for their pair, question, choices or documents to rank "
        "differ"
    )
    return [told.format(count=repeats - left)] if repeats > left else []


def surveyed(
    counts: Counts,
    clusters: Clusters,
    said: Said,
    characters: Sequence[int] | NDArray[np.integer],
    rng: np.random.Generator,
    test_share: float = 0.1,
) -> Survey:
    """The survey of N filled rows from their clusters, what they say, and lengths (N,)."""
    rows = len(clusters.exact)
    records = clusters.apart(said.asked)
    crossed = contested(said.truths, records.exact)
    texts, exact, near = (len(np.unique(names)) for names in (clusters.exact, records.exact, records.near))
    return Survey(
        rows=counts.rows,
        nonempty_rows=rows,
        different_texts=texts,
        exact_duplicates=rows - exact,
        near_duplicates=rows - near,
        labels=dict(counts.labels.most_common()),
        unlabelled_rows=counts.unlabelled,
        entities=dict(counts.entities.most_common()),
        conflicting_texts=len(np.unique(records.exact[crossed])),
        conflicting_rows=int(crossed.sum()),
        characters=lengths(characters),
        naive_leak=naive_leak(clusters, rng, test_share),
        contrasting_rows=int((contested(said.opinions, records.near) & ~crossed).sum()),
        uncompared_rows=clusters.uncompared,
    )


def lengths(counts: Sequence[int] | NDArray[np.integer]) -> Lengths:
    """Mean, percentiles and histogram of lengths: at most 30 bins of one width, up to the 99th percentile."""
    values = np.asarray(counts)
    percentiles = np.percentile(values, _PERCENTILES)
    last = max(1, int(np.ceil(percentiles[_PERCENTILES.index(99)])))
    width = last // _BINS + 1  # whole characters, so that all bars are equally wide
    edges = width * np.arange(last // width + 2)
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
    if found.unlabelled_rows and found.unlabelled_rows < found.nonempty_rows:
        told.append(_("{rows:,} rows without a label").format(rows=found.unlabelled_rows))
    if found.entities:
        told.append(_("entities: {counts}").format(counts=_counted(found.entities)))
    if found.conflicting_texts:
        told.append(
            _("{texts:,} texts come with different labels, in {rows:,} rows").format(
                texts=found.conflicting_texts, rows=found.conflicting_rows
            )
        )
    if found.contrasting_rows:
        told.append(
            _("{rows:,} rows are like another with another label, and are kept").format(rows=found.contrasting_rows)
        )
    if found.uncompared_rows:
        told.append(
            _("{rows:,} rows from one template were compared with some of the others alone").format(
                rows=found.uncompared_rows
            )
        )
    return told


def _share_within(clusters: NDArray[np.integer], test: Rows, train: Rows) -> float:
    seen = np.zeros(len(clusters), bool)
    seen[clusters[train]] = True
    return float(seen[clusters[test]].mean())


def _counted(counts: dict[str, int]) -> str:
    shown = [f"{label} {count:,}" for label, count in counts.items()]
    return ", ".join([*shown[:12], "…"] if len(shown) > 12 else shown)
