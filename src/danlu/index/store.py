"""The promise of a store: documents, their passages, and what is looked up of these, kept as a whole or not at all.

What is read within one `reading` belongs to one state; what is done within one `writing` is there for others all at
once, and not at all if the process ends before. `N` passages, `E` numbers of a vector.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.word_cutting import Borders
from danlu.index.document import Document
from danlu.index.tokens import tokens

Vectors = NDArray[np.float32]
Row = tuple[Any, ...]
Scored = list[tuple[int, float]]
"""Numbers of passages with what was said of each."""

FORMAT = 1
"""Of the tables; an index of a newer one is refused."""

K1, B = 1.2, 0.75
"""Of BM25 (Robertson and Zaragoza, 2009), as SQLite's FTS5 has them."""

LEAST = 1e-6
"""Weight of a token that stands in more than half of the passages, as in FTS5."""

_PASSAGES = """
SELECT p.number, d.id, d.title, d.facts, p."start", p."end", substr(d.text, p."start" + 1, p."end" - p."start")
FROM danlu_passages p JOIN danlu_documents d ON d.number = p.document WHERE p.number IN
"""

_PLACES = """
SELECT p.number, d.id, p."start" FROM danlu_passages p JOIN danlu_documents d ON d.number = p.document WHERE p.number IN
"""


class Passage(NamedTuple):
    """A passage as it stands in the store."""

    number: int
    document: str
    title: str
    facts: dict[str, str]
    start: int
    end: int
    text: str


class Prepared(NamedTuple):
    """A document with all that is kept of it: passages, the tokens of each, and the vector of each, or none (N, E)."""

    document: Document
    borders: Borders
    tokens: list[list[str]]
    vectors: Vectors | None = None


