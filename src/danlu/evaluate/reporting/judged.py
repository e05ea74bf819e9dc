"""Calibration and weak slices of an evaluation in words, for a terminal and for pages."""

from collections.abc import Callable
from typing import Any

from danlu.evaluate.reporting.wording import between, in_columns, metric_name, number

FEW = 0.0005  # a p-value below is not told digit by digit


def p_value(p: float) -> str:
    """A p-value in three digits."""
    return "< 0.001" if p < FEW else f"{p:.3f}"


def slice_name(told: dict[str, Any], _: Callable[[str], str]) -> str:
    """What the records of a slice have in common."""
    kind, value = told["kind"], str(told["name"])
    match kind:
        case "column":
            return f"{told['column']} = {value}"
        case "script":
            scripts = {
                "latin": _("Latin letters"),
                "han": _("Chinese characters"),
                "kana": _("kana"),
                "hangul": _("hangul"),
                "unspaced": _("a script without spaces"),
                "other": _("other letters"),
                "none": _("no letters"),
            }
            return " + ".join(scripts.get(name, name) for name in value.split(" + "))
        case "length":
            return _("{value} characters long").format(value=value)
        case "rare":
            return _("{value} of the words are rare").format(value=value)
        case "label":
            return _("label {value}").format(value=value)
        case _:
            return _("with the word “{value}”").format(value=value)


def measure_name(slices: dict[str, Any], _: Callable[[str], str]) -> str:
    """What was compared between slices."""
    names = {"errors": _("share of errors"), "nats": _("nats a token")}
    return names.get(slices["measure"]) or metric_name(slices["measure"], _)


def weak_rows(slices: dict[str, Any], _: Callable[[str], str]) -> list[list[str]]:
    """A row a weak slice: its name, its records, its value, the interval, and p; the names of the columns first."""
    rows = [["", _("records"), measure_name(slices, _), _("interval (95 %)"), "p"]]
    for each in slices["weak"]:
        values = [f"{each['records']:,}", number(each["value"]), between(each), p_value(each["p"])]
        rows.append([slice_name(each, _), *values])
    return rows


def weak_in_words(slices: dict[str, Any], _: Callable[[str], str]) -> str:
    """How many slices were looked at, and what came of it."""
    if not slices["weak"]:
        none = _("none of {count:,} slices is weaker than the rest beyond chance")
        return none.format(count=slices["looked_at"])
    said = _(
        "weaker than the rest beyond chance, of {count:,} slices that were looked at; intervals and p account for all "
        "({measure} of all records: {value})"
    )
    value = number(slices["value"])
    return said.format(count=slices["looked_at"], measure=measure_name(slices, _), value=value)


def calibration_in_words(found: dict[str, Any], _: Callable[[str], str]) -> list[str]:
    """How well probabilities are calibrated, and how right the surest answers are."""
    error = _("expected calibration error {ece}; of perfect probabilities it would be up to {chance} by chance")
    covered = _("right among the surest: {shares}")
    shares = ", ".join(
        f"{float(share):.0%}: {number(each['value'])} ({between(each)})" for share, each in found["coverage"].items()
    )
    told = error.format(ece=number(found["ece"]), chance=number(found["ece_by_chance"]))
    return [told, covered.format(shares=shares)]


def judged_in_words(scores: dict[str, Any], _: Callable[[str], str]) -> list[str]:
    """Lines for a terminal on what a `scores.json` says of calibration and of slices."""
    told = bits_in_words(scores, _)
    if found := scores.get("calibration"):
        told += calibration_in_words(found, _)
    if slices := scores.get("slices"):
        told.append(weak_in_words(slices, _))
        told += in_columns(weak_rows(slices, _)) if slices["weak"] else []
    if found := scores.get("outside"):
        told.append(outside_in_words(found, _))
        told += in_columns(outside_rows(found, _))
    return told


def bits_in_words(scores: dict[str, Any], _: Callable[[str], str]) -> list[str]:
    """How likely texts are by their bytes, where a model tells that of every token."""
    found = scores.get("bits_per_byte")
    if not found:
        return []
    said = _("bits per byte: {value} ({interval}), over {bytes:,} bytes of UTF-8")
    return [said.format(value=number(found["value"]), interval=between(found), bytes=found["bytes"])]


def outside_in_words(found: dict[str, Any], _: Callable[[str], str]) -> str:
    """What was told apart."""
    said = _(
        "{outside:,} other texts told from {inside:,} of the test set; {shared:,} that stand in both were left out"
    )
    return said.format(**{name: found[name] for name in ("outside", "inside", "shared")})


def outside_rows(found: dict[str, Any], _: Callable[[str], str]) -> list[list[str]]:
    """A row a score that tells texts apart; the names of the columns first."""
    names = {"energy": _("energy"), "probability": _("highest probability"), "entropy": _("entropy")}
    passing = _("others that pass where 95 % pass")
    rows = [["", "AUROC", _("interval (95 %)"), passing, _("interval (95 %)")]]
    for name, told in found["scores"].items():
        area, share = told["auroc"], told["fpr95"]
        rows.append([names[name], number(area["value"]), between(area), number(share["value"]), between(share)])
    return rows
