"""The same records asked otherwise: how much each change costs, and what swapped terms do to the answers."""

from collections.abc import Callable
from typing import Any

from danlu.evaluate.pages.markup import Html, cell, element, figure, table, together
from danlu.evaluate.reporting.otherwise_in_words import change_name, counted, nothing_changed, terms_told
from danlu.evaluate.reporting.wording import between, metric_name, number, signed
from danlu.evaluate.scoring.fairness import SWAPPED
from danlu.evaluate.scoring.robustness import UNDER


def otherwise_section(scores: dict[str, Any], _: Callable[[str], str]) -> Html:
    """What a `scores.json` tells of it; nothing where it tells nothing."""
    return together(
        _under(scores[UNDER], _) if scores.get(UNDER) else Html(),
        _swapped(scores[SWAPPED], _) if SWAPPED in scores else Html(),
    )


def _under(under: list[dict[str, Any]], _: Callable[[str], str]) -> Html:
    rows: list[list[object]] = []
    for each in under:
        if not each["changed"]:
            continue
        other = each["answers_changed"]
        share = _share(other) if other else cell("–")
        first: list[object] = [element("th", change_name(each, _), scope="row"), cell(counted(each, _)), share]
        for name, measured in each["metrics"].items():
            gap = each["difference"][name]
            rows.append([*first, metric_name(name, _), cell(number(measured["value"])), _gap(gap)])
            first = ["", "", ""]
    head: list[object] = [_("asked otherwise"), _("changed"), _("other answers"), "", _("value"), _("difference")]
    said = _("the same records asked otherwise; differences with their interval (95 %), record by record")
    notes = [element("p", nothing_changed(each, _), class_="quiet") for each in under if not each["changed"]]
    return figure(said, *([table(head, rows)] if rows else []), *notes)


def _swapped(swapped: dict[str, Any], _: Callable[[str], str]) -> Html:
    told = together(*(element("p", line) for line in terms_told(swapped, _)))
    if not swapped["asked"]:
        return figure(_("terms swapped for others of their group"), told)
    rows: list[list[object]] = []
    for group, each in swapped["groups"].items():
        for term, of_term in each["terms"].items():
            name = element("th", term, scope="row", dir="auto")
            cells = [cell(f"{each['cases']:,}"), cell(number(of_term["score"])), _gap(of_term["difference"])]
            rows.append([group, name, *cells])
    head: list[object] = [_("group"), _("term"), _("cases"), _("mean score"), _("from the mean of the group")]
    shown = [told, table(head, rows)]
    if swapped["worst"]:
        pairs: list[list[object]] = [
            [
                element("th", f"{pair['from']} → {pair['to']}", scope="row", dir="auto"),
                pair["group"],
                cell(f"{pair['cases']:,}"),
                _share(pair["changed"]),
            ]
            for pair in swapped["worst"]
        ]
        shown.append(table([_("the most changed"), _("group"), _("cases"), _("other answers")], pairs))
    if swapped["examples"]:
        shown.append(_examples(swapped["examples"], _))
    return figure(_("terms swapped for others of their group"), *shown)


def _examples(examples: list[dict[str, Any]], _: Callable[[str], str]) -> Html:
    rows: list[list[object]] = [
        [
            f"{each['from']} → {each['to']}",
            element("td", _text(each["asked"]), class_="text", dir="auto"),
            str(each["before"]),
            str(each["after"]),
        ]
        for each in examples
    ]
    head: list[object] = [_("swapped"), _("asked"), _("answer before"), _("answer after")]
    return element("details", element("summary", _("records whose answer changed")), table(head, rows))


def _text(record: dict[str, Any]) -> str:
    return "\n".join(
        value for name in ("text", "context", "question", "text_pair") if isinstance(value := record.get(name), str)
    )


def _share(share: dict[str, Any]) -> Html:
    span = element("span", f"{share['low']:.1%} – {share['high']:.1%}", class_="interval")
    return cell(together(element("b", f"{share['value']:.1%}"), " ", span))


def _gap(gap: dict[str, Any]) -> Html:
    span = element("span", between(gap, signed), class_="interval")
    return cell(together(element("b", signed(gap["value"])), " ", span))
