"""What a data file, or a folder of prepared data, holds: counted, with examples of what is wrong with it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from danlu.data.corpus.prepared import SPLITS, load
from danlu.data.corpus.survey import Survey, counted_labels, survey
from danlu.data.duplicates.dedup import Clusters, Rows, find_clusters, numbered
from danlu.data.labels import Spellings, is_empty, merged_labels, spellings
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import guess, lists_in
from danlu.data.record import Record, asked_of, text_of, truth_of
from danlu.evaluate.pages.markup import Html, cell, element, facts, figure, section, table, together
from danlu.evaluate.pages.page import page
from danlu.evaluate.reporting.sections.data import data_section
from danlu.language import translator
from danlu.machine.files import write_text
from danlu.machine.seed import generator
from danlu.refusal import Refusal

EXAMPLES = 8
LONGEST = 160  # characters of an example

Say = Callable[[str], str]


@dataclass(frozen=True)
class Repeated:
    """A text that stands in several rows; `truths`: what these say of it, each with its rows."""

    text: str
    rows: int
    truths: dict[str, int]


@dataclass(frozen=True)
class DataProfile:
    """A survey with examples.

    - `columns`: the columns, each with the number of rows that have it.
    - `rows`: by split, of a folder of prepared data; `leaked`: see `shared`.
    - `repeated`: the texts that stand in most rows; `contested`: those that come with different labels.
    - `spelled`: which labels are one; `bad_rows`: what was mended while reading.
    """

    survey: Survey
    columns: dict[str, int]
    rows: dict[str, int]
    leaked: dict[str, tuple[float, float]]
    repeated: list[Repeated]
    contested: list[Repeated]
    spelled: Spellings
    bad_rows: BadRows


def profile(
    path: str,
    *,
    settings: Sequence[str] = (),
    member: str | None = None,
    column: str = "text",
    label: str = "label",
    similarity: float = 0.8,
    seed: int = 0,
) -> DataProfile:
    """Read everything and survey it; texts are alike from a Jaccard similarity of `similarity` on.

    Raises `Refusal` for a file that cannot be read, a column that is not there, and a folder without prepared data.
    """
    bad_rows = BadRows()
    splits = _splits(path, settings, member, column, bad_rows)
    columns = Counter(name for records in splits.values() for record in records for name in record)
    if label not in columns and label != "label":
        raise Refusal(
            f"{path}: there is no column '{label}' (the columns are: {', '.join(columns)}); name it in --label"
        )
    every = [_labelled(record, label) for records in splits.values() for record in records]
    spelled = spellings(counted_labels(every))
    every = [merged_labels(record, spelled) for record in every] if spelled.merged else every
    filled = [record for record in every if text_of(record, column).strip()]
    if not filled:
        raise Refusal(f"{path}: the column '{column}' is empty in all {len(every):,} records; name another in --column")
    origins = np.repeat(list(splits), [len(records) for records in splits.values()])
    kept = np.array([bool(text_of(record, column).strip()) for record in every])
    clusters = find_clusters([text_of(record, column) for record in filled], similarity)
    found = survey(filled, clusters, generator(seed, "survey"), empty_rows=len(every) - len(filled), column=column)
    asked = numbered(asked_of(record, column) for record in filled)
    groups = _groups(filled, clusters.apart(asked).exact, column)
    return DataProfile(
        survey=found,
        columns=dict(columns),
        rows={name: len(records) for name, records in splits.items()},
        leaked=shared(clusters, origins[kept]),
        repeated=[group for group in groups if group.rows > 1][:EXAMPLES],
        contested=[group for group in groups if len(group.truths) > 1][:EXAMPLES],
        spelled=spelled,
        bad_rows=bad_rows,
    )


def shared(clusters: Clusters, origins: NDArray[np.str_]) -> dict[str, tuple[float, float]]:
    """By split but train, the shares of rows whose text stands in train too: equal, and equal or alike."""

    def share(ids: Rows, name: str) -> float:
        return float(np.isin(ids[origins == name], ids[origins == "train"]).mean())

    names = [name for name in dict.fromkeys(origins.tolist()) if name != "train"]
    return {name: (share(clusters.exact, name), share(clusters.near, name)) for name in names}


def _splits(
    path: str, settings: Sequence[str], member: str | None, column: str, bad_rows: BadRows
) -> dict[str, list[Record]]:
    folder = Path(path)
    if settings or not (path and folder.is_dir()):
        records = list(guess(path, member, settings=settings).read(bad_rows=bad_rows))
        if records and not any(column in record or "tokens" in record for record in records):
            raise Refusal(
                f"{path}, record 1: there is no column '{column}'; name the one with the text in --column "
                f"(the columns are: {', '.join(records[0])}){lists_in(records[0])}"
            )
        nothing = {column: ""}  # of a row that has none, as where it is null
        return {"train": [record if column in record or "tokens" in record else record | nothing for record in records]}
    names = [name for name in SPLITS if (folder / f"{name}.parquet").is_file()]
    if not names:
        raise Refusal(f"{path}: holds no prepared data; give a file, or the folder that a prepare stage has left")
    return {name: load(folder, name) for name in names}


def _labelled(record: Record, label: str) -> Record:
    """The record with its label under the name that surveys look for."""
    if label == "label":
        return record
    value = record.get(label)
    bare = {name: value for name, value in record.items() if name != "label"}
    return bare if is_empty(value) else bare | {"label": value}


def _groups(records: Sequence[Record], exact: Rows, column: str) -> list[Repeated]:
    """Texts with their rows, those in most rows first."""
    truths: dict[int, dict[str, int]] = {}
    for record, first in zip(records, exact.tolist(), strict=True):
        counts = truths.setdefault(first, {})
        truth = truth_of(record) or ""
        counts[truth] = counts.get(truth, 0) + 1
    found = [
        Repeated(text_of(records[first], column), sum(counts.values()), counts) for first, counts in truths.items()
    ]
    return sorted(found, key=lambda group: -group.rows)


def one_line(text: str) -> str:
    """A text in one line of at most `LONGEST` characters."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} …"


