"""Records in the form that the training data had, and predictions said of the records as they were given."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from danlu.answer.answer import Answer
from danlu.data.characters.alignment import Alignment, back
from danlu.data.characters.word_cutting import laid_out
from danlu.data.cleaning.clean import ROUNDS
from danlu.data.cleaning.cleaner import Rewriter
from danlu.data.cleaning.rewriting import LISTS, TOKENS, rewrite_messages, rewrite_texts
from danlu.data.record import Record
from danlu.task.task import Prediction
from danlu.text.batching.align import Offsets, joined

ASKED = ("head", "tail")
"""Marks that belong to what is asked; entities and answers are what is to be found."""


def rewritten(records: list[Record], rewriters: Sequence[Rewriter]) -> list[Record]:
    """The records with their texts rewritten; one that needs no change is given back itself.

    A token of which nothing would be left stays as it is, so that there is a tag for it.
    """
    if not rewriters:
        return records
    found = _rewritten_once(records, rewriters)
    for _ in range(ROUNDS if len(rewriters) > 1 else 0):
        rows = [row for row, (before, after) in enumerate(zip(records, found, strict=True)) if before is not after]
        again = _rewritten_once([found[row] for row in rows], rewriters)
        if all(found[row] is record for row, record in zip(rows, again, strict=True)):
            break
        for row, record in zip(rows, again, strict=True):
            found[row] = record
    return found


def _rewritten_once(records: list[Record], rewriters: Sequence[Rewriter]) -> list[Record]:
    found = list(records)
    names = set[str]().union(*records)
    for rewriter in rewriters:
        rewrite_texts(found, rewriter, names, marks=ASKED)
        rewrite_messages(found, rewriter, names)
        for name in TOKENS:
            if name in names:
                _rewrite_tokens(found, rewriter, name)
    return found


def as_given(
    prediction: Prediction,
    given: Record,
    record: Record,
    rewriters: Sequence[Rewriter],
    form: Answer,
    column: str = "text",
    *,
    words_apart: bool = False,
) -> Prediction:
    """A prediction for a rewritten record, said of the text in `column` as it was given; see `Task.words_apart`."""
    if form.of_listed:
        return form.as_listed(prediction, given, _alike(given, rewriters))
    if not form.of_characters:
        return prediction
    if column in given:
        text, alignments = given[column], traced(given[column], rewriters)
    elif "tokens" in given:
        text, alignments = _tokens_aligned(joined(given["tokens"]), joined(record["tokens"]))
    else:
        lay = joined if words_apart else _side_by_side
        text, alignments = _tokens_aligned(lay(given["words"]), lay(record["words"]))
    return form.as_given(prediction, text, partial(back, alignments))


def _alike(given: Record, rewriters: Sequence[Rewriter]) -> dict[str, list[str]]:
    """The texts that the record lists, by what is read of them."""
    lists = (given[name] for name in LISTS if isinstance(given.get(name), list))
    listed = [text for each in lists for text in each if isinstance(text, str)]
    found: dict[str, list[str]] = {}
    for text, read in zip(listed, rewritten([{"text": text} for text in listed], rewriters), strict=True):
        found.setdefault(read["text"], []).append(text)
    return found


def traced(text: str, rewriters: Sequence[Rewriter]) -> list[Alignment]:
    """The alignments of all passes of all rewriters over a text, as often as `rewritten` goes through them."""
    alignments: list[Alignment] = []
    for _ in range(ROUNDS + 1 if len(rewriters) > 1 else 1):
        before = text
        for rewriter in rewriters:
            (new,) = rewriter.rewrite([text])
            if new != text:
                alignments += rewriter.trace(text)
                text = new
        if text == before:
            break
    return alignments


def _rewrite_tokens(records: list[Record], rewriter: Rewriter, name: str) -> None:
    for row, record in enumerate(records):
        tokens = record.get(name)
        if isinstance(tokens, list) and all(isinstance(token, str) for token in tokens):
            new = [after or before for before, after in zip(tokens, rewriter.rewrite(tokens), strict=True)]
            if new != tokens:
                records[row] = record | {name: new}


def _side_by_side(words: Sequence[str]) -> tuple[str, Offsets]:
    text, borders = laid_out(words, lambda _before, _after: "")
    return text, np.array(borders, np.int32).reshape(-1, 2)


def _tokens_aligned(given: tuple[str, Offsets], new: tuple[str, Offsets]) -> tuple[str, list[Alignment]]:
    """The text of the tokens as they were given, and the alignment that replaces each of them whole."""
    return given[0], [Alignment(*given[1].T.tolist(), *new[1].T.tolist())]
