"""The worst errors, with what the model said and what is true."""

from collections.abc import Callable, Sequence
from typing import Any

from danlu.data.record import Record
from danlu.evaluate.pages.markup import Html, cell, element, figure, table, together
from danlu.task.entities import read_text

SHOWN = 20  # errors
LONGEST = 400  # characters of a text

Spans = Sequence[dict[str, Any]]


def errors(found: Sequence[dict[str, Any]], _: Callable[[str], str]) -> Html:
    """The first errors of an `errors.jsonl`; nothing if there are none."""
    if not found:
        return Html()
    head: list[object]
    rows: list[list[object]]
    first = found[0]["gold"]
    if isinstance(first, str):
        said = _("the errors of which the model was surest")
        head = [_("text"), _("truth"), _("answer"), _("sure")]
        rows = [_labelled(error) for error in found[:SHOWN]]
    elif "entities" in found[0]["prediction"]:
        said = _("the texts with most entities wrongly found or missed")
        head = [_("truth, then answer; what the two do not share is filled in"), _("wrong")]
        rows = [_marked(error) for error in found[:SHOWN]]
    else:
        said = _("the texts that the model expected least")
        head = [_("text"), _("nats a token")]
        rows = [[_text(error["record"]), cell(f"{error['confidence']:.2f}")] for error in found[:SHOWN]]
    more = _("; the first {shown} of {count}, all in errors.jsonl").format(shown=SHOWN, count=len(found))
    return figure(said + (more if len(found) > SHOWN else ""), table(head, rows, class_="errors"))


def _labelled(error: dict[str, Any]) -> list[object]:
    return [
        _text(error["record"]),
        cell(error["gold"], "label"),
        cell(error["prediction"].get("label", ""), "label ours"),
        cell(f"{error['confidence']:.0%}"),
    ]


def _marked(error: dict[str, Any]) -> list[object]:
    text = read_text(error["record"], 0)
    gold, found = error["gold"], error["prediction"]["entities"]
    rows = together(
        element("p", with_marks(text, gold, found), dir="auto"), element("p", with_marks(text, found, gold), dir="auto")
    )
    return [element("td", rows, class_="text"), cell(f"{error.get('wrong', 0):,}")]


def with_marks(text: str, spans: Spans, others: Spans) -> Html:
    """The text with its spans marked; those that the others do not hold stand out."""
    shared = {_key(span) for span in others}
    pieces: list[object] = []
    end = 0
    for span in sorted(spans, key=_key):
        if span["start"] < end or span["start"] >= LONGEST:
            continue
        pieces.append(text[end : span["start"]])
        class_ = "shared" if _key(span) in shared else "apart"
        label = element("small", span["label"])
        pieces.append(element("mark", text[span["start"] : span["end"]], label, class_=class_))
        end = span["end"]
    return together(*pieces, _cut(text[end : max(end, LONGEST)], len(text) > max(end, LONGEST)))


def _text(record: Record) -> Html:
    text = read_text(record, 0)
    return element("td", _cut(text[:LONGEST], len(text) > LONGEST), class_="text", dir="auto")


def _cut(text: str, cut: bool) -> str:
    return f"{text} …" if cut else text


def _key(span: dict[str, Any]) -> tuple[int, int, str]:
    return span["start"], span["end"], span["label"]
