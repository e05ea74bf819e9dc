"""A bake-off in the terminal and as one HTML file: a table, and pictures of quality against what it costs."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from danlu.evaluate.pages.markup import Html, cell, element, figure, section, table, together
from danlu.evaluate.pages.page import page
from danlu.evaluate.pages.scatter import Dot, scatter
from danlu.evaluate.reporting.wording import between, duration, in_columns, metric_name, number
from danlu.language import translator
from danlu.machine.files import write_text
from danlu.trials.bakeoff import Baked, Bakeoff

NAME = "bakeoff.html"

_MB = 1e6

Say = Callable[[str], str]


def bakeoff_in_words(baked: Bakeoff, language: str) -> list[str]:
    """The table as lines for a terminal; what came to nothing has its reason below."""
    _ = translator(language)
    shown = [row for row in baked.rows if row.seeds]
    rows = [_head(baked, _), *(_cells(row, baked, _) for row in shown)]
    refused = [f"{row.method}: {row.refused}" for row in baked.rows if row.refused is not None]
    return [_told(baked, _), *in_columns(rows), *refused]


def write_page(path: Path, baked: Bakeoff, language: str) -> None:
    """Write the page; `language` is "en" or "zh".

    Raises `Refusal` for a full disk.
    """
    _ = translator(language)
    told = _("danlu {version}; each method was trained in a process of its own").format(version=version("danlu"))
    header = element("header", element("h1", baked.recipe.name), element("p", told, class_="quiet"))
    pictures = [figure(name, drawn) for name, drawn in _pictures(baked, _) if drawn is not None]
    parts = [section(_("Methods"), figure(_told(baked, _), _table(baked, _)))]
    if pictures:
        parts.append(section(_("Quality and cost"), element("div", *pictures, class_="charts")))
    write_text(path, page(f"{baked.recipe.name} · bakeoff", together(header, element("main", *parts)), language))


def _told(baked: Bakeoff, _: Say) -> str:
    if baked.scored == baked.stage:
        words = _("{metric} on the validation records of {stage}; {seeds} seeds")
    else:
        words = _("{metric} of {stage}; {seeds} seeds")
    return words.format(metric=metric_name(baked.metric, _), stage=baked.scored, seeds=baked.seeds)


def _head(baked: Bakeoff, _: Say) -> list[str]:
    ends = _("lowest – highest") if baked.seeds > 1 else _("interval (95 %)")
    head = [_("method"), metric_name(baked.metric, _), ends, _("trained parameters"), _("share"), _("most memory")]
    return [*head, _("time"), _("added on disk"), *([_("before → after on other data")] if _retains(baked) else [])]


def _named(row: Baked, baked: Bakeoff, _: Say) -> str:
    """The method, and how many seeds came to something where some were refused."""
    if row.refused is None or not row.seeds:
        return row.method
    return _("{method} ({done} of {seeds} seeds)").format(method=row.method, done=row.seeds, seeds=baked.seeds)


def _cells(row: Baked, baked: Bakeoff, _: Say) -> list[str]:
    cells = [
        _named(row, baked, _),
        number(row.value),
        between({"low": row.low, "high": row.high}),
        "–" if row.trained is None else f"{row.trained:,}",
        "–" if row.share is None else f"{row.share:.3%}",
        "–" if row.peak_bytes is None else f"{row.peak_bytes / _MB:,.0f} MB",
        "–" if row.seconds is None else duration(row.seconds, _),
        "–" if row.added is None else f"{row.added / _MB:,.2f} MB",
    ]
    told = [f"{name} {number(each['before'])} → {number(each['after'])}" for name, each in row.retained.items()]
    return [*cells, *([", ".join(told) or "–"] if _retains(baked) else [])]


def _retains(baked: Bakeoff) -> bool:
    return any(row.retained for row in baked.rows)


def _table(baked: Bakeoff, _: Say) -> Html:
    rows: list[list[object]] = []
    columns = len(_head(baked, _)) - 1
    for row in baked.rows:
        head = element("th", _named(row, baked, _), scope="row")
        if not row.seeds:
            rows.append([head, element("td", row.refused, colspan=columns, class_="quiet")])
        else:
            rows.append([head, *(cell(value) for value in _cells(row, baked, _)[1:])])
        if row.seeds and row.refused is not None:
            rows.append([element("th", "", scope="row"), element("td", row.refused, colspan=columns, class_="quiet")])
    return table([*_head(baked, _)], rows)


def _pictures(baked: Bakeoff, _: Say) -> list[tuple[str, Html | None]]:
    metric = metric_name(baked.metric, _)
    shares = [(row, None if row.share is None else 100 * row.share) for row in baked.rows]
    minutes = [(row, None if row.seconds is None else row.seconds / 60) for row in baked.rows]
    names = (_("trained share of the parameters (%)"), _("minutes of training"))
    drawn = []
    for name, placed in zip(names, (shares, minutes), strict=True):
        dots = [
            Dot(x, row.value, f"{row.method}: {number(row.value)}", row.method, low=row.low, high=row.high)
            for row, x in placed
            if x and row.value is not None
        ]
        drawn.append((f"{metric} · {name}", scatter(dots, name, metric, log=True)))
    return drawn
