"""How often the next line is right to the letter, in files that a model has not learnt from.

Beside it stands the line that followed the most similar lines of the files that it has learnt from. A line counts as
right where all its characters are, its indentation aside.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from danlu.apps.code.completion import TOKENS, Place, asked, fills
from danlu.apps.code.context import Parts
from danlu.apps.code.learn import Split
from danlu.apps.code.repository import Source
from danlu.bundle.answering import Answering
from danlu.data.record import Record
from danlu.evaluate.classical.baselines.nearest import Nearest
from danlu.evaluate.scoring.score import score
from danlu.machine.seed import generator
from danlu.refusal import Refusal
from danlu.task.tasks.rewrite import Rewrite

LIKE = 160
"""Characters that are compared to find the most similar place."""
KNOWN = 20_000
"""Places among which it is sought."""
_LEAST = 3
"""Letters of a line, below which it is a bracket."""


@dataclass(frozen=True)
class Line:
    """A line to be written, and where."""

    place: Place
    right: str


def lines_of(files: Sequence[Source], count: int, seed: int) -> list[Line]:
    """Lines drawn from all of some files that are no comments and say something."""
    found: list[tuple[Source, int, int]] = []
    for file in files:
        start = 0
        for line in file.text.splitlines(keepends=True):
            bare = line.strip()
            if start and sum(sign.isalnum() for sign in bare) >= _LEAST and not bare.startswith(("#", "//", "*", "/*")):
                found.append((file, start, start + len(line)))
            start += len(line)
    order = generator("lines", seed).permutation(len(found))[:count]
    chosen = [found[number] for number in sorted(order.tolist())]
    return [
        Line(Place(file.text[: start - 1] + "\n", _behind(file.text, end), file.path), file.text[start:end].strip())
        for file, start, end in chosen
    ]


def measured(
    bundles: Sequence[tuple[str, Answering]],
    sides: Split,
    count: int,
    seed: int = 0,
    say: Callable[[str], object] = print,
) -> dict[str, dict[str, Any]]:
    """Shares of lines that are right with 95 % intervals, by who wrote them and what was read.

    Raises:
        Refusal: the files that are held out have no line to write.
    """
    asked_for, known = lines_of(sides.held_out, count, seed), lines_of(sides.learnt, KNOWN, seed)
    if not asked_for:
        raise Refusal("the files that are held out have no lines to write; give a larger repository")
    parts = Parts([*sides.learnt, *sides.held_out])
    truths = [{"text": line.place.before[-LIKE:], "target": line.right} for line in asked_for]
    train = [{"text": line.place.before[-LIKE:], "target": line.right} for line in known]
    task = Rewrite()
    nearest = Nearest().fit_predict(task, train, truths)
    found = {"most similar place": _scored(truths, nearest)}
    for name, bundle in bundles:
        ways: dict[str, tuple[bool, Parts | None]] = {"before": (False, None)}
        if fills(bundle.tokenizer):
            ways |= {"before and behind": (True, None), "before, behind and another file": (True, parts)}
        for way, (behind, others) in ways.items():
            say(f"{name}: {len(asked_for):,} lines, reading {way}")
            written = _next_lines(bundle, asked_for, others, behind=behind)
            found[f"{name}, reading {way}"] = _scored(truths, [{"text": line} for line in written])
    return found


def _next_lines(bundle: Answering, lines: Sequence[Line], parts: Parts | None, *, behind: bool) -> list[str]:
    limit = bundle.network.limit
    records = []
    for line in lines:
        # a line break is as a rule one token with the indentation behind it, so one that goes on writes it itself
        alone = Place(line.place.before.removesuffix("\n"), None, line.place.path)
        records.append(asked(line.place if behind else alone, parts, bundle.tokenizer, limit))
    policy = {"kind": "greedy", "max_new_tokens": min(TOKENS, limit // 2)}
    return [_first_line(texts[0].text) for texts in bundle.generate(records, policy)]


def _scored(truths: Sequence[Record], said: Sequence[dict[str, Any]]) -> dict[str, Any]:
    plain = score(Rewrite(), truths, said, metrics=["verbatim"]).to_plain()
    told: dict[str, Any] = plain["metrics"]["verbatim"]
    return told


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].strip()


def _behind(text: str, end: int) -> str:
    return text[end - 1 :] if end <= len(text) and text[end - 1 : end] == "\n" else text[end:]
