"""Two evaluations side by side, for a terminal and as a page: metrics, McNemar's test, answers that changed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from danlu.evaluate.pages.markup import Html, cell, element, figure, section, table, together
from danlu.evaluate.pages.page import page
from danlu.evaluate.reporting.judged import p_value
from danlu.evaluate.reporting.wording import between, in_columns, metric_name, number, signed
from danlu.evaluate.scoring.changes import Change, Changes
from danlu.evaluate.scoring.compare import Compared
from danlu.language import translator
from danlu.machine.files import write_text

LONGEST = 60  # characters of a text in a terminal
_ON_PAGE = 1000  # characters of a text on a page
ROWS = 200  # of each sort on a page


def comparison_in_words(compared: Compared, names: tuple[str, str], language: str, shown: int = 5) -> list[str]:
    """A comparison as lines of small tables, and what it means; of each sort of change so many are `shown`."""
    _ = translator(language)
    rows = [["", *names, _("difference"), _("interval (95 %)"), *(["p"] if compared.paired else []), ""]]
    told = [*in_columns([*rows, *_rows(compared, _)]), _paired(compared, _)]
    if compared.changes is None:
        return told
    told.append(_split(compared.changes, _))
    for title, found in _sorts(compared.changes, names, _):
        if found and shown:
            head = ["", _("truth"), *names, _("text")]
            lines = [[f"{each.number:,}", *map(_brief, _values(each, _))] for each in found[:shown]]
            told += ["", _more(title, found, shown, _), *in_columns([head, *lines], left=True)]
    return told


def write_comparison(file: Path, compared: Compared, names: tuple[str, str], language: str) -> None:
    """Write the same as a page that stands alone, with many more of the changes.

    Raises `Refusal` where it cannot be written.
    """
    _ = translator(language)
    head: list[object] = ["", *names, _("difference"), *(["p"] if compared.paired else []), ""]
    rows: list[list[object]] = []
    for row, (gap, *rest) in zip(compared.metrics, (each[3:] for each in _rows(compared, _)), strict=True):
        shown = cell(together(element("b", gap), " ", element("span", rest[0], class_="interval")))
        one, two = (
            cell(together(element("b", number(side.value), class_=class_), " ", _interval(side.to_plain())))
            for side, class_ in ((row.first, "theirs"), (row.second, "ours"))
        )
        rows.append([element("th", metric_name(row.metric, _), scope="row"), one, two, shown, *map(_verdict, rest[1:])])
    body = [figure(_paired(compared, _), table(head, rows, class_="scores"))]
    parts = [section(_("Metrics"), *body)]
    if compared.changes is not None:
        said = element("p", _split(compared.changes, _), class_="quiet")
        tables = [
            figure(_more(title, found, ROWS, _), _table(found, names, _))
            for title, found in _sorts(compared.changes, names, _)
            if found
        ]
        parts.append(section(_("Answers that changed"), said, *tables))
    title = f"{names[0]} → {names[1]}"
    write_text(file, page(title, together(element("header", element("h1", title)), element("main", *parts)), language))


def _rows(compared: Compared, _: Callable[[str], str]) -> list[list[str]]:
    """A row a metric: its name, both values, the difference, its interval, p where it is known, and the verdict."""
    verdicts = {True: _("better"), False: _("worse"), None: _("may be chance")}
    rows = []
    for row in compared.metrics:
        values = [number(row.first.value), number(row.second.value), signed(row.difference.value)]
        p = [] if not compared.paired else ["–" if row.p is None or row.p != row.p else p_value(row.p)]
        gap = between(row.difference.to_plain(), signed)
        rows.append([metric_name(row.metric, _), *values, gap, *p, verdicts[row.better]])
    return rows


def _paired(compared: Compared, _: Callable[[str], str]) -> str:
    paired = _(
        "Both saw the same records; differences are resampled record by record, and p is how often chance alone makes "
        "one as large."
    )
    apart = _("The records differ, so the intervals are wide; evaluate both on the same data to tell more.")
    return paired if compared.paired else apart


def _split(changes: Changes, _: Callable[[str], str]) -> str:
    if not changes.fixed and not changes.broken:
        return _("No answer became right or wrong.")
    said = _("{fixed:,} answers became right and {broken:,} wrong; McNemar's test: p {p}")
    p = p_value(changes.p)
    return said.format(fixed=len(changes.fixed), broken=len(changes.broken), p=p if p.startswith("<") else f"= {p}")


def _sorts(changes: Changes, names: tuple[str, str], _: Callable[[str], str]) -> list[tuple[str, list[Change]]]:
    wrong, right = _("wrong in {name}").format(name=names[1]), _("right in {name} alone").format(name=names[1])
    return [(right, changes.fixed), (_("right before, {wrong}").format(wrong=wrong), changes.broken)]


def _more(title: str, found: Sequence[Change], shown: int, _: Callable[[str], str]) -> str:
    if len(found) <= shown:
        return title
    return title + _("; the first {shown} of {count}").format(shown=shown, count=f"{len(found):,}")


def _values(change: Change, _: Callable[[str], str]) -> list[str]:
    text = _("(not among the errors that were kept)") if change.text is None else change.text
    return [*map(_plain, (change.truth, change.first, change.second)), text]


def _plain(value: Any) -> str:
    """A value as `told` says it, in a few words."""
    if isinstance(value, dict):
        return " ".join(str(value[name]) for name in ("label", "text") if name in value) or str(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value)) or "–"
    return str(value)


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _table(found: Sequence[Change], names: tuple[str, str], _: Callable[[str], str]) -> Html:
    rows: list[list[object]] = []
    for each in found[:ROWS]:
        truth, first, second, text = _values(each, _)
        cut = text if len(text) <= _ON_PAGE else text[: _ON_PAGE - 1] + "…"
        shown = element("td", cut, class_="text", dir="auto")
        answers = [cell(_brief(truth), "label"), cell(_brief(first), "label"), cell(_brief(second), "label ours")]
        rows.append([cell(f"{each.number:,}"), shown, *answers])
    return table(["", _("text"), _("truth"), *names], rows, class_="errors")


def _interval(plain: dict[str, Any]) -> Html:
    return element("span", between(plain), class_="interval")


def _verdict(text: str) -> Html:
    return cell(text, None)
