"""How documents come into an index and go: prepared before a transaction, taken over in one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import danlu
from danlu.data.characters.word_cutting import Borders
from danlu.index.chunks import chunks
from danlu.index.document import Document
from danlu.index.embedding import Embedder
from danlu.index.files import READ, documents_in, files_in
from danlu.index.store import FORMAT, Prepared, Session, Store, tokens_of
from danlu.index.tokens import VERSION
from danlu.machine.extra import NotInstalled
from danlu.machine.files import sha256
from danlu.refusal import Empty, Refusal

AT_ONCE = 64
"""Passages that are embedded and written together; what a killed process has not written, the next one does."""

IN_PART = "in part"
"""In place of the digest of a file that is to be looked at again."""

_KNOWN = "SELECT path, digest, documents FROM danlu_files"
_MARK = (
    "INSERT INTO danlu_files (path, digest, documents) VALUES (?, ?, '[]') "
    "ON CONFLICT (path) DO UPDATE SET digest = excluded.digest"
)


@dataclass
class Refreshed:
    """What became of a folder: how many documents were added, changed and removed; files that cannot be read, and why.

    Of a file that can no longer be read, the documents stay as they were; one that was read and holds nothing has none.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    unread: list[tuple[str, str]] = field(default_factory=list)


class Change(NamedTuple):
    """Documents that are put, or all those of a `file` as it is now, of which the `digest` tells the content."""

    documents: Sequence[Document]
    file: str = ""
    digest: str = ""


class Intake:
    """What changes the index in a store."""

    def __init__(self, store: Store, embedder: Embedder | None) -> None:
        self._store = store
        self._embedder = embedder

    def agree(self, *, anew: bool) -> None:
        """See that the index was made as this one would be, or make it so.

        Raises:
            Refusal: it was made by a newer danlu, or with another embedder and is not to be made `anew`.
        """
        with self._store.reading() as session:
            settings = session.settings()
        kept, made = int(settings["format"]), int(settings.get("tokens", VERSION))
        if kept > FORMAT or made > VERSION:
            raise Refusal(f"{self._store.shown}: was made by a newer danlu; upgrade danlu, or make the index anew")
        if "tokens" not in settings or made < VERSION:
            with self._store.writing() as session:
                _find_by_new_tokens(session)
                session.keep_setting("tokens", str(VERSION))
        if self._embedder is not None and settings.get("embedder") != self._embedder.fingerprint:
            with self._store.writing() as session:
                if anew:
                    session.many("DELETE FROM danlu_vectors WHERE passage > ?", [(-1,)])
                elif "embedder" in session.settings():
                    self.refuse_other_embedder(session)
                session.keep_setting("embedder", self._embedder.fingerprint)
                _next_generation(session)

    def refuse_other_embedder(self, session: Session) -> None:
        """Refuse an index whose vectors are not those of this embedder."""
        if self._embedder is None:
            return
        kept = session.settings().get("embedder", "")
        _, sign, rest = kept.partition("-")
        if self._embedder.fingerprint not in (kept, f"danlu{sign}{rest}"):  # before 0.1 the task stood there
            raise Refusal(
                f"{self._store.shown}: its vectors were made by another embedder than {self._embedder.shown}, or with "
                "other prefixes; open it with that one, or have the vectors made anew"
            )

    @contextmanager
    def changing(self) -> Iterator[Session]:
        """A transaction that changes what is found."""
        with self._store.writing() as session:
            self.refuse_other_embedder(session)
            yield session
            _next_generation(session)

    def embed_missing(self) -> None:
        """Give a vector to passages that have none."""
        while self._embedder is not None:
            with self._store.reading() as session:
                passages = session.passages(session.without_vectors(AT_ONCE))
            if not passages:
                return
            texts = [_read_as(each.title, each.text) for each in passages.values()]
            vectors = dict(zip(passages, self._embedder.passages(texts), strict=True))
            with self.changing() as session:
                there = session.passages(list(passages))
                session.add_vectors({number: vector for number, vector in vectors.items() if number in there})

    def take(self, changes: Iterable[Change], done: Refreshed) -> None:
        """Take changes over in order, each as a whole, and count in `done` what was done."""
        waiting: list[tuple[Change, list[Borders]]] = []
        size = 0
        for change in self._pieces(changes):
            borders = [chunks(document.text) for document in change.documents]
            waiting.append((change, borders))
            size += sum(map(len, borders)) + 1
            if size >= AT_ONCE:
                self._write(waiting, done)
                waiting, size = [], 0
        if waiting:
            self._write(waiting, done)

    def _pieces(self, changes: Iterable[Change]) -> Iterator[Change]:
        """The changes; before a table of many rows these by themselves, so that a killed process has done some."""
        for change in changes:
            if change.file and len(change.documents) > AT_ONCE:
                with self.changing() as session:  # rows that are taken over are known to be of this file
                    ids = [*_of_files(session, [change]), *(document.id for document in change.documents)]
                    _keep_file(session, change.file, IN_PART, ids)
                yield from (Change([document]) for document in change.documents)
            yield change

    def _write(self, changes: Sequence[tuple[Change, list[Borders]]], done: Refreshed) -> None:
        now = {
            document.id: (document, found)
            for change, borders in changes
            for document, found in zip(change.documents, borders, strict=True)
        }
        with self._store.reading() as session:
            old = session.documents(list(now))
        ready = self._prepared([(each, found) for each, found in now.values() if old.get(each.id) != each])
        with self.changing() as session:
            files = [change for change, _ in changes if change.file]
            done.removed += session.remove([name for name in _of_files(session, files) if name not in now])
            old = session.documents(list(now))
            new = {name: pair for name, pair in now.items() if old.get(name) != pair[0]}
            done.changed += session.remove([name for name in new if name in old])
            done.added += len(new.keys() - old.keys())
            late = [pair for name, pair in new.items() if name not in ready]  # another writer came in between
            ready |= self._prepared(late)
            session.add([ready[name] for name in new])
            for change in files:
                _keep_file(session, change.file, change.digest, [document.id for document in change.documents])

    def _prepared(self, documents: Sequence[tuple[Document, Borders]]) -> dict[str, Prepared]:
        vectors = None
        if self._embedder is not None and any(borders for _, borders in documents):
            vectors = self._embedder.passages(
                [_read_as(each.title, each.text[start:end]) for each, borders in documents for start, end in borders]
            )
        found, place = {}, 0
        for document, borders in documents:
            tokens = [tokens_of(document, start, end) for start, end in borders]
            own = None if vectors is None else vectors[place : place + len(borders)]
            found[document.id] = Prepared(document, borders, tokens, own)
            place += len(borders)
        return found

    def changes_in(self, folder: Path, done: Refreshed) -> Iterator[Change]:
        """What is new, changed or gone in a folder; what cannot be read goes to `done.unread`."""
        with self._store.reading() as session:
            known = {path: digest for path, digest, _ in session.rows(_KNOWN)}
        there = set()
        for name, path in files_in(folder, done.unread):
            there.add(name)
            unread: list[tuple[str, str]] = []
            read = None
            try:
                read = _read(path, name, known.get(name, ""), unread)
            except OSError as error:
                unread.append((name, str(error)))
            except Exception as error:  # what one file does to its reader is not to keep the others from being read
                unread.append((name, f"its reader failed ({type(error).__name__}); save it anew"))
            done.unread += unread
            if read is None:
                continue
            documents, digest = read
            if documents is not None:
                yield Change(documents, name, digest)
                continue
            with self._store.writing() as session:
                session.many(_MARK, [(name, digest)])
        closed = tuple(name for name, _ in done.unread if name.endswith("/"))
        there |= {name for name, _ in done.unread}
        yield from (Change((), name) for name in known if name not in there and not name.startswith(closed))


