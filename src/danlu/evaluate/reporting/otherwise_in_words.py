"""What came of records that were asked otherwise, as lines of a terminal."""

from collections.abc import Callable
from typing import Any

from danlu.evaluate.perturbing.perturbation import Perturbation
from danlu.evaluate.reporting.wording import between, in_columns, metric_name, number, signed
from danlu.evaluate.scoring.fairness import SWAPPED
from danlu.evaluate.scoring.robustness import UNDER
from danlu.language import translator
from danlu.recipe.part import find, kinds

PAIRS = 10  # of terms that are told in a terminal


def otherwise_in_words(scores: dict[str, Any], language: str) -> list[str]:
    """What a `scores.json` holds of changes and of swapped terms; nothing where there is neither."""
    _ = translator(language)
    lines = ["", *_under(scores[UNDER], _)] if scores.get(UNDER) else []
    return lines + (["", *_swapped(scores[SWAPPED], _)] if SWAPPED in scores else [])


def change_name(told: dict[str, Any], _: Callable[[str], str]) -> str:
    """A change as people call it, with its settings."""
    names = {
        "typos": _("typing errors"),
        "homophones": _("homophones"),
        "case": _("small letters and capitals"),
        "width": _("width of letters"),
        "script": _("traditional and simplified"),
        "punctuation": _("punctuation"),
        "augmented": _("said otherwise"),
    }
    said = ", ".join(f"{name} {_setting(value)}" for name, value in told["settings"].items() if _is_told(told, name))
    kind = str(told["kind"])
    return names.get(kind, kind) + (f" ({said})" if said else "")


def counted(told: dict[str, Any], _: Callable[[str], str]) -> str:
    """How many of the records a change has changed."""
    return _("{changed:,} of {all:,}").format(changed=told["changed"], all=told["records"])


def _is_told(told: dict[str, Any], name: str) -> bool:
    """How much and into what is always told, other settings where somebody has chosen them."""
    known = told["kind"] in kinds(Perturbation)
    fields = find(Perturbation, told["kind"]).model_fields if known else {}  # type: ignore[type-abstract]
    usual = fields[name].default if name in fields else None
    given = told["settings"][name]
    return name in ("share", "to") or given != (list(usual) if isinstance(usual, tuple) else usual)


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("kind", "…"))
    return "/".join(map(str, value)) if isinstance(value, list) else str(value)


def _under(under: list[dict[str, Any]], _: Callable[[str], str]) -> list[str]:
    told = [each for each in under if each["changed"]]
    lines = []
    if told:
        head = [_("asked otherwise"), _("changed"), _("other answers"), "", _("value"), _("difference")]
        rows = [[*head, _("interval (95 %)")]]
        for each in told:
            other = each["answers_changed"]
            first = [change_name(each, _), counted(each, _), f"{other['value']:.1%}" if other else "–"]
            for name, measured in each["metrics"].items():
                gap = each["difference"][name]
                cells = [metric_name(name, _), number(measured["value"]), signed(gap["value"]), between(gap, signed)]
                rows.append([*first, *cells])
                first = ["", "", ""]
        lines += in_columns(rows)
    for each in under:
        if not each["changed"]:
            lines.append(nothing_changed(each, _))
    return lines


def nothing_changed(told: dict[str, Any], _: Callable[[str], str]) -> str:
    """That a change has found nothing that it could change."""
    said = _("{change}: changes none of the {all:,} records, so it says nothing of them")
    return said.format(change=change_name(told, _), all=told["records"])


def terms_told(swapped: dict[str, Any], _: Callable[[str], str]) -> list[str]:
    """How many records hold a term, and how many answers change with it."""
    if not swapped["asked"]:
        none = _("none of the {all:,} records holds one of the terms as a whole word")
        return [none.format(all=swapped["records"])]
    said = _("{some:,} of {all:,} records hold a term; with another one in its place they were asked {asked:,} times")
    told = said.format(some=swapped["with_terms"], all=swapped["records"], asked=swapped["asked"])
    if not swapped["answers_changed"]:
        return [told]
    other = swapped["answers_changed"]
    share = _("{share:.1%} of the answers are other ones then ({low:.1%} – {high:.1%})")
    return [told, share.format(share=other["value"], low=other["low"], high=other["high"])]


def _swapped(swapped: dict[str, Any], _: Callable[[str], str]) -> list[str]:
    lines = terms_told(swapped, _)
    if not swapped["asked"]:
        return lines
    rows = [[_("group"), _("term"), _("cases"), _("mean score"), _("from the mean of the group"), _("interval (95 %)")]]
    for group, told in swapped["groups"].items():
        for term, each in told["terms"].items():
            gap = each["difference"]
            rows.append(
                [group, term, f"{told['cases']:,}", number(each["score"]), signed(gap["value"]), between(gap, signed)]
            )
    lines += in_columns(rows)
    worst = swapped["worst"][:PAIRS]
    if worst:
        rows = [[_("the most changed"), "", _("cases"), _("other answers"), _("interval (95 %)")]]
        for pair in worst:
            share = pair["changed"]
            interval = f"{share['low']:.1%} – {share['high']:.1%}"
            rows.append(
                [
                    f"{pair['from']} → {pair['to']}",
                    pair["group"],
                    f"{pair['cases']:,}",
                    f"{share['value']:.1%}",
                    interval,
                ]
            )
        lines += in_columns(rows)
    return lines
