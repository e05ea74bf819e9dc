"""What suits data of a size: the share that is held out, the vocabulary, the network, how long it learns.

They follow the recipes of `examples/` and of the quickstart, and are where to begin, not measured to be best.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from danlu.apps.guessing.calls import told_characters
from danlu.apps.guessing.look import Measured, percentile
from danlu.apps.guessing.models import Found
from danlu.data.characters.scripts import HAN, LATIN, LETTER, kinds_of
from danlu.data.characters.side_by_side import code_points
from danlu.data.cleaning.cleaner import Cleaner, Rewriter
from danlu.data.record import Record
from danlu.recipe.part import find
from danlu.task.task import Task
from danlu.task.text_to_text import TextToText

CLEANERS = ("mojibake", "html", "control", "whitespace")
"""Those that mend what nobody wants to learn, in the order in which they work."""

LARGER = {"tiny": "mini", "mini": "small", "small": "base"}
"""The next size of a fresh network: of one that others learn from."""

_CHANGED = 0.01  # of the texts that a cleaner must change to be taken
_LOOKED_AT = 500  # texts
_LONGEST = 256  # tokens of a row: attention over more costs minutes on two cores
_HEAD = 30  # characters around a message, such as <|im_start|>assistant and its end
_TALK = 512  # tokens of a conversation: what is asked next must still fit behind one that was learnt
_OF_JSON = 0.45  # tokens a character of what is told of tools, by a vocabulary of our own
_LORA = 150_000_000  # parameters from which all of them are too many to train on a processor
_SOME = 0.05  # of the letters to be written, which are Chinese
_FEW_PIECES = 2500  # with which 28,000 pairs of sentences learn to write Chinese (docs/benchmarks.md)
_PAIRS = 12  # texts a piece, where there are more of them
_WORTH = 3e6  # tokens that a language model should see at least, where it may see a small text often


@dataclass(frozen=True)
class Script:
    """Shares of the letters that are Chinese, and Latin."""

    chinese: float
    latin: float

    def tokens(self, characters: float) -> float:
        """About how many tokens some characters are."""
        return characters * (0.9 * self.chinese + 0.25 * (1 - self.chinese))


def script_of(texts: Sequence[str]) -> Script:
    """What some texts are written in."""
    kinds = kinds_of(code_points("".join(texts[:_LOOKED_AT])[: 2**20]))
    letters = np.isin(kinds, [HAN, LATIN, LETTER]).sum() or 1
    return Script(float((kinds == HAN).sum() / letters), float((kinds == LATIN).sum() / letters))


def cleaners_for(texts: Sequence[str]) -> dict[str, float]:
    """The cleaners that have something to mend, with the share of the texts that each changes."""
    some = list(texts[:_LOOKED_AT])
    found = {}
    for kind in CLEANERS:
        cleaner = find(Cleaner, kind)()
        assert isinstance(cleaner, Rewriter)
        new = cleaner.rewrite(some)
        share = sum(before != after for before, after in zip(some, new, strict=True)) / max(1, len(some))
        if share >= _CHANGED:
            found[kind] = share
        some = new
    return found


def shares(rows: int, given: Sequence[str]) -> dict[str, float]:
    """The shares of the splits that were not given: more of little data, for a handful of rows measures nothing."""
    validation, test = next(
        (pair for most, pair in ((400, (0.15, 0.2)), (20_000, (0.1, 0.1)), (500_000, (0.05, 0.05))) if rows <= most),
        (0.01, 0.01),
    )
    return {name: share for name, share in (("validation", validation), ("test", test)) if name not in given}


def task_settings(task: type[Task], found: Measured, script: Script, model: Found | None) -> dict[str, Any]:
    """How long a row may be, by the vocabulary of the model if there is one, and what becomes of longer texts."""
    characters, rate = found.percentile(0.98), model.rate if model else None
    usual = (script.tokens(characters) if rate is None else rate * characters) * 1.2 + 4
    if "messages" in task.columns:  # each has a head, and an end
        turns = percentile([_turns(record) for record in found.records], 0.98)
        usual += _HEAD * (rate or script.tokens(1)) * turns
        usual += percentile([told_characters(record) for record in found.records], 0.98) * (rate or _OF_JSON)
    least, most = 128 if task.reads_tokens else 32, _LONGEST  # short documents share a row
    if "messages" in task.columns:
        usual, least, most = 2 * usual, _TALK, 2 * _TALK
    longest = min(most, max(least, 32 * -(-int(usual) // 32)))
    stops = task.model_fields["too_long"].default == "stop"
    drops = {"target_too_long": "drop"} if "target_too_long" in task.model_fields else {}
    return {"max_length": longest} | ({"too_long": "truncate"} if stops else {}) | drops


def _turns(record: Record) -> int:
    """How many messages a conversation has."""
    turns = record.get("messages")
    return len(turns) if isinstance(turns, list) else 0


def tokenizer_for(task: type[Task], found: Measured, script: Script) -> dict[str, Any]:
    """A vocabulary learnt from the training text, a fifteenth as large as it, within bounds."""
    size = 100 * int(min(16_000 if found.characters > 3e7 else 8000, max(600, found.characters / 15)) // 100)
    if issubclass(task, TextToText) and script_of(_written(task, found)).chinese > _SOME:
        return {"kind": "bpe", "size": min(size, max(_FEW_PIECES, found.rows // _PAIRS)), "cut": "characters"}
    if architecture_for(task) != "bert":
        return {"kind": "bpe", "size": size}
    capitals = {"lowercase": False} if _tags(task) and script.latin > 0.3 else {}
    return {"kind": "wordpiece", "size": size} | capitals | ({"min_frequency": 1} if found.rows < 400 else {})


def _written(task: type[TextToText], found: Measured) -> list[str]:
    """The texts that are to be written."""
    return [str(record.get(task.target, "")) for record in found.records[:_LOOKED_AT]]


def network_for(task: type[Task], found: Measured) -> dict[str, Any]:
    """A fresh network that suits as much text."""
    size = "tiny" if found.characters < 5e6 else "mini" if found.characters < 5e7 else "small"
    network = {"kind": "scratch", "architecture": architecture_for(task), "size": size}
    return network | ({"attention": "neighbours"} if _tags(task) else {})


def architecture_for(task: type[Task]) -> str:
    """The architecture of `scratch` that has the network which the task needs."""
    known = {"AutoModelForCausalLM": "llama", "AutoModelForSeq2SeqLM": "marian"}
    return known.get(task().auto_class, "bert")


def training_for(task: type[Task], found: Measured, script: Script, model: Found | None) -> dict[str, Any]:
    """Passes over the data, rate, and tokens a batch."""
    tokens = max(1.0, script.tokens(found.characters))
    if task.reads_tokens:
        epochs = float(min(3 if model else 20, max(1, round(_WORTH / tokens))))
    else:
        few = (
            ((300, 15), (1000, 8), (5000, 4), (100_000, 3))
            if model
            else ((300, 30), (1000, 20), (5000, 10), (50_000, 5))
        )
        epochs = float(next((count for most, count in few if found.rows <= most), 1 if model else 2))
    batch = next(size for size in (256, 512, 1024, 2048) if size == 2048 or tokens / 40 < 2 * size)
    fresh = 2e-3 if _tags(task) or task.reads_tokens else 1e-3
    rate = (2e-4 if _large(model) else 5e-5) if model else fresh
    if model and task().roles:  # it has learnt to answer, and is not to go far from what it was
        rate /= 10
    return {"epochs": int(epochs), "rate": rate, "batch_tokens": batch}


def tuning_for(model: Found | None) -> dict[str, Any]:
    """LoRA where a model is too large to train whole; else nothing to say."""
    return {"kind": "lora"} if model and _large(model) else {}


def _large(model: Found) -> bool:
    return model.parameters > _LORA


def _tags(task: type[Task]) -> bool:
    return task().auto_class == "AutoModelForTokenClassification"
