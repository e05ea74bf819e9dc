"""Drawings as inline SVG: text stays text, colours come from the page's style sheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import ceil, floor, isfinite, log10

from danlu.evaluate.pages.markup import Html, element

WIDTH, HEIGHT = 460, 230  # units of the drawing; the page scales it
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 30
POINTS = 300  # of a line at most

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A line of a chart: its points, its class in the style sheet, its name in the legend if it has one."""

    points: Sequence[Point]
    class_: str
    name: str | None = None
    dots: bool = False


def line_chart(lines: Sequence[Line], x_name: str, title: str) -> Html | None:
    """Lines over a common axis of whole numbers; None if there is nothing finite to draw."""
    drawn = [(line, [point for point in line.points if isfinite(point[0]) and isfinite(point[1])]) for line in lines]
    every = [point for _, points in drawn for point in points]
    if not every:
        return None
    low, high = min(x for x, _ in every), max(x for x, _ in every)
    x_ticks = [tick for tick in ticks(low, high) if low <= tick <= high and tick == round(tick)]
    y_ticks = ticks(min(y for _, y in every), max(y for _, y in every))
    alone = float(low == high)  # a single step stands in the middle
    across = Scale(low - alone, high + alone, LEFT, WIDTH - RIGHT)
    up = Scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    pieces = axes([low] if alone else x_ticks, y_ticks, across, up, x_name)
    for line, points in drawn:
        placed = [(across(x), up(y)) for x, y in thinned(points)]
        pieces.append(element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in placed), class_=line.class_))
        if line.dots or len(placed) == 1:
            for (x, y), (step, value) in zip(placed, thinned(points), strict=True):
                said = element("title", f"{x_name} {step:,.0f}: {value:.4g}")
                pieces.append(element("circle", said, cx=f"{x:.1f}", cy=f"{y:.1f}", r=2.6, class_=line.class_))
    return drawing(title, pieces)


def histogram(edges: Sequence[float], counts: Sequence[int], x_name: str, title: str) -> Html | None:
    """Bars between neighbouring edges; None if nothing is counted."""
    if len(edges) != len(counts) + 1 or not counts or max(counts) <= 0:
        return None
    across = Scale(edges[0], edges[-1], LEFT, WIDTH - RIGHT)
    y_ticks = ticks(0, max(counts))
    up = Scale(0, y_ticks[-1], HEIGHT - BOTTOM, TOP)
    x_ticks = [tick for tick in ticks(edges[0], edges[-1]) if tick <= edges[-1]]
    pieces = axes(x_ticks, [tick for tick in y_ticks if tick == round(tick)], across, up, x_name)
    for (low, high), count in zip(pairwise(edges), counts, strict=True):
        pieces.append(
            element(
                "rect",
                element("title", f"{low:,.0f}–{high:,.0f}: {count:,}"),
                x=f"{across(low) + 0.5:.1f}",
                width=f"{max(1.0, across(high) - across(low) - 1):.1f}",
                y=f"{up(count):.1f}",
                height=f"{up(0) - up(count):.1f}",
                class_="bar",
            )
        )
    return drawing(title, pieces)


def intervals(rows: Sequence[tuple[float, float, float, str]], low: float, high: float, title: str) -> Html:
    """Values with their intervals above each other on one scale: `(value, low, high, class)` each."""
    wide, tall = 170, 12 * len(rows) + 4
    across = Scale(low, high, 6, wide - 6)
    pieces: list[Html] = [element("title", title)]
    for place, (value, left, right, class_) in enumerate(rows):
        y = 8 + 12 * place
        pieces.append(element("line", x1=6, x2=wide - 6, y1=y, y2=y, class_="grid"))
        pieces.append(element("line", x1=f"{across(left):.1f}", x2=f"{across(right):.1f}", y1=y, y2=y, class_=class_))
        pieces.append(element("circle", cx=f"{across(value):.1f}", cy=y, r=3.4, class_=class_))
    return element("svg", *pieces, viewBox=f"0 0 {wide} {tall}", class_="intervals", role="img", width=wide)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`, at most `most` and two more."""
    if high <= low:
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / (most - 1)
    unit = 10.0 ** floor(log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * 0.999)
    return [number * step for number in range(floor(low / step + 1e-9), ceil(high / step - 1e-9) + 1)]


def thinned(points: Sequence[Point], most: int = POINTS) -> list[Point]:
    """At most `most` points: means of neighbours where there are more."""
    if len(points) <= most:
        return list(points)
    borders = [round(place * len(points) / most) for place in range(most + 1)]
    groups = [points[low:high] for low, high in pairwise(borders)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]


def smoothed(points: Sequence[Point], share: float = 0.05) -> list[Point]:
    """Mean over about `share` of the points around each, as many before as after, so that it does not lag."""
    kept = [point for point in points if isfinite(point[1])]
    sums = [0.0, *accumulate(y for _, y in kept)]
    reach = round(share * len(kept) / 2)
    found = []
    for place, (x, _) in enumerate(kept):
        near = min(reach, place, len(kept) - 1 - place)
        found.append((x, (sums[place + near + 1] - sums[place - near]) / (2 * near + 1)))
    return found


def short_number(value: float) -> str:
    """A number for an axis."""
    if value == 0:
        return "0"
    if abs(value) >= 10_000:
        return f"{value / 1000:,.4g}k" if abs(value) < 1e6 else f"{value / 1e6:,.4g}M"
    if abs(value) < 0.001:
        mantissa, _, power = f"{value:.3e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"
    return f"{value:,.4g}"


class Scale:
    """Where a value lies on an axis."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        """`low` lies at `start`, `high` at `end`, both in units of the drawing."""
        self.low, self.start = low, start
        self.factor = (end - start) / (high - low) if high > low else 0.0

    def __call__(self, value: float) -> float:
        """The place of a value."""
        return self.start + (value - self.low) * self.factor


def axes(x_ticks: Sequence[float], y_ticks: Sequence[float], across: Scale, up: Scale, x_name: str) -> list[Html]:
    """The grid and the numbers at it, and what is told below."""
    pieces = []
    for tick in y_ticks:
        y = f"{up(tick):.1f}"
        pieces.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        pieces.append(element("text", short_number(tick), x=LEFT - 6, y=f"{up(tick) + 3.5:.1f}", text_anchor="end"))
    for tick in x_ticks:
        place = f"{across(tick):.1f}"
        pieces.append(element("text", short_number(tick), x=place, y=HEIGHT - BOTTOM + 14, text_anchor="middle"))
    pieces.append(element("text", x_name, x=WIDTH - RIGHT, y=HEIGHT - 3, text_anchor="end", class_="axis"))
    return pieces


def drawing(title: str, pieces: Sequence[Html]) -> Html:
    """The pieces as one picture with its title for who cannot see it."""
    return element("svg", element("title", title), *pieces, viewBox=f"0 0 {WIDTH} {HEIGHT}", class_="chart", role="img")
