"""Attention as drawings: a small one of each head, and large ones of which the reader chooses one, without a script.

L layers, H heads, T tokens.
"""

from collections.abc import Sequence
from itertools import groupby
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from danlu.evaluate.pages.markup import Html, element, together

LEVELS = 5
MOST = 48
"""Tokens that are drawn."""

_SMALL, _CELL, _ROOM = 64, 14, 92  # pixels of a small drawing, of a cell of a large one, and of the names beside it


def heads(
    attention_LHTT: NDArray[np.float32],
    tokens: Sequence[str],
    chosen: tuple[int, int],
    name: str,
    words: tuple[str, str],
) -> Html:
    """The grid of layers by heads, each of which leads to its large drawing; `chosen` is shown at first.

    `name` is part of the addresses within the page, `words` are those for a layer and a head.
    """
    shown = list(tokens[:MOST])
    layers, count = attention_LHTT.shape[:2]
    symbols, rows, large = [], [], []
    for number in range(layers):
        cells = []
        for head in range(count):
            mark = f"{name}-{number + 1}-{head + 1}"
            cells_TT = attention_LHTT[number, head, :MOST, :MOST]
            symbols.append(
                element("symbol", *_levels(cells_TT), id=f"m-{mark}", viewBox=f"0 0 {len(shown)} {len(shown)}")
            )
            picture = element(
                "svg",
                element("title", f"{number + 1}.{head + 1}"),
                element("use", href=f"#m-{mark}"),
                viewBox=f"0 0 {len(shown)} {len(shown)}",
                width=_SMALL,
                height=_SMALL,
            )
            cells.append(element("td", element("a", picture, href=f"#{mark}")))
            first = " first" if (number, head) == chosen else ""
            large.append(
                element(
                    "figure", _caption(number, head, words), _large(mark, shown, name), id=mark, class_=f"head{first}"
                )
            )
        rows.append(element("tr", element("th", f"{words[0]} {number + 1}", scope="row"), *cells))
    top = element("tr", element("th", ""), *(element("th", str(head + 1), scope="col") for head in range(count)))
    grid = element("table", element("thead", top), element("tbody", *rows), class_="grid-of-heads")
    hidden = element("svg", *symbols, _names(shown, name), class_="symbols", width=0, height=0, aria_hidden="true")
    return together(hidden, element("div", grid, class_="wide"), element("div", *large, class_="heads"))


def _caption(layer: int, head: int, words: tuple[str, str]) -> Html:
    return element("figcaption", f"{words[0]} {layer + 1}, {words[1]} {head + 1}")


def _levels(cells_TT: NDArray[np.float32]) -> list[Html]:
    """The cells of a head as one path for each of a few strengths, runs of a row joined; what is faint is left out."""
    paths: dict[int, list[str]] = {}
    for row, values in enumerate(cells_TT.tolist()):
        place = 0
        for level, run in groupby(round(LEVELS * sqrt(max(0.0, value))) for value in values):
            length = len(list(run))
            if level:
                paths.setdefault(level, []).append(f"M{place} {row}h{length}v1h-{length}z")
            place += length
    return [element("path", d="".join(pieces), class_=f"a{level}") for level, pieces in sorted(paths.items())]


def _large(mark: str, tokens: Sequence[str], name: str) -> Html:
    size = _ROOM + _CELL * len(tokens)
    return element(
        "svg",
        element("use", href=f"#n-{name}"),
        element("use", href=f"#m-{mark}", x=_ROOM, y=_ROOM, width=_CELL * len(tokens), height=_CELL * len(tokens)),
        viewBox=f"0 0 {size} {size}",
        width=size,
        height=size,
        class_="attention",
        role="img",
    )


def _names(tokens: Sequence[str], name: str) -> Html:
    """The tokens beside the rows, from which is looked, and above the columns, which are looked at."""
    pieces = []
    for place, token in enumerate(tokens):
        middle = _ROOM + _CELL * (place + 0.75)
        short = token if len(token) <= 12 else f"{token[:11]}…"
        pieces.append(element("text", short, x=_ROOM - 5, y=f"{middle:.1f}", text_anchor="end", class_="token-name"))
        turned = f"rotate(-90 {middle:.1f} {_ROOM - 5})"
        pieces.append(element("text", short, x=f"{middle:.1f}", y=_ROOM - 5, transform=turned, class_="token-name"))
    return element("g", *pieces, id=f"n-{name}")
