"""What came of an examination in many subjects, as lines of a terminal."""

from typing import Any

from danlu.evaluate.reporting.wording import between, in_columns, number
from danlu.language import translator


def benchmark_in_words(plain: dict[str, Any], language: str) -> list[str]:
    """What a `benchmark.json` holds: a line a subject, and below them all together."""
    _ = translator(language)
    rows = [[_("subject"), _("questions"), _("Accuracy"), _("interval (95 %)")]]
    for name, told in plain["subjects"].items():
        accuracy = told["accuracy"]
        rows.append([name, f"{told['questions']:,}", number(accuracy["value"]), between(accuracy)])
    total = f"{plain['questions']:,}"
    for name, kind in ((_("mean of subjects (macro)"), "macro"), (_("mean of questions (micro)"), "micro")):
        rows.append([name, total, number(plain[kind]["value"]), between(plain[kind])])
    rows.append([_("who guesses"), total, number(plain["chance"]), ""])
    lines = in_columns(rows)
    if plain["fewer_examples"]:
        told = _("{count:,} questions were shown fewer examples, as the model takes no longer text")
        lines.append(told.format(count=plain["fewer_examples"]))
    return lines
