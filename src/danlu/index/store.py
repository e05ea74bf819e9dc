"""The promise of a store: documents, their passages, and what is looked up of these, kept as a whole or not at all.

What is read within one `reading` belongs to one state; what is done within one `writing` is there for others all at
once, and not at all if the process ends before. `N` passages, `E` numbers of a vector.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.word_cutting import Borders
from danlu.index.document import Document
from danlu.index.tokens import tokens

Vectors = NDArray[np.float32]
Row = tuple[Any, ...]

FORMAT = 1
"""Of the tables; an index of a newer one is refused."""

K1, B = 1.2, 0.75
"""Of BM25 (Robertson and Zaragoza, 2009), as SQLite's FTS5 has them."""

LEAST = 1e-6
"""Weight of a token that stands in more than half of the passages, as in FTS5."""


class Passage(NamedTuple):
    """A passage as it stands in the store."""

    number: int
    document: str
    title: str
    facts: dict[str, str]
    start: int
    end: int
    text: str


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
    def lexical(
        self, sought: Sequence[str], limit: int, where: Mapping[str, str], among: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        """Passages with one of the tokens or more and their BM25, the best first; of equal ones the older.

        `where` are facts that their documents must have; `among` are the only passages that are asked for.
        """

    @abstractmethod
    def add_vectors(self, vectors: Mapping[int, NDArray[np.float32]]) -> None:
        """Keep the vector of each passage."""

    def settings(self) -> dict[str, str]:
        """What was set for the index."""
        return {str(name): str(value) for name, value in self.rows("SELECT name, value FROM danlu_settings")}

    def keep_setting(self, name: str, value: str) -> None:
        """Set something for the index."""
        self.many("DELETE FROM danlu_settings WHERE name = ?", [(name,)])
        self.many("INSERT INTO danlu_settings (name, value) VALUES (?, ?)", [(name, value)])

    def count(self, table: str = "danlu_documents") -> int:
        """How many rows there are, of documents if no other is asked for."""
        return int(next(self.rows(f"SELECT count(*) FROM {table}"))[0])  # noqa: S608  a name of ours

    def document(self, name: str) -> Document | None:
        """The document of an id."""
        found = list(self.rows("SELECT id, text, title, facts FROM danlu_documents WHERE id = ?", (name,)))
        return Document(found[0][0], found[0][1], found[0][2], json.loads(found[0][3])) if found else None

    def names(self) -> Iterator[str]:
        """The ids of all documents, in order."""
        return (str(name) for (name,) in self.rows("SELECT id FROM danlu_documents ORDER BY number"))

    def add(self, document: Document, borders: Borders) -> list[int]:
        """Keep a document of an id that is not there, with its passages; gives the numbers of these."""
        facts = json.dumps(document.facts, ensure_ascii=False)
        ((number,),) = self.rows(
            "INSERT INTO danlu_documents (id, title, text, facts) VALUES (?, ?, ?, ?) RETURNING number",
            (document.id, document.title, document.text, facts),
        )
        self.many(
            "INSERT INTO danlu_facts (document, name, value) VALUES (?, ?, ?)",
            [(number, name, value) for name, value in document.facts.items()],
        )
        passages = []
        for start, end in borders:
            ((passage,),) = self.rows(
                'INSERT INTO danlu_passages (document, "start", "end") VALUES (?, ?, ?) RETURNING number',
                (number, start, end),
            )
            passages.append(int(passage))
        self.add_tokens({each: tokens_of(document, *border) for each, border in zip(passages, borders, strict=True)})
        return passages

    def remove(self, name: str) -> bool:
        """Forget a document and all that was made of it; tells whether it was there."""
        document = self.document(name)
        if document is None:
            return False
        ((number,),) = self.rows("SELECT number FROM danlu_documents WHERE id = ?", (name,))
        passages = list(self.rows('SELECT number, "start", "end" FROM danlu_passages WHERE document = ?', (number,)))
        self.remove_tokens({passage: tokens_of(document, start, end) for passage, start, end in passages})
        self.many("DELETE FROM danlu_vectors WHERE passage = ?", [(passage,) for passage, _, _ in passages])
        for table, column in (
            ("danlu_passages", "document"),
            ("danlu_facts", "document"),
            ("danlu_documents", "number"),
        ):
            self.many(f"DELETE FROM {table} WHERE {column} = ?", [(number,)])  # noqa: S608  names of ours
        return True

    def passages(self, numbers: Sequence[int]) -> dict[int, Passage]:
        """Passages by their numbers; those that are not there are left out."""
        found = {}
        for block in _blocks(numbers):
            marks = ", ".join("?" * len(block))
            for number, name, title, facts, start, end, text in self.rows(
                'SELECT p.number, d.id, d.title, d.facts, p."start", p."end", '
                'substr(d.text, p."start" + 1, p."end" - p."start") '
                "FROM danlu_passages p JOIN danlu_documents d ON d.number = p.document "
                f"WHERE p.number IN ({marks})",  # noqa: S608  marks alone
                block,
            ):
                found[number] = Passage(number, name, title, json.loads(facts), start, end, text)
        return found

    def passages_where(self, where: Mapping[str, str]) -> set[int]:
        """Numbers of the passages of documents with these facts."""
        clause, values = filtered(where)
        return {int(number) for (number,) in self.rows(f"SELECT p.number FROM danlu_passages p {clause}", values)}  # noqa: S608


class Store(ABC):
    """Where an index is kept; may be used by many threads and processes at once."""

    shown: str
    """What messages call it."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Session]:
        """One state of the index, while others write."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Session]:
        """Changes that are made as a whole; who comes second waits.

        Raises:
            Refusal: the disk is full, or others do not come to an end.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""


def tokens_of(document: Document, start: int, end: int) -> list[str]:
    """The tokens of a passage: those of its title, and its own."""
    return tokens(document.title) + tokens(document.text[start:end])


def filtered(where: Mapping[str, str]) -> tuple[str, list[str]]:
    """Joins that leave of passages `p` those of documents with these facts, and their values."""
    clause = " ".join(
        f"JOIN danlu_facts f{number} ON f{number}.document = p.document AND f{number}.name = ? AND f{number}.value = ?"
        for number in range(len(where))
    )
    return clause, [each for pair in where.items() for each in pair]


def _blocks(numbers: Sequence[int], size: int = 500) -> Iterator[Sequence[int]]:
    return (numbers[start : start + size] for start in range(0, len(numbers), size))
