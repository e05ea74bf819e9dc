"""A query and the documents that are to be put in order for it, as records say them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.columns import missing, text_in

POSITIVES, NEGATIVES, CANDIDATES = "positives", "negatives", "candidates"


@dataclass(frozen=True)
class Listed:
    """A query, documents in the order of their texts, how relevant each is; `relevance` is empty where not known."""

    query: str
    documents: tuple[str, ...]
    relevance: tuple[float, ...]


def judged_in(record: Record, number: int) -> Listed:
    """A query with its positives (1) and negatives (0); `number` counts records from 0.

    Raises `Refusal` naming the record for columns that are missing or of another sort, no positive at all, and a
    document that is there twice.
    """
    query = text_in(record, number)
    positives, negatives = (texts_in(record, number, name) for name in (POSITIVES, NEGATIVES))
    if not positives:
        raise Refusal(f"record {number + 1:,}: '{POSITIVES}' is empty; name a document that answers, or leave it out")
    judged = sorted([*((text, 1.0) for text in positives), *((text, 0.0) for text in negatives)])
    documents = tuple(text for text, _ in judged)
    _refuse_repeated(documents, number)
    return Listed(query, documents, tuple(relevance for _, relevance in judged))


def offered_in(record: Record, number: int) -> Listed:
    """A query with its candidates; where it has none, with its positives and negatives, told apart by nothing.

    Raises `Refusal` as `judged_in` does.
    """
    query = text_in(record, number)
    if CANDIDATES in record or not {POSITIVES, NEGATIVES} & record.keys():
        documents = texts_in(record, number, CANDIDATES)
    else:
        documents = tuple(text for name in (POSITIVES, NEGATIVES) for text in texts_in(record, number, name))
    if not documents:
        raise Refusal(f"record {number + 1:,}: '{CANDIDATES}' is empty; give the documents that are to be ranked")
    ordered = tuple(sorted(documents))
    _refuse_repeated(ordered, number)
    return Listed(query, ordered, ())


def texts_in(record: Record, number: int, column: str) -> tuple[str, ...]:
    """A list of texts.

    Raises `Refusal` naming the record and the column where it is none.
    """
    if column not in record:
        raise Refusal(missing(record, number, column, "list of texts"))
    value = record[column]
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise Refusal(f"record {number + 1:,}: column '{column}' must be a list of texts, and it is {value!r:.60}")
    return tuple(value)


def _refuse_repeated(ordered: Sequence[str], number: int) -> None:
    """Raise `Refusal` for a document that stands twice among those of a record, which are in order."""
    for one, other in pairwise(ordered):
        if one == other:
            raise Refusal(
                f"record {number + 1:,}: the document '{one:.60}' is named twice; name each once, as relevant or not"
            )
