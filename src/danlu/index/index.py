"""Documents found again: by words, by meaning, or by both, in Chinese and English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from danlu.index.document import Document, Found, checked
from danlu.index.embedding import Embedder
from danlu.index.intake import Change, Intake, Refreshed
from danlu.index.reranking import READ, Reranker, reranked
from danlu.index.searching import candidates
from danlu.index.store import Store
from danlu.index.tokens import query_tokens
from danlu.machine.located import at_home
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering

MOST_FOUND = 1000
LONGEST_QUERY = 10_000
"""Characters."""

MOST_FACTS = 20

MOST_TOKENS = 200
"""Of a query that are looked up, the first of them."""


class Index:
    """An index that is open; may be used by many threads, and by many processes at once."""

    def __init__(self, store: Store, embedder: Embedder | None = None, reranker: Reranker | None = None) -> None:
        """Use what is in the store, which was seen to agree with the embedder; see `open`."""
        self._store = store
        self._intake = Intake(store, embedder)
        self._embedder = embedder
        self._reranker = reranker

    @classmethod
    def open(
        cls,
        place: str | Path,
        *,
        embedder: Answering | None = None,
        reranker: Answering | None = None,
        prefixes: tuple[str, str] = ("", ""),
        anew: bool = False,
    ) -> Self:
        """Open the index of a folder, or of a database `postgresql://...`; it is made where there is none.

        `prefixes` are what the embedder wants before a query and before a passage, such as "query: " and "passage: ".
        Passages without a vector are given one first; all are, where the vectors of another embedder are to be made
        `anew`. Without an embedder words alone find.

        Raises:
            Refusal: it cannot be opened, or was made by a newer danlu, or with another embedder.
        """
        asked = Embedder(embedder, prefixes) if embedder is not None else None
        ranker = Reranker(reranker) if reranker is not None else None
        index = cls(store_of(place), asked, ranker)
        try:
            index._intake.agree(anew=anew)
            index._intake.embed_missing()
        except BaseException:
            index.close()
            raise
        return index

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
            return session.documents([name]).get(name)

    def names(self) -> list[str]:
        """The ids of all documents, sorted."""
        with self._store.reading() as session:
            return sorted(session.names())

    def kept_once(self, name: str, value: str) -> str:
        """What is kept with the index under a name: what was given first."""
        with self._store.reading() as session:
            kept = session.settings().get(name)
        if kept is None:
            with self._store.writing() as session:
                kept = session.settings().get(name)  # another may have come in between
                if kept is None:
                    session.keep_setting(name, kept := value)
        return kept

    def put(self, documents: Iterable[Document]) -> None:
        """Keep documents; one of an id that is there replaces it, as a whole.

        Raises:
            Refusal: a document cannot be kept, or the disk is full; each of those before it is kept, or not at all.
        """
        self._intake.take((Change([checked(document)]) for document in documents), Refreshed())

    def remove(self, names: Iterable[str]) -> int:
        """Forget the documents of these ids, all of them or none, and tell how many were there."""
        with self._intake.changing() as session:
            return session.remove(list(dict.fromkeys(names)))

    def refresh(self, folder: str | Path) -> Refreshed:
        """Make the index follow a folder: put what is new or changed there, forget what is gone.

        Documents that were put by hand stay. Each file is taken over as a whole or not at all; of a table each row.
        Passages without a vector are given one.

        Raises:
            Refusal: there is no such folder, it cannot be looked into, or the disk is full.
        """
        done = Refreshed()
        self._intake.take(self._intake.changes_in(at_home(folder), done), done)
        self._intake.embed_missing()  # what others put that have no embedder
        done.unread.sort()
        return done

    def search(self, query: str, limit: int = 10, where: Mapping[str, str] | None = None) -> list[Found]:
        """The passages that fit a query best, at most `limit`; of documents with the facts of `where` alone.

        Raises:
            Refusal: the query is too long, `limit` is not between 1 and 1,000, or the index has been given another
                embedder since it was opened.
        """
        if len(query) > LONGEST_QUERY:
            raise Refusal(f"the query has {len(query):,} characters, and {LONGEST_QUERY:,} are read; shorten it")
        if not 0 < limit <= MOST_FOUND:
            raise Refusal(f"limit {limit}: expected 1 to {MOST_FOUND:,}")
        where = dict(where or {})
        if len(where) > MOST_FACTS or not all(isinstance(each, str) for pair in where.items() for each in pair):
            raise Refusal(f"where: expected up to {MOST_FACTS} facts, texts by name")
        query = query.replace("\0", " ").encode("utf-8", "replace").decode()
        vector = self._embedder.query(query) if self._embedder is not None and query.strip() else None
        with self._store.reading() as session:
            self._intake.refuse_other_embedder(session)
            wanted = limit if self._reranker is None else max(limit, READ)
            found = candidates(session, query_tokens(query)[:MOST_TOKENS], vector, wanted, where)
        if self._reranker is not None:
            found = reranked(self._reranker, query, found)
        return [
            Found(
                document=each.passage.document,
                title=each.passage.title,
                text=each.passage.text,
                start=each.passage.start,
                end=each.passage.end,
                score=each.score,
                ways=each.ways,
                facts=each.passage.facts,
            )
            for each in found[:limit]
        ]


def store_of(place: str | Path) -> Store:
    """The store at a place, made where there is none.

    Raises:
        Refusal: it cannot be opened.
    """
    if isinstance(place, str) and "://" in place:
        from danlu.index.stores.postgres import PostgresStore

        return PostgresStore(place)
    from danlu.index.stores.sqlite import SqliteStore

    return SqliteStore(at_home(place))
