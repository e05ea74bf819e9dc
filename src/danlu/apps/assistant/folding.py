"""Tickets that say the same, as one: an answer, with all the questions that it was given to."""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from danlu.apps.assistant.tickets import Ticket, of_page
from danlu.data.duplicates.dedup import find_clusters

ALIKE = 0.9
"""Jaccard similarity of shingles from which on two questions with one answer are the same question."""


@dataclass(frozen=True)
class Entry:
    """An answer, and the questions that it was given to.

    - `id`: a hash of the answer, so that the same tickets become the same entry wherever they are read.
    - `intent`: the most frequent one, for one desk calls the same by several names.
    - `questions`: as they were asked, those that are nearly the same once; the most frequent first.
    - `times`: tickets that are folded into it.
    """

    id: str
    answer: str
    intent: str
    questions: tuple[str, ...]
    times: int


@dataclass(frozen=True)
class Folded:
    """All entries; `contested`: questions that were answered in two ways or more, which stay apart."""

    entries: list[Entry]
    contested: int


def fold(tickets: Sequence[Ticket]) -> Folded:
    """Fold tickets of one answer into one entry; intents, white space, case and width of characters aside.

    Answers that are nearly alike stay apart, for they may differ in the number that matters.
    """
    alike = find_clusters([ticket.question for ticket in tickets], ALIKE).near
    groups: dict[str, list[int]] = {}
    for row, ticket in enumerate(tickets):
        groups.setdefault(plain(ticket.answer), []).append(row)
    entries, answers = [], Counter[int]()
    for rows in groups.values():
        asked = Counter(int(alike[row]) for row in rows)
        answers.update(asked.keys())
        first = {int(alike[row]): row for row in reversed(rows)}
        questions = tuple(tickets[first[each]].question for each, _ in asked.most_common())
        answer, intents = tickets[rows[0]].answer, Counter(tickets[row].intent for row in rows if tickets[row].intent)
        intent = intents.most_common(1)[0][0] if intents else ""
        entries.append(Entry(name_of(answer), answer, intent, questions, len(rows)))
    return Folded(entries, int(np.sum([count > 1 for count in answers.values()], dtype=int)))


def plain(text: str) -> str:
    """A text without white space, in one case and one width, for comparison alone."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def key_of(answer: str) -> str:
    """What answers that are the same have in common: earlier versions kept HTML as it lay in files."""
    return plain(of_page(answer))


def name_of(answer: str) -> str:
    """The name of an answer, as earlier versions have it of one without an intent."""
    return hashed([plain(answer), ""])


def hashed(texts: Iterable[str]) -> str:
    """The first 80 bits of a hash of texts, in order."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()[:20]
