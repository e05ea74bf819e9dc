"""Documents found again: by words, by meaning, or by both, in Chinese and English."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from danlu.index.chunks import chunks
from danlu.index.document import Document, Found, checked
from danlu.index.files import Refreshed, documents_in, files_in
from danlu.index.store import FORMAT, Session, Store
from danlu.index.tokens import VERSION, query_tokens
from danlu.machine.files import sha256
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from danlu.bundle.bundle import Bundle

AT_ONCE = 64
"""Documents that are put together: what a killed process has not put, the next one does."""

MOST_FOUND = 1000
LONGEST_QUERY = 10_000
"""Characters."""

MOST_TOKENS = 200
"""Of a query that are looked up."""


class Index:
    """An index that is open; may be asked by many threads."""

    def __init__(self, store: Store, embedder: Bundle | None = None, reranker: Bundle | None = None) -> None:
        """Use what is in the store; see `open`."""
        self._store = store
        self._embedder = embedder
        self._reranker = reranker

    @classmethod
    def open(cls, place: str | Path, *, embedder: Bundle | None = None, reranker: Bundle | None = None) -> Self:
        """Open the index of a folder, or of a database `postgresql://...`; it is made where there is none.

        Raises:
            Refusal: it cannot be opened, or was made by a newer danlu, or with another embedder.
        """
        store = _store(place)
        try:
            with store.reading() as session:
                settings = session.settings()
            if int(settings["format"]) > FORMAT:
                raise Refusal(f"{store.shown}: was made by a newer danlu; upgrade danlu, or make the index anew")
            if int(settings.get("tokens", VERSION)) > VERSION:
                raise Refusal(f"{store.shown}: was made by a newer danlu; upgrade danlu, or make the index anew")
            if "tokens" not in settings:
                with store.writing() as session:
                    session.keep_setting("tokens", str(VERSION))
        except BaseException:
            store.close()
            raise
        return cls(store, embedder, reranker)

    def close(self) -> None:
        """Let go of the index; the bundles stay open."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __len__(self) -> int:
        """How many documents there are."""
        with self._store.reading() as session:
            return session.count()

    def document(self, name: str) -> Document | None:
        """The document of an id; None where there is none."""
        with self._store.reading() as session:
            return session.document(name)

    def put(self, documents: Iterable[Document]) -> None:
        """Keep documents; one of an id that is there replaces it, as a whole.

        Raises:
            Refusal: a document cannot be kept, or the disk is full; what was put before it stays.
        """
        for block in _blocks(map(checked, documents), AT_ONCE):
            self._put(block)

    def remove(self, names: Iterable[str]) -> int:
        """Forget the documents of these ids, and tell how many were there."""
        with self._store.writing() as session:
            return sum(session.remove(name) for name in names)

    def refresh(self, folder: str | Path) -> Refreshed:
        """Make the index follow a folder: put what is new or changed there, forget what is gone.

        Documents that were put by hand stay. Each file is taken over as a whole or not at all.

        Raises:
            Refusal: there is no such folder, or the disk is full.
        """
        done = Refreshed()
        with self._store.reading() as session:
            known = _known_files(session)
        there = set()
        for name, path in files_in(Path(folder), done.unread):
            there.add(name)
            try:
                digest = sha256(path)
                if name in known and known[name][0] == digest:
                    continue
                found = documents_in(path, name)
            except (Refusal, OSError) as error:
                done.unread.append((name, str(error).removeprefix(f"{name}: ").removeprefix(f"{path}: ")))
                continue
            before = known[name][1] if name in known else []
            self._follow(name, digest, found, before, done)
        there |= {name for name, _ in done.unread}
        for name, (_, before) in known.items():
            if name not in there:
                self._follow(name, "", [], before, done)
        done.unread.sort()
        return done

    def search(self, query: str, limit: int = 10, where: Mapping[str, str] | None = None) -> list[Found]:
        """The passages that fit a query best, at most `limit`; of documents with the facts of `where` alone.

        Raises:
            Refusal: the query is too long, or `limit` is not between 1 and 1,000.
        """
        if len(query) > LONGEST_QUERY:
            raise Refusal(f"the query has {len(query):,} characters, and {LONGEST_QUERY:,} are read; shorten it")
        if not 0 < limit <= MOST_FOUND:
            raise Refusal(f"limit {limit}: expected 1 to {MOST_FOUND:,}")
        with self._store.reading() as session:
            found = session.lexical(query_tokens(query)[:MOST_TOKENS], limit, where or {})
            passages = session.passages([number for number, _ in found])
        return [
            Found(
                document=passages[number].document,
                title=passages[number].title,
                text=passages[number].text,
                start=passages[number].start,
                end=passages[number].end,
                score=score,
                ways={"lexical": score},
                facts=passages[number].facts,
            )
            for number, score in found
        ]

    def _put(self, documents: Sequence[Document]) -> None:
        """Keep some documents, all of them or none."""
        borders = {document.id: chunks(document.text) for document in documents}
        with self._store.writing() as session:
            for document in {document.id: document for document in documents}.values():
                session.remove(document.id)
                session.add(document, borders[document.id])

    def _follow(
        self, file: str, digest: str, documents: Sequence[Document], before: Sequence[str], done: Refreshed
    ) -> None:
        """Take over a file as it is now; without documents it is gone."""
        borders = {document.id: chunks(document.text) for document in documents}
        with self._store.writing() as session:
            now = {document.id: document for document in documents}
            for name in before:
                if name not in now and session.remove(name):
                    done.removed += 1
            for name, document in now.items():
                old = session.document(name)
                if old == document:
                    continue
                if session.remove(name):
                    done.changed += 1
                else:
                    done.added += 1
                session.add(document, borders[name])
            session.many("DELETE FROM danlu_files WHERE path = ?", [(file,)])
            if documents:
                session.many(
                    "INSERT INTO danlu_files (path, digest, documents) VALUES (?, ?, ?)",
                    [(file, digest, json.dumps(list(now), ensure_ascii=False))],
                )


def _store(place: str | Path) -> Store:
    from danlu.index.stores.sqlite import SqliteStore

    return SqliteStore(Path(place).expanduser())


def _known_files(session: Session) -> dict[str, tuple[str, list[str]]]:
    """The files that were taken over: digest and documents, by path."""
    rows = session.rows("SELECT path, digest, documents FROM danlu_files")
    return {path: (digest, json.loads(documents)) for path, digest, documents in rows}


def _blocks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    block = []
    for item in items:
        block.append(item)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block
