"""What the data holds: counts, labels, lengths, repetitions, and what a naive split would have leaked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from danlu.data.corpus.prepared import SPLITS
from danlu.evaluate.pages.charts import histogram
from danlu.evaluate.pages.markup import Html, cell, element, facts, figure, table

LABELS = 30  # bars
WORRYING = 0.05  # share of leaked test rows from which scores mislead


def data_section(found: dict[str, Any], folder: Path, _: Callable[[str], str]) -> Html:
    """Facts, warnings and drawings from a `survey.json`, and the sizes of the splits beside it."""
    told = [
        (_("rows with text"), f"{found.get('nonempty_rows', 0):,}"),
        (_("different texts"), f"{found.get('different_texts', 0):,}"),
        (_("rows that repeat another"), f"{found.get('near_duplicates', 0):,}"),
    ]
    names = {"train": _("for training"), "validation": _("for validation"), "test": _("for testing")}
    told += [(names[split], f"{rows:,}") for split, rows in _sizes(folder).items()]
    drawings = [
        figure(caption, _bars(found[key]))
        for key, caption in (("labels", _("rows by label")), ("entities", _("entities by label")))
        if found.get(key)
    ]
    lengths = found.get("characters") or {}
    drawn = histogram(lengths.get("edges", []), lengths.get("counts", []), _("characters"), _("length of the texts"))
    if drawn:
        percentiles = lengths.get("percentiles", {})
        middle = _("length of the texts; half have {median:,.0f} or fewer").format(median=percentiles.get("50", 0))
        longer = _(", the last bar holds all that are longer")
        drawings.append(figure(middle + longer * (percentiles.get("100", 0) >= lengths["edges"][-1]), drawn))
    return element("div", facts(told), *_warnings(found, _), element("div", *drawings, class_="charts"))


def _warnings(found: dict[str, Any], _: Callable[[str], str]) -> list[Html]:
    told = []
    leak = found.get("naive_leak") or {}
    if leak.get("near", 0) > 0:
        split = _("A naive random split would have put {near:.1%} of its test rows, or a text like them, into training")
        exact = _(" as well ({exact:.1%} word for word).").format(exact=leak.get("exact", 0))
        high = _(" Scores on it would be too good to be true.") if leak["near"] >= WORRYING else ""
        told.append(split.format(near=leak["near"]) + exact + high)
    if found.get("conflicting_texts"):
        told.append(
            _("{texts:,} texts come with different labels, in {rows:,} rows").format(
                texts=found["conflicting_texts"], rows=found.get("conflicting_rows", 0)
            )
            + _(".")
        )
    for key, sentence in (
        ("contrasting_rows", _("{rows:,} rows are like another with another label, and are kept")),
        ("uncompared_rows", _("{rows:,} rows from one template were compared with some of the others alone")),
    ):
        if found.get(key):
            told.append(sentence.format(rows=found[key]) + _("."))
    empty = found.get("rows", 0) - found.get("nonempty_rows", 0)
    if empty > 0:
        told.append(_("{rows:,} rows without text").format(rows=empty) + _("."))
    return [element("p", sentence, class_="warning") for sentence in told]


def _bars(counts: dict[str, int]) -> Html:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    most, total = max(counts.values()) or 1, sum(counts.values()) or 1
    rows: list[list[object]] = [
        [
            element("th", label, scope="row", dir="auto"),
            element("td", element("span", ""), class_="bar", style=f"--share:{count / most:.3f}"),
            cell(f"{count:,}"),
            cell(f"{count / total:.1%}", "number quiet"),
        ]
        for label, count in ordered[:LABELS]
    ]
    if ordered[LABELS:]:
        rows.append(["…", "", cell(f"{sum(count for _, count in ordered[LABELS:]):,}"), ""])
    return table(["", "", "", ""], rows, class_="bars")


def _sizes(folder: Path) -> dict[str, int]:
    """Rows of each split that lies in the folder."""
    from pyarrow import ArrowException
    from pyarrow.parquet import read_metadata

    sizes = {}
    for split in SPLITS:
        try:
            sizes[split] = read_metadata(folder / f"{split}.parquet").num_rows
        except (OSError, ArrowException):  # no such split, or one that is being written
            continue
    return sizes
