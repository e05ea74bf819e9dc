"""The database of an assistant: tickets, conversations, judgements, what is to be sent, versions.

What it holds is the truth; an index is made of it, and can be made again.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from danlu.apps.assistant.folding import Entry, hashed, key_of, plain
from danlu.machine.database import Database, address_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOCKED = 10
"""Seconds for which another may hold a table."""
TICKET, PERSON = "ticket", "person"
_AT_ONCE = 500
"""Answers that one statement removes."""


@dataclass(frozen=True)
class Phrase:
    """A question that an answer was given to; `source`: 'ticket', or 'person' for one that feedback has told."""

    id: str
    entry: str
    text: str
    source: str
    offered: bool


@dataclass(frozen=True)
class Kept:
    """An answer as it is kept."""

    id: str
    answer: str
    intent: str
    times: int
    source: str


class Store(Database):
    """Tables in a file of SQLite, or of a PostgreSQL server; several servers may use them at once."""

    def __init__(self, url: str | Path) -> None:
        """Open the database, a file of SQLite by its path, and make the tables where there are none.

        Raises:
            Refusal: it cannot be opened.
        """
        address = address_of(url, "--database", "serve", "an assistant", "assistant.db")
        from danlu.apps.assistant.tables import META, take_over

        super().__init__(address, META, LOCKED, name="assistant", takes_over=take_over)

    def add(self, entries: Iterable[Entry]) -> tuple[int, int]:
        """Keep tickets, all or none; gives how many answers and how many questions are new.

        What is there already stays; what was taken back by a person stays so.
        """
        from danlu.apps.assistant.tables import ENTRIES, PHRASES

        with self.begin() as connection:
            known: dict[str, list[str]] = {}  # of earlier versions there may be several of one answer
            texts: set[str] = set()
            for each in entries_of(connection):
                known.setdefault(key_of(each.answer), []).append(each.id)
                texts.add(plain(each.answer))
            asked = {each.id for each in phrases_of(connection)}
            answers, questions = {}, {}
            for entry in entries:
                there = known.setdefault(key_of(entry.answer), [])
                if plain(entry.answer) not in texts:  # beside HTML of an earlier version, for this one is given
                    texts.add(plain(entry.answer))
                    there.append(entry.id)
                    told = {"id": entry.id, "answer": entry.answer, "intent": entry.intent, "times": entry.times}
                    answers[entry.id] = told | {"source": TICKET}
                for text in entry.questions:
                    if asked.isdisjoint(phrase_id(each, text) for each in there):
                        name = phrase_id(there[0], text)
                        row = {"id": name, "entry": there[0], "text": text, "source": TICKET, "offered": True}
                        questions[name] = row
            for table, rows in ((ENTRIES, answers), (PHRASES, questions)):
                if rows:
                    connection.execute(table.insert(), [*rows.values()])
        return len(answers), len(questions)

    def forget(self, entries: Collection[str], now: float) -> tuple[int, int]:
        """Remove answers and all their questions; gives how many answers and how many questions were there."""
        from danlu.apps.assistant.tables import ENTRIES, FORGOTTEN, PHRASES

        with self.begin() as connection:
            answers = questions = 0
            left = iter(entries)
            while some := [*islice(left, _AT_ONCE)]:
                answers += connection.execute(ENTRIES.delete().where(ENTRIES.c.id.in_(some))).rowcount
                questions += connection.execute(PHRASES.delete().where(PHRASES.c.entry.in_(some))).rowcount
            if answers:
                connection.execute(FORGOTTEN.insert().values(time=now, answers=answers))
        return answers, questions

    def all(self) -> tuple[list[Kept], list[Phrase]]:
        """All answers and questions, in the order of their ids."""
        with self.reading() as connection:
            return entries_of(connection), phrases_of(connection)


def phrase_id(entry: str, text: str) -> str:
    """The name of a question of an answer."""
    return hashed([entry, plain(text)])


def entries_of(connection: "Connection") -> list[Kept]:
    """All answers."""
    from danlu.apps.assistant.tables import ENTRIES

    return [Kept(*row) for row in connection.execute(ENTRIES.select().order_by(ENTRIES.c.id))]


def phrases_of(connection: "Connection") -> list[Phrase]:
    """All questions, those that were taken back too."""
    from danlu.apps.assistant.tables import PHRASES

    return [Phrase(*row) for row in connection.execute(PHRASES.select().order_by(PHRASES.c.id))]


def add_entry(connection: "Connection", name: str, answer: str, intent: str, times: int, source: str) -> None:
    """Keep a new answer."""
    from danlu.apps.assistant.tables import ENTRIES

    row = {"id": name, "answer": answer, "intent": intent, "times": times, "source": source}
    connection.execute(ENTRIES.insert().values(row))


def add_phrase(connection: "Connection", entry: str, text: str, source: str) -> Phrase:
    """Keep a question of an answer, or offer one again."""
    from danlu.apps.assistant.tables import PHRASES

    name = phrase_id(entry, text)
    there = connection.execute(PHRASES.select().where(PHRASES.c.id == name)).first()
    if there is None:
        row = {"id": name, "entry": entry, "text": text, "source": source, "offered": True}
        connection.execute(PHRASES.insert().values(row))
        return Phrase(name, entry, text, source, offered=True)
    connection.execute(PHRASES.update().where(PHRASES.c.id == name).values(offered=True))
    return Phrase(name, entry, str(there.text), str(there.source), offered=True)
