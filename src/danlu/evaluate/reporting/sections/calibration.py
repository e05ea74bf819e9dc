"""Whether probabilities tell how often answers are right: the reliability plot, and errors among the surest answers."""

from collections.abc import Callable
from math import sqrt
from typing import Any

from danlu.evaluate.pages.charts import Line, line_chart
from danlu.evaluate.pages.markup import Html, cell, element, facts, figure, table, together
from danlu.evaluate.pages.scatter import Dot, scatter
from danlu.evaluate.reporting.judged import outside_in_words, outside_rows
from danlu.evaluate.reporting.wording import between, number

_Z = 1.96  # of an interval of 95 %


def calibration_section(scores: dict[str, Any], _: Callable[[str], str]) -> Html:
    """Figures and drawings of what stands under `calibration`; nothing where answers have no probabilities."""
    found = scores.get("calibration")
    if not found:
        return Html()
    told = [
        (_("expected calibration error"), number(found["ece"])),
        (_("in bins of equal size"), number(found["ece_equal_mass"])),
        (_("perfect probabilities, by chance up to"), number(found["ece_by_chance"])),
        (_("Brier score"), number(found["brier"]["value"])),
        (_("negative log-likelihood (nats)"), number(found["nll"]["value"])),
    ]
    drawn = together(_reliability(found, _), _curve(found, _))
    return together(facts(told), element("div", drawn, class_="charts"), _covered(found, _))


def outside_section(scores: dict[str, Any], _: Callable[[str], str]) -> Html:
    """How well other texts are told from those of the test set; nothing where there were none."""
    found = scores.get("outside")
    if not found:
        return Html()
    head, *rows = outside_rows(found, _)
    shown: list[list[object]] = [[element("th", name, scope="row"), *map(cell, values)] for name, *values in rows]
    return figure(outside_in_words(found, _), table(list(head), shown, class_="labels"))


def _reliability(found: dict[str, Any], _: Callable[[str], str]) -> Html:
    dots = []
    for count, sure, right in found["bins"]:
        low, high = _wilson(count, right)
        said = _("{count:,} with probability {sure:.2f}: {right:.2f} came true")
        dots.append(Dot(sure, right, said.format(count=count, sure=sure, right=right), low=low, high=high))
    of = {
        "answers": _(
            "how often answers are right, by the probability they were given; on the line they would be equal"
        ),
        "labels": _("how often labels are there, by the probability they were given; on the line they would be equal"),
    }
    drawing = scatter(dots, _("probability"), of[found["of"]], line=((0.0, 0.0), (1.0, 1.0)), shares=True)
    return figure(of[found["of"]], drawing) if drawing else Html()


def _curve(found: dict[str, Any], _: Callable[[str], str]) -> Html:
    said = _("share of errors among the surest answers, by how many are answered (area {area})")
    said = said.format(area=number(found["aurc"]["value"]))
    points = [(100 * share, risk) for share, risk in found["curve"]]
    drawing = line_chart([Line(points, "ours")], _("answered (%)"), said)
    return figure(said, drawing) if drawing else Html()


def _covered(found: dict[str, Any], _: Callable[[str], str]) -> Html:
    rows: list[list[object]] = [
        [element("th", f"{float(share):.0%}", scope="row"), cell(number(each["value"])), cell(between(each))]
        for share, each in found["coverage"].items()
    ]
    said = _("how right the surest answers are, if no others were given")
    return figure(said, table([_("answered"), _("right"), _("interval (95 %)")], rows, class_="labels"))


def _wilson(count: int, share: float) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927)."""
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z * sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) / (1 + _Z**2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)