def _read(
    path: Path, name: str, kept: str, unread: list[tuple[str, str]]
) -> tuple[Sequence[Document] | None, str] | None:
    """The documents of a file and its digest, if that is not the one that was `kept`; None: they stay.

    What could not be read, or not in full, is read again when the file has changed, or danlu has.
    """
    digest = f"{READ} {sha256(path)}"
    tried = f"{digest}, unread by danlu {danlu.__version__}: "
    if kept.startswith(tried):
        unread += [(name, why) for why in json.loads(kept.removeprefix(tried))]
    if kept == digest or unread:
        return None
    documents: Sequence[Document] | None = None
    try:
        documents = documents_in(path, name, unread)
    except Refusal as refusal:
        unread.append((name, str(refusal).removeprefix(f"{path}: ").removeprefix(f"{name}: ")))
        if isinstance(refusal, NotInstalled):
            return None
        documents = () if isinstance(refusal, Empty) else None
    return documents, tried + json.dumps([why for _, why in unread]) if unread else digest


def _read_as(title: str, passage: str) -> str:
    """A passage as the embedder reads it: under its title, which tells what it is about."""
    return passage if not title or title in passage else f"{title}\n{passage}"


def _of_files(session: Session, changes: Sequence[Change]) -> list[str]:
    """The ids of documents that came of files."""
    found = (row for change in changes for row in session.rows(f"{_KNOWN} WHERE path = ?", [change.file]))
    return [name for _, _, documents in found for name in json.loads(documents)]


def _keep_file(session: Session, file: str, digest: str, documents: Sequence[str]) -> None:
    """Keep what a file was and which documents came of it; one without a digest is forgotten."""
    session.many("DELETE FROM danlu_files WHERE path = ?", [(file,)])
    if digest:
        names = json.dumps(list(dict.fromkeys(documents)), ensure_ascii=False)
        session.many("INSERT INTO danlu_files (path, digest, documents) VALUES (?, ?, ?)", [(file, digest, names)])


def _next_generation(session: Session) -> None:
    """Tell all who hold something of the store in memory that it has changed."""
    session.keep_setting("generation", str(int(session.settings().get("generation", 0)) + 1))


def _find_by_new_tokens(session: Session) -> None:
    """Look all passages up by the tokens of this version."""
    session.forget_tokens()
    for name in session.names():
        document = session.documents([name])[name]
        numbers = session.rows(
            'SELECT p.number, p."start", p."end" FROM danlu_passages p JOIN danlu_documents d ON d.number = p.document '
            "WHERE d.id = ?",
            (name,),
        )
        found = {int(number): tokens_of(document, start, end) for number, start, end in list(numbers)}
        session.many(
            "UPDATE danlu_passages SET tokens = ? WHERE number = ?",
            [(len(tokens), number) for number, tokens in found.items()],
        )
        session.add_tokens(found)
