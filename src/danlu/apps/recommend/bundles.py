"""What bundles say of items: vectors of an `embed` bundle, kept with the items; a `rank` bundle's order of a few."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.item import Item
from danlu.apps.recommend.ledger import Ledger
from danlu.apps.recommend.terms import LONGEST_READ
from danlu.apps.recommend.vectors import Embedded, Space
from danlu.engine.predict import Predictor
from danlu.refusal import Refusal

Vectors = NDArray[np.float32]
AT_ONCE = 256
"""Items that are read before their vectors are kept."""


class Embedder:
    """Vectors of texts."""

    def __init__(self, predictor: Predictor, fingerprint: str) -> None:
        """From what answers, and what tells it from others; raises `Refusal` where it gives no vectors."""
        if predictor.task.answer_form != "vector":
            raise Refusal(
                f"--embedder: was trained for {predictor.task.kind}, which gives no vectors; give one of embed"
            )
        self._predictor = predictor
        self.fingerprint = fingerprint
        self.width = self(["a"]).shape[1]

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """The vectors, (len(texts), width)."""
        said = self._predictor.predict([{"text": text} for text in texts])
        return np.array([each["vector"] for each in said], np.float32)

    def kept_in(self, ledger: Ledger) -> Space:
        """A space whose vectors are kept with the items; those of another embedder, or another text, are made anew."""
        return _Kept(self, ledger)


class _Kept(Embedded):
    def __init__(self, embedder: Embedder, ledger: Ledger) -> None:
        super().__init__(embedder, embedder.width)
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
            vectors = self._embedder([item.words[:LONGEST_READ] for _, item in part])
            self.put_vectors([place for place, _ in part], vectors)
            kept = {item.id: (_digest(item), row.tobytes()) for (_, item), row in zip(part, vectors, strict=True)}
            self._ledger.keep_vectors(self._embedder.fingerprint, kept)


def _digest(item: Item) -> str:
    return hashlib.sha256(item.words.encode("utf-8", "surrogatepass")).hexdigest()


def reranker(predictor: Predictor) -> Callable[[str, Sequence[str]], list[float]]:
    """How well texts fit a query by a `rank` bundle; raises `Refusal` for another task."""
    if predictor.task.kind != "rank":
        raise Refusal(f"--ranker: was trained for {predictor.task.kind}, which ranks nothing; give one of rank")

    def said(query: str, texts: Sequence[str]) -> list[float]:
        if predictor.task.answer_form == "number":
            pairs = [{"text": query, "text_pair": text} for text in texts]
            return [float(each["number"]) for each in predictor.predict(pairs)]
        (ranked,) = predictor.predict([{"text": query, "candidates": list(dict.fromkeys(texts))}])
        found = dict(zip(ranked["ranking"], ranked["scores"], strict=True))
        return [float(found[text]) for text in texts]

    return said
