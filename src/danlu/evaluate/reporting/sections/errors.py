"""The worst errors, with what the model said and what is true."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from danlu.answer.answer import Answer
from danlu.answer.shown import Cell, Piece, shortened
from danlu.evaluate.pages.markup import Html, cell, element, figure, table, together
from danlu.task.entities import shown_text

SHOWN = 20  # errors
LONGEST = 400  # characters of a text


def errors(lines: Iterable[dict[str, Any]], form: Answer, _: Callable[[str], str]) -> Html:
    """The first errors of an `errors.jsonl`, as the form of the answers shows them; nothing if there are none."""
    rest = iter(lines)
    found = list(islice(rest, SHOWN))
    count = len(found) + sum(1 for _line in rest)
    if not found:
        return Html()
    headings = form.headings(_)
    more = _("; the first {shown} of {count}, all in errors.jsonl").format(shown=SHOWN, count=count)
    said = headings.said + (more if count > SHOWN else "")
    return figure(said, table(list(headings.names), [_row(error, form) for error in found], class_="errors"))


def _row(error: dict[str, Any], form: Answer) -> list[object]:
    text = shown_text(error["record"])
    wrong, surely = error.get("wrong", 0), error["confidence"]
    return [drawn(shown) for shown in form.cells(text, error["gold"], error["prediction"], wrong, surely)]


def drawn(shown: Cell) -> Html:
    """A cell of an answer as markup; spans are marked, and those that the other side does not have stand out."""
    lines = [_line(pieces) for pieces in shown.lines]
    match shown.role:
        case "text":
            inside = lines if len(lines) == 1 else [element("p", line, dir="auto") for line in lines]
            return element("td", *inside, class_="text", dir="auto" if len(lines) == 1 else None)
        case "truth":
            return cell(together(*lines), "label")
        case "answer":
            return cell(together(*lines), "label ours")
        case "number":
            return cell(together(*lines))


def _line(pieces: tuple[Piece, ...]) -> Html:
    kept, cut = shortened(pieces, LONGEST)
    marks = [
        element("mark", piece.text, element("small", piece.label), class_="shared" if piece.shared else "apart")
        if piece.label
        else piece.text
        for piece in kept
    ]
    return together(*marks, " …" if cut else "")
