"""Scores in the words and columns of a terminal."""

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from danlu.language import translator

_CUT = 0.1  # share of the texts that were written, from which it is told that they did not end by themselves


def metric_name(kind: str, _: Callable[[str], str]) -> str:
    """The name of a metric as people write it; its kind where there is none. `SET/METRIC` is one of a retained set."""
    kept, _slash, kind = kind.rpartition("/")
    names = {
        "accuracy": _("Accuracy"),
        "precision": _("Precision (macro)"),
        "recall": _("Recall (macro)"),
        "macro_f1": _("F1 (macro)"),
        "micro_f1": _("F1 (micro)"),
        "ece": _("Expected calibration error"),
        "ece_equal_mass": _("Expected calibration error (bins of equal size)"),
        "brier": _("Brier score"),
        "nll": _("Negative log-likelihood (nats)"),
        "aurc": _("Area under the risk-coverage curve"),
        "entity_f1": _("Entity F1"),
        "entity_precision": _("Entity precision"),
        "entity_recall": _("Entity recall"),
        "tag_accuracy": _("Tag accuracy"),
        "perplexity": _("Perplexity"),
        "auc": _("AUC (macro)"),
        "subset_accuracy": _("Exactly right sets"),
        "hamming": _("Hamming loss"),
        "mse": _("Mean squared error"),
        "mae": _("Mean absolute error"),
        "pearson": "Pearson",
        "spearman": "Spearman",
        "bleu": "BLEU",
        "chrf": "chrF",
        "rouge1": "ROUGE-1",
        "rouge2": "ROUGE-2",
        "rougel": "ROUGE-L",
        "length_ratio": _("Length beside the truth"),
        "repetition": _("Repetition"),
        "target_script": _("Letters of the right script"),
        "preference_accuracy": _("Preferred answers that are the chosen ones"),
        "reward_margin": _("Margin of log-probabilities (nats)"),
        "exact_match": _("Exact match (English words, Chinese characters)"),
        "tool_calls": _("The same calls of tools"),
        "verbatim": _("The same to the letter"),
        "relation_macro_f1": _("Relation F1 (macro, without no relation, direction counts)"),
        "relation_micro_f1": _("Relation F1 (micro, without no relation, direction counts)"),
        "token_f1": _("F1 of the answer (English words, Chinese characters)"),
    }
    return (f"{kept}: " if kept else "") + names.get(kind, kind)


def defined_name(kind: str, measured: dict[str, Any], _: Callable[[str], str]) -> str:
    """The name of a metric with what it leaves open: a unit, a tokenizer."""
    said = measured.get("definition", "")
    said = said.replace("without a reference", _("without a reference"))
    words = (("character", _("character")), ("word", _("word")), ("1 is best", _("1 is best")))
    for word, ours in (*words, ("candidates", _("candidates"))):
        said = said.replace(word, ours)
    return metric_name(kind, _) + (f" ({said})" if said else "")


def label_metric_name(kind: str, _: Callable[[str], str]) -> str:
    """The name of a metric where it is told of one label, so that nothing is averaged over labels."""
    names = {
        "precision": _("Precision"),
        "recall": _("Recall"),
        "macro_f1": "F1",
        "micro_f1": "F1",
        "entity_f1": "F1",
        "auc": "AUC",
        "entity_precision": _("Precision"),
        "entity_recall": _("Recall"),
    }
    return names.get(kind, metric_name(kind, _))


def duration(seconds: float, _: Callable[[str], str]) -> str:
    """A time as people say it."""
    if seconds < 90:
        return _("{seconds} s").format(seconds=f"{seconds:.1f}" if 0 < seconds < 9.95 else f"{seconds:.0f}")
    if seconds < 5400:
        return _("{minutes:,.0f} min").format(minutes=seconds / 60)
    return _("{hours:,.1f} h").format(hours=seconds / 3600)


def number(value: float | None) -> str:
    """A score with three digits after the point, fewer where it is large, three that count where it is tiny."""
    if value is None:
        return "–"
    if 1e-9 < abs(value) < 0.0095:  # less is what rounding leaves of nothing
        return f"{value:.3g}"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"


