"""Which answers two evaluations of the same records differ in: those that were put right, and those that broke."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import binom

from danlu.answer.answer import Answer
from danlu.evaluate.scoring.examine import ANSWERS, ERRORS, digest, read_lines
from danlu.refusal import Refusal
from danlu.task.entities import shown_text


@dataclass(frozen=True)
class Change:
    """A record, its number from 1, whose answer became right or wrong; truth and answers are for people.

    - `text`: None where neither evaluation kept it among its worst errors.
    """

    number: int
    truth: Any
    first: Any
    second: Any
    text: str | None


@dataclass(frozen=True)
class Changes:
    """Answers that are right in the second evaluation alone (`fixed`), or in the first alone (`broken`)."""

    fixed: list[Change]
    broken: list[Change]

    @property
    def p(self) -> float:
        """See `mcnemar`."""
        return mcnemar(len(self.fixed), len(self.broken))


def mcnemar(fixed: int, broken: int) -> float:
    """How often as uneven a split, either way, would be drawn if both were equally good (McNemar, 1947).

    By the binomial law, of which the case itself counts half (mid-p: Fagerland, Lydersen and Laake, 2013): without that
    the exact test of few changes finds far fewer differences than it says.
    """
    count, fewer = fixed + broken, min(fixed, broken)
    if fixed == broken:
        return 1.0
    return float(2 * binom.cdf(fewer, count, 0.5) - binom.pmf(fewer, count, 0.5))


def changes(first: Path, second: Path, form: Answer) -> Changes | None:
    """What changed between the evaluations in two folders; None where answers are neither right nor wrong.

    Their `answers.jsonl` must be of the same records in the same order.
    """
    if not form.right_or_wrong:
        return None
    sides = (read_lines(folder / ANSWERS) for folder in (first, second))
    found: dict[bool, list[tuple[int, str, Any, Any, Any]]] = {True: [], False: []}
    for number, (one, two) in enumerate(zip(*sides, strict=True), start=1):
        truth, before, own, after = map(form.read, (one["gold"], one["answer"], two["gold"], two["answer"]))
        was, is_now = form.right(truth, before), form.right(own, after)  # models may spell labels differently
        if was != is_now:
            found[is_now].append((number, one["digest"], *map(form.told, (truth, before, after))))
    texts = _texts(first, {row for _, row, *_ in found[True]}) | _texts(second, {row for _, row, *_ in found[False]})
    fixed, broken = (
        [Change(number, truth, before, after, texts.get(row)) for number, row, truth, before, after in found[which]]
        for which in (True, False)
    )
    return Changes(fixed, broken)


def _texts(folder: Path, wanted: set[str]) -> dict[str, str]:
    """The texts of records by their digest, as far as the worst errors hold them."""
    return dict(_kept(folder, wanted))


def _kept(folder: Path, wanted: set[str]) -> Iterator[tuple[str, str]]:
    for error in read_lines(folder / ERRORS) if wanted else ():
        row = digest(error["record"])
        if row in wanted:
            try:
                yield row, shown_text(error["record"])
            except Refusal:  # a record without a text has none to show
                continue
