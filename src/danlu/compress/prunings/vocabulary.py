"""Rows of the tables of words that the data never use (Abdaoui et al., 2020)."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from danlu.compress.pruning import Pruned, Pruning, Subject
from danlu.compress.smaller import shrinking, smaller
from danlu.model.positions import counts_from_padding, longest_row
from danlu.refusal import Refusal
from danlu.task.numbered import numbers_in, renumbered
from danlu.task.put import tokens_asked
from danlu.text.batching.encoded import Encoded, tokens_read
from danlu.text.tokenizing.narrowed import narrowed
from danlu.text.tokenizing.tokenizer import Tokenizer

ROOM = 2**20  # tokens a row that several records share may have
_SUPPRESSED, _BAD_WORDS = ("suppress_tokens", "begin_suppress_tokens"), "bad_words_ids"  # never written, so they may go


class Vocabulary(Pruning):
    """Tokens that stand in none of the records, with their rows and, where the model writes, their logits.

    Texts like those of the data are read as before; what has no token any more is read in smaller pieces or as
    unknown.
    """

    moves_answers: ClassVar[bool] = False
    cuts_otherwise: ClassVar[bool] = True

    least: int = Field(default=1, ge=1, description="times that a token stands in the records, at least")

    def pruned(self, subject: Subject) -> Pruned:
        """See `Pruning.pruned`.

        Raises:
            Refusal: there are no records; the tokenizer or the network cannot do with fewer tokens, or all are used.
        """
        model, fresh = subject.model, copy.deepcopy(subject.tokenizer)
        if not subject.records:
            raise Refusal("vocabulary: which words are used is found in records, and there are none; give data")
        before, narrow = int(model.config.vocab_size), copy.deepcopy(fresh)
        named = _token_ids(model.config.to_dict())
        encoded = _encoded(subject, fresh)
        counts_V = _counts(encoded, max(before, len(fresh)))
        used = {*np.flatnonzero(counts_V >= self.least).tolist(), *(each for ids in named.values() for each in ids)}
        used |= numbers_in(subject.task, fresh, before) | tokens_asked(encoded)
        if counts_from_padding(model):  # positions are counted from the number of the padding token on
            used |= set(range(int(model.config.pad_token_id) + 1))
        left = narrowed(narrow, {number for number in used if number < len(fresh)})
        if len(left) >= before:
            raise Refusal(f"vocabulary: the records use all {before:,} tokens, so nothing can go")
        moved = {number: place for place, number in enumerate(left)}
        task = renumbered(subject.task, moved)
        if self.least == 1:
            _refuse_other_cuts(_encoded(replace(subject, task=task), copy.deepcopy(narrow)), encoded, left)
        settings = {"vocab_size": len(left)} | _renumbered(model.config.to_dict(), moved)
        sides = shrinking(model, settings)
        if not sides:
            raise Refusal(
                f"vocabulary: a network of the family '{model.config.model_type}' has no table that follows "
                "'vocab_size', so no rows can go"
            )
        made = smaller(model, settings, {name: dict.fromkeys(each, left) for name, each in sides.items()})
        writing = getattr(made, "generation_config", None)
        for name, value in _renumbered({} if writing is None else writing.to_dict(), moved).items():
            setattr(writing, name, value)
        return Pruned(made, narrow, {"kind": self.kind, "before": before, "after": len(left)}, task)


def _encoded(subject: Subject, tokenizer: Tokenizer) -> list[Encoded]:
    rows = subject.task.learnable(list(subject.records), tokenizer, longest_row(subject.model), ROOM)
    return list(rows)


def _counts(encoded: Sequence[Encoded], size: int) -> NDArray[np.int64]:
    """How often each token is read or written, (V,)."""
    counts = np.zeros(size, np.int64)
    written = (item.target_ids for item in encoded if item.target_ids is not None)
    for ids in (*tokens_read(encoded), *written):
        np.add.at(counts, np.asarray(ids, np.int64), 1)
    return counts


def _refuse_other_cuts(after: Sequence[Encoded], before: Sequence[Encoded], left: Sequence[int]) -> None:
    """Refuse a tokenizer that cuts a record in another way than before; each token is known by its earlier number."""
    earlier = np.array(left, np.int64)
    for one, other in zip(before, after, strict=True):
        for row, narrow in zip(one.rows, other.rows, strict=True):
            if not np.array_equal(row.input_ids, earlier[narrow.input_ids]):
                raise Refusal(
                    f"vocabulary: with fewer tokens record {one.record + 1:,} is cut in another way, so answers would "
                    "change; leave the vocabulary as it is"
                )


def _token_ids(settings: Mapping[str, Any]) -> dict[str, list[int]]:
    """The settings that name tokens, with their numbers."""
    found = {}
    for name, value in settings.items():
        numbers = value if isinstance(value, list) else [value]
        known = name.endswith("_token_id") and all(isinstance(each, int) and each >= 0 for each in numbers)
        if known and numbers:
            found[name] = numbers
    return found


def _renumbered(settings: Mapping[str, Any], moved: Mapping[int, int]) -> dict[str, Any]:
    """The settings that name tokens, with what these are called now; a token that is gone is named no more."""
    found: dict[str, Any] = {}
    for name, numbers in _token_ids(settings).items():
        places = [moved[number] for number in numbers if number in moved]
        found[name] = places if isinstance(settings[name], list) else next(iter(places), None)
    for name in _SUPPRESSED:
        if suppressed := settings.get(name):
            found[name] = [moved[number] for number in suppressed if number in moved] or None
    if words := settings.get(_BAD_WORDS):
        found[_BAD_WORDS] = [[moved[number] for number in word] for word in words if set(word) <= set(moved)] or None
    return found
