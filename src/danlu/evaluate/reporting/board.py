"""Leaderboards as lines for a terminal and as a page."""

from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path

from danlu.evaluate.pages.charts import intervals
from danlu.evaluate.pages.markup import Html, cell, element, figure, section, table, together
from danlu.evaluate.pages.page import page
from danlu.evaluate.reporting.judged import p_value
from danlu.evaluate.reporting.wording import between, in_columns, metric_name, number, signed
from danlu.evaluate.scoring.leaderboard import Board, Place
from danlu.language import translator
from danlu.machine.files import write_text

SETTINGS = 6  # of an evaluation that are told in a line of a terminal
LONGEST = 40  # characters of a setting


def boards_in_words(boards: Sequence[Board], language: str) -> list[str]:
    """Each board as lines of a small table."""
    _ = translator(language)
    told: list[str] = []
    for board in boards:
        rows = [["", metric_name(board.metric, _), _("interval (95 %)"), _("behind the best"), "p", ""]]
        rows += [[each.entry.name, *_values(each), _verdict(each, _)] for each in board.places]
        told += ["", _title(board, _), *in_columns(rows)]
        for each in board.places if board.differing else ():
            settings = [f"{name}: {_setting(each, name)}" for name in board.differing[:SETTINGS]]
            told.append(f"  {each.entry.name}: {', '.join(settings)}")
    return told[1:]


def write_boards(file: Path, boards: Sequence[Board], language: str) -> None:
    """Write all boards as a page that stands alone.

    Raises `Refusal` where it cannot be written.
    """
    _ = translator(language)
    title = _("Leaderboard")
    note = _(
        "Evaluations of the same records stand together. Differences to the best are resampled record by record; p "
        "accounts for all comparisons of a board (Holm)."
    )
    head = element("header", element("h1", title), element("p", note, class_="quiet"))
    parts = [section(_title(board, _), _table(board, _), _settings(board, _)) for board in boards]
    write_text(file, page(title, together(head, element("main", *parts)), language))


def _title(board: Board, _: Callable[[str], str]) -> str:
    said = _("{metric} on {records:,} records")
    return said.format(metric=metric_name(board.metric, _), records=board.records)


def _values(place: Place) -> list[str]:
    gap = "" if place.behind is None else signed(place.behind.value)
    p = "" if place.p is None else p_value(place.p)
    return [number(place.score.value), between(place.score.to_plain()), gap, p]


def _verdict(place: Place, _: Callable[[str], str]) -> str:
    if place.behind is None:
        return _("the best")
    return _("worse") if place.worse else _("may be chance")


def _setting(place: Place, name: str) -> str:
    value = place.entry.settings.get(name, "–")
    return value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"


def _table(board: Board, _: Callable[[str], str]) -> Html:
    lows = [place.score.low for place in board.places if isfinite(place.score.low)]
    highs = [place.score.high for place in board.places if isfinite(place.score.high)]
    low, high = (min(lows), max(highs)) if lows and highs else (0.0, 1.0)
    room = (high - low) * 0.1 or 0.01
    rows: list[list[object]] = []
    for rank, place in enumerate(board.places, start=1):
        class_ = "theirs" if place.worse else "ours"
        score = place.score
        known = all(map(isfinite, (score.value, score.low, score.high)))
        drawn = intervals([(score.value, score.low, score.high, class_)], low - room, high + room, place.entry.name)
        shown = together(
            element("b", number(score.value), class_=class_),
            " ",
            element("span", between(score.to_plain()), class_="interval"),
        )
        gap = Html() if place.behind is None else _gap(place)
        p = "" if place.p is None else p_value(place.p)
        name = element("th", f"{rank}. {place.entry.name}", scope="row")
        rows.append(
            [name, cell(shown), cell(drawn if known else "–", None), cell(gap), cell(p), cell(_verdict(place, _), None)]
        )
    head = ["", metric_name(board.metric, _), "", _("behind the best"), "p", ""]
    return figure(_("the best first; intervals (95 %)"), table(list(head), rows, class_="scores"))


def _gap(place: Place) -> Html:
    assert place.behind is not None
    span = element("span", between(place.behind.to_plain(), signed), class_="interval")
    return together(element("b", signed(place.behind.value)), " ", span)


def _settings(board: Board, _: Callable[[str], str]) -> Html:
    if not board.differing:
        return Html()
    head: list[object] = ["", *(f"{rank}." for rank, _place in enumerate(board.places, start=1))]
    rows: list[list[object]] = [
        [element("th", name, scope="row"), *(element("td", _setting(place, name)) for place in board.places)]
        for name in board.differing
    ]
    return figure(_("what they were made with, as far as it differs"), table(head, rows))
