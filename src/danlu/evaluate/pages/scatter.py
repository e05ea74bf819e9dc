"""A cloud of dots as inline SVG, each with its name, its interval and a line over them where that is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from danlu.evaluate.pages.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Point, Scale, axes, drawing, ticks
from danlu.evaluate.pages.markup import Html, element

_ROOM = 6  # units between a dot and its name


@dataclass(frozen=True)
class Dot:
    """A dot of a chart.

    - `said`: shown where it is pointed at; `name`: written beside it; `low` and `high`: ends of its interval.
    """

    x: float
    y: float
    said: str
    name: str = ""
    class_: str = "ours"
    low: float | None = None
    high: float | None = None


def scatter(
    dots: Sequence[Dot], x_name: str, title: str, *, line: Sequence[Point] = (), log: bool = False, shares: bool = False
) -> Html | None:
    """Dots, and a line of points; with `log` the axis across has powers of ten. None if nothing is finite.

    With `shares` both axes go from 0 to 1.
    """
    shown = [dot for dot in dots if isfinite(dot.x) and isfinite(dot.y) and (dot.x > 0 or not log)]
    if not shown:
        return None
    heights = [y for dot in shown for y in (dot.low, dot.y, dot.high) if y is not None and isfinite(y)]
    heights += [y for _, y in line if isfinite(y)]
    y_ticks = ticks(0, 1) if shares else ticks(min(heights), max(heights))
    up = Scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    widths = [0.0, 1.0] if shares else [dot.x for dot in shown]
    x_ticks = _powers(widths) if log else ticks(min(widths), max(widths))
    placed = Scale(_place(x_ticks[0], log), _place(x_ticks[-1], log), LEFT, WIDTH - RIGHT)
    across = _Across(placed, log)
    pieces = axes(x_ticks, y_ticks, across, up, x_name)
    if line:
        points = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line)
        pieces.append(element("polyline", points=points, class_="theirs"))
    for dot in shown:
        x, y = across(dot.x), up(dot.y)
        if dot.low is not None and dot.high is not None:
            ends = {"y1": f"{up(dot.low):.1f}", "y2": f"{up(dot.high):.1f}"}
            pieces.append(element("line", x1=f"{x:.1f}", x2=f"{x:.1f}", **ends, class_=dot.class_))
        said = element("title", dot.said)
        pieces.append(element("circle", said, cx=f"{x:.1f}", cy=f"{y:.1f}", r=3, class_=dot.class_))
        if dot.name:
            left = x > (LEFT + WIDTH) / 2
            place = {"x": f"{x + (-_ROOM if left else _ROOM):.1f}", "y": f"{y - 3:.1f}"}
            pieces.append(element("text", dot.name, **place, text_anchor="end" if left else None))
    return drawing(title, pieces)


class _Across(Scale):
    """A scale of numbers, or of their logarithms."""

    def __init__(self, scale: Scale, log: bool) -> None:
        self.low, self.start, self.factor, self._log = scale.low, scale.start, scale.factor, log

    def __call__(self, value: float) -> float:
        """The place of a value."""
        return super().__call__(_place(value, self._log))


def _place(value: float, log: bool) -> float:
    return log10(value) if log else value


def _powers(values: Sequence[float]) -> list[float]:
    low, high = floor(log10(min(values)) + 1e-9), ceil(log10(max(values)) - 1e-9)
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]