class Session(ABC):
    """What is done in one transaction. Statements are those of SQL that all stores know, values marked by `?`."""

    @abstractmethod
    def rows(self, statement: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        """Do a statement, and yield what it gives."""

    @abstractmethod
    def many(self, statement: str, values: Sequence[Row]) -> None:
        """Do a statement for each of the rows."""

    @abstractmethod
    def add_tokens(self, tokens_by_passage: Mapping[int, list[str]]) -> None:
        """Let passages be found by their tokens."""

    @abstractmethod
    def remove_tokens(self, tokens_by_passage: Mapping[int, list[str]]) -> None:
        """Let passages no longer be found by their tokens, which are those that were added."""

    @abstractmethod
    def forget_tokens(self) -> None:
        """Let no passage be found by its tokens."""

    @abstractmethod
    def lexical(
        self, sought: Sequence[str], limit: int, where: Mapping[str, str], among: Sequence[int] | None = None
    ) -> Scored:
        """Passages with one of the tokens or more and their BM25, the best first; of equal ones the older.

        `where` are facts that their documents must have; `among` are the only passages that are asked for.
        """

    @abstractmethod
    def add_vectors(self, vectors: Mapping[int, Vectors]) -> None:
        """Keep the vector of each passage; one that is there stays."""

    @abstractmethod
    def nearest(
        self, query: Vectors, limit: int, where: Mapping[str, str], among: Sequence[int] | None = None
    ) -> Scored:
        """Passages and the product of their vectors with that of a query, as `lexical` has them."""

    def settings(self) -> dict[str, str]:
        """What was set for the index."""
        return {str(name): str(value) for name, value in self.rows("SELECT name, value FROM danlu_settings")}

    def keep_setting(self, name: str, value: str) -> None:
        """Set something for the index."""
        self.many(
            "INSERT INTO danlu_settings (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [(name, value)],
        )

    def count(self) -> int:
        """How many documents there are."""
        return int(next(self.rows("SELECT count(*) FROM danlu_documents"))[0])

    def documents(self, names: Sequence[str]) -> dict[str, Document]:
        """Documents by their ids; those that are not there are left out."""
        columns = "SELECT id, text, title, facts FROM danlu_documents WHERE id IN"
        return {
            name: Document(name, text, title, json.loads(facts))
            for name, text, title, facts in self._among(columns, list(names))
        }

    def names(self) -> list[str]:
        """The ids of all documents, in order."""
        return [str(name) for (name,) in self.rows("SELECT id FROM danlu_documents ORDER BY id")]

    def add(self, prepared: Sequence[Prepared]) -> None:
        """Keep documents of ids that are not there, with their passages."""
        number = self._taken("documents", len(prepared))
        passage = self._taken("passages", sum(len(each.borders) for each in prepared))
        documents, facts, passages = [], [], []
        vectors: dict[int, Vectors] = {}
        for document, borders, found, own in prepared:
            plain = json.dumps(document.facts, ensure_ascii=False)
            documents.append((number, document.id, document.title, document.text, plain))
            facts += [(number, name, value) for name, value in document.facts.items()]
            vectors |= {} if own is None else dict(enumerate(own, passage))
            for border, tokens_ in zip(borders, found, strict=True):
                passages.append((passage, number, *border, len(tokens_)))
                passage += 1
            number += 1
        self.many("INSERT INTO danlu_documents (number, id, title, text, facts) VALUES (?, ?, ?, ?, ?)", documents)
        self.many("INSERT INTO danlu_facts (document, name, value) VALUES (?, ?, ?)", facts)
        self.many(
            'INSERT INTO danlu_passages (number, document, "start", "end", tokens) VALUES (?, ?, ?, ?, ?)', passages
        )
        all_tokens = (each for one in prepared for each in one.tokens)
        self.add_tokens({row[0]: found for row, found in zip(passages, all_tokens, strict=True)})
        self.add_vectors(vectors)

    def remove(self, names: Sequence[str]) -> int:
        """Forget documents and all that was made of them; tells how many were there."""
        documents = self.documents(names)
        numbers: dict[int, str] = dict(
            self._among("SELECT number, id FROM danlu_documents WHERE id IN", list(documents))
        )
        columns = 'SELECT number, document, "start", "end" FROM danlu_passages WHERE document IN'
        passages = list(self._among(columns, list(numbers)))
        self.remove_tokens(
            {passage: tokens_of(documents[numbers[number]], start, end) for passage, number, start, end in passages}
        )
        self.many("DELETE FROM danlu_vectors WHERE passage = ?", [(passage,) for passage, *_ in passages])
        for_each = [(number,) for number in numbers]
        self.many("DELETE FROM danlu_passages WHERE document = ?", for_each)
        self.many("DELETE FROM danlu_facts WHERE document = ?", for_each)
        self.many("DELETE FROM danlu_documents WHERE number = ?", for_each)
        return len(numbers)

    def passages(self, numbers: Sequence[int]) -> dict[int, Passage]:
        """Passages by their numbers; those that are not there are left out."""
        return {
            number: Passage(number, name, title, json.loads(facts), start, end, text)
            for number, name, title, facts, start, end, text in self._among(_PASSAGES, numbers)
        }

    def places(self, numbers: Sequence[int]) -> dict[int, tuple[str, int]]:
        """Where passages stand, the id of the document and their start, by their numbers."""
        return {number: (name, start) for number, name, start in self._among(_PLACES, numbers)}

    def passages_where(self, where: Mapping[str, str]) -> set[int]:
        """Numbers of the passages of documents with these facts."""
        joins, values = filtered(where)
        return {int(number) for (number,) in self.rows(f"SELECT p.number FROM danlu_passages p {joins}", values)}  # noqa: S608

    def without_vectors(self, limit: int) -> list[int]:
        """Numbers of passages that have no vector, the first of them."""
        rows = self.rows(
            "SELECT p.number FROM danlu_passages p LEFT JOIN danlu_vectors v ON v.passage = p.number "
            "WHERE v.passage IS NULL ORDER BY p.number LIMIT ?",
            (limit,),
        )
        return [int(number) for (number,) in rows]

    def _among(self, statement: str, values: Sequence[Any]) -> Iterator[Row]:
        """The rows of a statement that ends with IN, for a few hundred values at a time."""
        for start in range(0, len(values), 500):
            block = values[start : start + 500]
            yield from list(self.rows(f"{statement} ({', '.join('?' * len(block))})", block))

    def _taken(self, what: str, count: int) -> int:
        """The first of some numbers that nothing has had; what was known of one never comes to belong to another."""
        first = int(self.settings().get(f"next {what}", 1))
        self.keep_setting(f"next {what}", str(first + count))
        return first


class Store(ABC):
    """Where an index is kept; may be used by many threads and processes at once."""

    shown: str
    """What messages call it."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Session]:
        """One state of the index, while others write.

        Raises:
            Refusal: it cannot be reached.
        """

    @abstractmethod
    def writing(self) -> AbstractContextManager[Session]:
        """Changes that are made as a whole; who comes second waits.

        Raises:
            Refusal: the disk is full, others do not come to an end, or it cannot be reached.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""


def tokens_of(document: Document, start: int, end: int) -> list[str]:
    """The tokens of a passage: those of its title, and its own."""
    return tokens(document.title) + tokens(document.text[start:end])


def filtered(where: Mapping[str, str]) -> tuple[str, list[str]]:
    """Joins that leave of passages `p` those of documents with these facts, and their values."""
    joins = " ".join(
        f"JOIN danlu_facts f{number} ON f{number}.document = p.document AND f{number}.name = ? AND f{number}.value = ?"
        for number in range(len(where))
    )
    return joins, [each for pair in where.items() for each in pair]


def only_among(column: str, among: Collection[int] | None) -> str:
    """A condition that leaves the rows of these numbers alone; all where there are none."""
    return "TRUE" if among is None else f"{column} IN ({', '.join(str(int(each)) for each in among) or 'NULL'})"