def signed(value: float | None) -> str:
    """A difference with its sign."""
    return "–" if value is None else f"{'+' if value >= 0 else '−'}{number(abs(value))}"


def scores_in_words(scores: dict[str, Any], language: str) -> list[str]:
    """What a `scores.json` holds as lines of a small table."""
    _ = translator(language)
    baseline = scores.get("baseline")
    head = ["", _("value"), _("interval (95 %)")]
    if baseline:
        head += [baseline["kind"], _("difference"), _("interval (95 %)")]
    rows = [head]
    for kind, measured in scores["metrics"].items():
        row = [defined_name(kind, measured, _), number(measured["value"]), between(measured)]
        if baseline:
            gap = baseline["difference"][kind]
            row += [number(baseline["metrics"][kind]["value"]), signed(gap["value"]), between(gap, signed)]
        rows.append(row)
    told = [_("{records:,} records").format(records=scores["records"]), *in_columns(rows), *absent_in_words(scores, _)]
    return told + notes_in_words(scores, _)


def notes_in_words(scores: dict[str, Any], _: Callable[[str], str]) -> list[str]:
    """What the numbers do not tell by themselves: why some are lacking, and why an interval has no width."""
    told = []
    if scores.get("split") == "train":
        said = _(
            "these records are the training split: scores of a model that learnt it say how well it remembers, and "
            "nothing of other records"
        )
        told.append(said)
    lacking = [kind for kind, measured in scores["metrics"].items() if measured["value"] is None]
    if lacking:
        names = ", ".join(metric_name(kind, _) for kind in lacking)
        told.append(_("– : these records do not tell {names}").format(names=names))
    if scores["records"] == 1 and all(each["low"] == each["high"] for each in scores["metrics"].values()):
        told.append(_("of one record nothing can be resampled, so the intervals have no width"))
    cut = scores.get("cut") or 0
    if cut >= _CUT * scores["records"]:
        said = _(
            "{cut:,} of {records:,} answers were cut at the most tokens that they may have, and not ended by the "
            "model: 'max_new_tokens' is too small, or it was not trained long enough to end"
        )
        told.append(said.format(cut=cut, records=scores["records"]))
    if found := scores.get("alike"):
        told.append(alike_in_words(found, scores["records"], _))
    return told


def alike_in_words(found: dict[str, Any], records: int, _: Callable[[str], str]) -> str:
    """A sentence on answers that are next to the same whatever is asked."""
    if found["answers"] > 1:
        said = _("it gives {answers:,} different answers to {records:,} records of {truths:,} truths: {example}")
    elif found["example"]:
        said = _("it answers all {records:,} records alike, whatever they hold: {example}")
    else:
        said = _("it finds nothing in any of {records:,} records")
    return said.format(records=records, **found)


def absent_in_words(scores: dict[str, Any], _: Callable[[str], str]) -> list[str]:
    """A sentence on the labels that no mean over labels counts; none where all are counted."""
    absent = scores.get("absent") or []
    if not absent:
        return []
    told = _("means are over {counted} of {all} labels; neither in the truth nor in the answers: {absent}")
    names = ", ".join(absent[:20]) + (", …" if len(absent) > 20 else "")
    return [told.format(counted=len(scores["labels"]) - len(absent), all=len(scores["labels"]), absent=names)]


def between(measured: dict[str, Any], write: Callable[[float | None], str] = number) -> str:
    """The interval of a measured value."""
    return f"{write(measured['low'])} – {write(measured['high'])}"


def in_columns(rows: Sequence[Sequence[str]], *, left: bool = False) -> list[str]:
    """Rows with their cells under each other, the first column to the left, the others to the right or `left` too."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        spaces = [" " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        cells = [cell + space if left else space + cell for cell, space in zip(row, spaces, strict=True)]
        cells[0] = row[0] + " " * (widths[0] - _width(row[0]))
        lines.append("  ".join(cells).rstrip())
    return lines


def _width(text: str) -> int:
    """Columns of a terminal that a text takes: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
