"""Which of the documents of a test set are most like each of its queries."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from danlu.data.record import Record
from danlu.task.columns import text_in
from danlu.task.task import Prediction
from danlu.task.texts import SECOND

BLOCK = 256  # queries that are compared with all documents at once
MOST = 100  # documents of a ranking


def documents_of(records: Sequence[Record]) -> list[int]:
    """The first record of each document that is not like one before."""
    first: dict[str, int] = {}
    for number, record in enumerate(records):
        first.setdefault(text_in(record, number, SECOND), number)
    return list(first.values())


def rankings(records: Sequence[Record], alike: Callable[[int, int], NDArray[np.floating]]) -> Iterator[Prediction]:
    """`{"ranking", "scores"}` of each query, of `MOST` documents at most.

    `alike(start, stop)` is how alike the queries of these records are to each of `documents_of`. Documents that fit a
    query by another record are left out of its ranking, since they are no mistakes, and so is the query itself.
    """
    firsts = documents_of(records)
    names = [text_in(records[number], number, SECOND) for number in firsts]
    place = {name: number for number, name in enumerate(names)}
    fitting: dict[str, set[int]] = {}
    for number, record in enumerate(records):
        fitting.setdefault(text_in(record, number), set()).add(place[str(record[SECOND])])
    for start in range(0, len(records), BLOCK):
        block = records[start : start + BLOCK]
        scores_QD = np.array(alike(start, start + len(block)), np.float32)
        for record, scores_D in zip(block, scores_QD, strict=True):
            known = fitting[record["text"]] | {place.get(record["text"], -1)}
            scores_D[list(known - {place[str(record[SECOND])], -1})] = -np.inf
            order = np.argsort(-scores_D, kind="stable")[:MOST]
            order = order[np.isfinite(scores_D[order])]
            yield {"ranking": [names[number] for number in order], "scores": scores_D[order].tolist()}