def write_profile(path: Path, name: str, found: DataProfile, language: str) -> None:
    """Write the survey as one HTML file; raises `Refusal` for a full disk."""
    _ = translator(language)
    columns = facts([(column, f"{rows:,}") for column, rows in found.columns.items()])
    examples = [
        _examples(title, groups, _)
        for title, groups in (
            (_("texts in most rows"), found.repeated),
            (_("texts that come with different labels"), found.contested),
        )
        if groups
    ]
    leaks = [element("p", sentence, class_="warning") for sentence in leaks_in_words(found.leaked, _)]
    told = _("danlu {version}; {rows:,} rows").format(version=version("danlu"), rows=found.survey.rows)
    body = together(
        element("header", element("h1", name), element("p", told, class_="quiet")),
        element(
            "main",
            section(_("Data"), *leaks, data_section(asdict(found.survey), path.parent / "nowhere", _)),
            section(_("Columns"), figure(_("rows that have the column"), columns)),
            *([section(_("Examples"), *examples)] if examples else []),
        ),
    )
    write_text(path, page(f"{name} · survey", body, language))


def leaks_in_words(leaked: dict[str, tuple[float, float]], _: Say) -> list[str]:
    """A sentence for each split of which rows stand in training as well."""
    names = {"validation": _("validation"), "test": _("test")}
    told = _("{near:.1%} of the {split} rows, or texts like them, are in training too ({exact:.1%} word for word)")
    return [told.format(near=near, split=names[split], exact=exact) for split, (exact, near) in leaked.items() if near]


def _examples(title: str, groups: list[Repeated], _: Say) -> Html:
    labelled = any(truths_in_words(group) for group in groups)
    rows: list[list[object]] = [
        [
            element("td", one_line(group.text), class_="text", dir="auto"),
            cell(f"{group.rows:,}"),
            *([cell(truths_in_words(group), None)] if labelled else []),
        ]
        for group in groups
    ]
    head: list[object] = [_("text"), _("rows"), *([_("labels")] if labelled else [])]
    return figure(title, table(head, rows, class_="errors"))


def truths_in_words(group: Repeated) -> str:
    """What the rows of a text say of it, each with its count."""
    return one_line(", ".join(f"{truth} {count:,}" for truth, count in group.truths.items() if truth))
