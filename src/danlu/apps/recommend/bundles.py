"""What bundles say of items: vectors of an `embed` bundle, kept with the items; a `rank` bundle orders a few."""

import hashlib
from collections.abc import Sequence

import numpy as np

from danlu.apps.bundles import Role
from danlu.apps.recommend.item import Item
from danlu.apps.recommend.ledger import Ledger
from danlu.apps.recommend.terms import LONGEST_READ
from danlu.apps.recommend.vectors import Embedded
from danlu.index.embedding import Embedder
from danlu.index.reranking import Reranker

AT_ONCE = 256
"""Items that are read before their vectors are kept."""

ROLES = {"embedder": Role(Embedder, kept=True), "ranker": Role(Reranker)}
"""The bundles that may help."""


class Kept(Embedded):
    """A space whose vectors are kept with the items; those of another embedder, or another text, are made anew."""

    def __init__(self, embedder: Embedder, ledger: Ledger) -> None:
        """Take what `ledger` has of this embedder."""
        super().__init__(embedder.passages)
        self.mark = f"embedder {embedder.fingerprint}"
        self._embedder, self._ledger = embedder, ledger
        self._stored = ledger.vectors(embedder.fingerprint)

    def put(self, items: Sequence[tuple[int, Item]]) -> None:
        """See `Space.put`."""
        missing: list[tuple[int, Item]] = []
        for place, item in items:
            digest, vector = self._stored.pop(item.id, ("", b""))
            if digest == _digest(item):
                self.put_vectors([place], np.frombuffer(vector, np.float32)[None])
            else:
                missing.append((place, item))
        for start in range(0, len(missing), AT_ONCE):
            part = missing[start : start + AT_ONCE]
            vectors = self._embedder.passages([item.words[:LONGEST_READ] for _, item in part])
            self.put_vectors([place for place, _ in part], vectors)
            kept = {item.id: (_digest(item), row.tobytes()) for (_, item), row in zip(part, vectors, strict=True)}
            self._ledger.keep_vectors(self._embedder.fingerprint, kept)


def _digest(item: Item) -> str:
    return hashlib.sha256(item.words.encode("utf-8", "surrogatepass")).hexdigest()
