"""The index of an assistant: made of its database, followed, and found in by one embedder."""

import hashlib
import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from danlu.apps.assistant.matching import Known, Matcher, Vectors
from danlu.apps.assistant.store import Kept, Phrase, Store
from danlu.index.document import Document
from danlu.index.index import Index
from danlu.machine.files import write_text

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering

QUESTION, ANSWER = "question", "answer"
WORDS = "words"
_AGREES = "2"
"""By what an index is made to agree; earlier versions left in it what the database had let go of."""


class Finder(Matcher):
    """A matcher over an index in the folder of an assistant; an index of each embedder has a folder of its own."""

    def __init__(
        self,
        folder: Path,
        store: Store,
        embedder: "Answering | None" = None,
        reranker: "Answering | None" = None,
        asking: AbstractContextManager[object] | None = None,
    ) -> None:
        """Open the index, and make it follow the database; what is known changes only while `asking` is held.

        Raises:
            Refusal: it cannot be opened.
        """
        name = fingerprint(embedder)
        self.place = folder / f"index-{name}"
        index = Index.open(self.place, embedder=embedder, reranker=reranker)
        super().__init__(Known(), index, None if embedder is None else Vectors(embedder))
        self._changing = threading.Lock()
        self._asking = asking or nullcontext()
        try:
            self.follow(store)
        except BaseException:
            index.close()
            raise

    def follow(self, store: Store) -> None:
        """Take over all that the database holds and the index does not, and forget what was taken back."""
        with self._changing:
            entries, phrases = store.all()
            known = Known()
            known.add(entries, phrases)
            if self.known.entries:  # what is known is in the index too
                new = [each for each in entries if each.id not in self.known.entries]
                self._put(new, [each for each in known.phrases.values() if each.id not in self.known.phrases])
                before, now = (_names(each.entries.values(), each.phrases.values()) for each in (self.known, known))
                self.index.remove(before - now)
            else:
                self._made_to_agree(known, store, _digest(entries, phrases))
            with self._asking:
                self.known = known

    def _made_to_agree(self, known: Known, store: Store, digest: str) -> None:
        """Compare the index with the database, unless it was seen to agree with it as it is now."""
        mark = self.place / "follows"
        if not mark.is_file() or mark.read_text(encoding="utf-8") != digest:
            self._put(known.entries.values(), known.phrases.values(), missing=True)
            there = set(self.index.names())
            self.index.remove(there - _names(*store.all()))  # read after it: others put what they have kept just before
            write_text(mark, digest)

    def take(self, entries: Sequence[Kept], phrases: Sequence[Phrase]) -> None:
        """Take over what has just been kept in the database; what a killed process has not, the next one does."""
        with self._changing:
            self._put(entries, [phrase for phrase in phrases if phrase.offered])
            self.index.remove(_name(phrase) for phrase in phrases if not phrase.offered)
            with self._asking:
                self.known.add(entries, phrases)

    def close(self) -> None:
        """Let go of the index; bundles stay open."""
        self.index.close()

    def _put(self, entries: Iterable[Kept], phrases: Iterable[Phrase], *, missing: bool = False) -> None:
        documents = [
            *(Document(_of(each), each.answer, facts={"side": ANSWER, "entry": each.id}) for each in entries),
            *(Document(_name(each), each.text, facts={"side": QUESTION, "entry": each.entry}) for each in phrases),
        ]
        if missing:
            documents = [each for each in documents if self.index.document(each.id) is None]
        if documents:
            self.index.put(documents)


def fingerprint(bundle: "Answering | None") -> str:
    """A name for what a bundle makes of texts; `WORDS` without one."""
    return WORDS if bundle is None else bundle.fingerprint


def _name(phrase: Phrase) -> str:
    return f"q:{phrase.id}"


def _of(entry: Kept) -> str:
    return f"a:{entry.id}"


def _names(entries: Iterable[Kept], phrases: Iterable[Phrase]) -> set[str]:
    """What an index of them holds."""
    return {*map(_of, entries), *(_name(phrase) for phrase in phrases if phrase.offered)}


def _digest(entries: Sequence[Kept], phrases: Sequence[Phrase]) -> str:
    """Of all names, which are hashes of what they name."""
    names = [_AGREES, *(each.id for each in entries), *(f"{each.id}{each.offered}" for each in phrases)]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
