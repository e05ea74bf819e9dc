"""Records in the form that the training data had, and predictions said of the records as they were given."""

from collections.abc import Sequence

from danlu.data.alignment import Alignment, back
from danlu.data.cleaner import Rewriter
from danlu.data.cleaning import ROUNDS
from danlu.data.record import Record
from danlu.data.rewriting import rewrite_messages, rewrite_texts
from danlu.task.task import Prediction
from danlu.text.align import joined


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
        rewrite_texts(found, rewriter, names)
        rewrite_messages(found, rewriter, names)
        if "tokens" in names:
            _rewrite_tokens(found, rewriter)
    return found


def as_given(prediction: Prediction, given: Record, record: Record, rewriters: Sequence[Rewriter]) -> Prediction:
    """A prediction for a rewritten record, its spans those of the text as it was given.

    A span that covers nothing but what was put in goes.
    """
    if "entities" not in prediction:
        return prediction
    if "text" in given:
        text, alignments = given["text"], traced(given["text"], rewriters)
    else:
        text, alignments = _tokens_aligned(given["tokens"], record["tokens"])
    entities = []
    for entity in prediction["entities"]:
        span = back(alignments, entity["start"], entity["end"])
        if span is not None:
            start, end = span
            entities.append(entity | {"start": start, "end": end, "text": text[start:end]})
    return prediction | {"entities": entities}


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


def _rewrite_tokens(records: list[Record], rewriter: Rewriter) -> None:
    for row, record in enumerate(records):
        tokens = record.get("tokens")
        if isinstance(tokens, list) and all(isinstance(token, str) for token in tokens):
            new = [after or before for before, after in zip(tokens, rewriter.rewrite(tokens), strict=True)]
            if new != tokens:
                records[row] = record | {"tokens": new}


def _tokens_aligned(given: Sequence[str], tokens: Sequence[str]) -> tuple[str, list[Alignment]]:
    """The text of the tokens as they were given, and the alignment that replaces each of them whole."""
    text, old = joined(given)
    _, new = joined(tokens)
    return text, [Alignment(*old.T.tolist(), *new.T.tolist())]
