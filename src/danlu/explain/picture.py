"""Explanations as one SVG file: bars of the words that matter most, in the order of the text."""

from collections.abc import Sequence

from danlu.evaluate.pages.markup import Html, element
from danlu.explain.explanation import Explanation
from danlu.explain.wording import Say, headline

MOST = 40
_WIDTH, _ROW, _NAMES, _TOP = 640, 18, 220, 34  # units of the drawing

_STYLE = """
text { font: 12px -apple-system, "Segoe UI", "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; }
text { fill: #25221d; }
text.title { font-weight: 600; font-size: 14px; } .paper { fill: #ffffff; } line { stroke: #d8d2c6; }
.for { fill: #b23a26; } .against { fill: #54728c; }
@media (prefers-color-scheme: dark) {
  text { fill: #e9e5dc; } .paper { fill: #201f1c; } line { stroke: #4a463f; }
  .for { fill: #ea7d62; } .against { fill: #8fb0cc; }
}
"""


def picture(found: Sequence[Explanation], _: Say) -> str:
    """The file."""
    pieces: list[Html] = []
    height = 0
    for told in found:
        drawn, height = _bars(told, height, _)
        pieces += drawn
    svg = element(
        "svg",
        element("style", Html(_STYLE)),
        element("rect", class_="paper", width=_WIDTH, height=height),
        *pieces,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH} {height}",
        width=_WIDTH,
        height=height,
    )
    return f"{svg}\n"


def _bars(told: Explanation, top: int, _: Say) -> tuple[list[Html], int]:
    most = max((abs(score) for score in told.scores), default=0.0) or 1.0
    largest = sorted(range(len(told.scores)), key=lambda place: -abs(told.scores[place]))[:MOST]
    middle, reach = (_NAMES + _WIDTH) / 2, (_WIDTH - _NAMES) / 2 - 56
    pieces = [element("text", headline(told, _), x=12, y=top + 22, class_="title")]
    for row, place in enumerate(sorted(largest)):
        word, score = told.words[place], told.scores[place]
        y = top + _TOP + row * _ROW
        text = told.texts[word.column][word.start : word.end]
        length = abs(score) / most * reach
        pieces += [
            element("text", text if len(text) <= 24 else f"{text[:23]}…", x=_NAMES - 8, y=y + 13, text_anchor="end"),
            element(
                "rect",
                x=f"{middle if score > 0 else middle - length:.1f}",
                y=y + 3,
                width=f"{length:.1f}",
                height=_ROW - 6,
                class_="for" if score > 0 else "against",
            ),
            element(
                "text",
                f"{score:+.3g}",
                x=f"{middle + (length + 5) * (1 if score > 0 else -1):.1f}",
                y=y + 13,
                text_anchor="start" if score > 0 else "end",
            ),
        ]
    bottom = top + _TOP + len(largest) * _ROW
    pieces.append(element("line", x1=middle, x2=middle, y1=top + _TOP, y2=bottom))
    return pieces, bottom + 14
