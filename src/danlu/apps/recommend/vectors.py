"""Vectors of items and of other texts, of length 1 each: from an `embed` bundle, or of weighted words."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.item import Item
from danlu.apps.recommend.terms import LONGEST_READ, Counted, Terms

Numbers = NDArray[np.float64]


class Space(ABC):
    """Where items lie beside each other: a row a place of the catalogue, zeros for an item without words.

    - `mark`: what tells it from others, in which other items lie near; a ranker knows the one that it has learnt in.
    """

    mark: str = ""

    @abstractmethod
    def put(self, items: Sequence[tuple[int, Item]]) -> None:
        """Know items at their places, new ones or changed ones."""

    @abstractmethod
    def vectors(self) -> Any:
        """All rows, (N, F), a dense or sparse matrix."""

    @abstractmethod
    def of_text(self, text: str) -> Any:
        """The row of a text, (1, F)."""

    def alike(self, places: Sequence[int]) -> Numbers:
        """Cosines between some items and all, (len(places), N)."""
        rows = self.vectors()
        return _dense(rows[list(places)] @ rows.T)

    def fits(self, text: str) -> Numbers:
        """Cosines between a text and all items, (N,)."""
        found: Numbers = _dense(self.of_text(text) @ self.vectors().T)[0]
        return found

    def between(self, places: Sequence[int]) -> Numbers:
        """Cosines between some items, (K, K)."""
        rows = self.vectors()[list(places)]
        return _dense(rows @ rows.T)


class Words(Space):
    """Words weighted as BM25 weighs those of a document (Robertson et al., 1994), rows brought to length 1."""

    K1, B = 1.2, 0.75

    def __init__(self, counted: Counted) -> None:
        """No item is known."""
        self.mark = f"words {counted.kind}"
        self._counted = counted
        self._terms: list[Terms] = []
        self._places: dict[str, int] = {}
        self._rows: Any = None
        self._weighted: Any = None
        self._counts: Any = None
        self._rarity: Numbers = np.zeros(0)

    def put(self, items: Sequence[tuple[int, Item]]) -> None:
        """See `Space.put`."""
        counted = self._counted.of([item.words for _, item in items], keep=True)
        for (place, _), terms in zip(items, counted, strict=True):
            while len(self._terms) <= place:
                self._terms.append(Terms())
            self._terms[place] = terms
        self._rows = None

    def vectors(self) -> Any:
        """See `Space.vectors`."""
        self._count()
        return self._rows

    def of_text(self, text: str) -> Any:
        """See `Space.of_text`."""
        self._count()
        (terms,) = self._counted.of([text], keep=False)
        return _of_length_one(self._query(terms))

    def bm25_of(self, places: Sequence[int], weights: Numbers) -> Numbers:
        """Okapi BM25 of all items for items that are one query together, each with a weight, (N,)."""
        self._count()
        if not len(places):
            return np.zeros(len(self._terms))
        return _dense(self._weighted @ (weights @ self._counts[list(places)]))

    def shared(self, one: int, text: str) -> list[str]:
        """The words that an item shares with a text, the rarest first; pairs that overlap are one, letters are none."""
        self._count()
        (terms,) = self._counted.of([text], keep=False)
        both = {term: self._rarity[self._places[term]] for term in terms if len(term) > 1 and term in self._terms[one]}
        found: dict[str, float] = {}
        for term, rarity in both.items():
            whole = _grown(term, text.lower(), both)
            found[whole] = max(rarity, found.get(whole, 0.0))
        return sorted(found, key=lambda term: (-found[term], term))

    def _count(self) -> None:
        """Weigh all words anew, as a new item makes others rarer or less rare."""
        from scipy import sparse

        if self._rows is not None:
            return
        names = sorted({term for terms in self._terms for term in terms})
        self._places = {term: place for place, term in enumerate(names)}
        columns = [self._places[term] for terms in self._terms for term in terms]
        counts = np.array([count for terms in self._terms for count in terms.values()], float)
        starts = np.cumsum([0, *map(len, self._terms)])
        shape = (len(self._terms), len(names))
        having = np.bincount(columns, minlength=len(names)) if columns else np.zeros(len(names))
        there = sum(bool(terms) for terms in self._terms)
        self._rarity = np.log(1 + (there - having + 0.5) / (having + 0.5))
        lengths = np.array([terms.total() for terms in self._terms], float)
        usual = lengths.sum() / max(1, there) or 1.0
        long = np.repeat(self.K1 * (1 - self.B + self.B * lengths / usual), np.diff(starts))
        weights = counts * (self.K1 + 1) / (counts + long) * self._rarity[columns]
        self._counts = sparse.csr_matrix((counts, columns, starts), shape)
        self._weighted = sparse.csr_matrix((weights, columns, starts), shape)
        self._rows = _of_length_one(self._weighted)

    def _plain(self, terms: Terms) -> Any:
        from scipy import sparse

        known = {self._places[term]: count for term, count in terms.items() if term in self._places}
        return sparse.csr_matrix((list(known.values()), ([0] * len(known), list(known))), (1, len(self._places)), float)

    def _query(self, terms: Terms) -> Any:
        plain = self._plain(terms)
        plain.data = plain.data * (self.K1 + 1) / (plain.data + self.K1) * self._rarity[plain.indices]
        return plain


class Embedded(Space):
    """Vectors of an embedder."""

    def __init__(self, embed: Callable[[Sequence[str]], NDArray[np.float32]]) -> None:
        """`embed` gives the vectors of texts, (len(texts), F)."""
        self._embed = embed
        self._rows: NDArray[np.float32] = np.zeros((0, embed(["a"]).shape[1]), np.float32)

    def put(self, items: Sequence[tuple[int, Item]]) -> None:
        """See `Space.put`."""
        self.put_vectors([place for place, _ in items], self._embed([item.words[:LONGEST_READ] for _, item in items]))

    def put_vectors(self, places: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Know the vectors of items, computed before."""
        if len(places):
            more = max(places) + 1 - len(self._rows)
            self._rows = np.pad(self._rows, ((0, max(0, more)), (0, 0)))
            self._rows[list(places)] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    def vectors(self) -> Any:
        """See `Space.vectors`."""
        return self._rows

    def of_text(self, text: str) -> Any:
        """See `Space.of_text`."""
        vectors = self._embed([text[:LONGEST_READ]])
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _grown(pair: str, text: str, known: Container[str]) -> str:
    """A pair of Chinese characters with the pairs that go on with it in a text; another word as it is."""
    if len(pair) != 2 or not "\u2e80" <= pair[0] <= "\ud7ff":
        return pair
    start = text.find(pair)
    end = start + 2
    while text[end - 1 : end + 1] in known and end < len(text):
        end += 1
    while start > 0 and text[start - 1 : start + 1] in known:
        start -= 1
    return text[start:end]


def _of_length_one(rows: Any) -> Any:
    from scipy import sparse

    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(1)).ravel())
    return sparse.diags(1 / np.maximum(lengths, 1e-12)) @ rows


def _dense(product: Any) -> Numbers:
    found: Numbers = np.asarray(product.todense() if hasattr(product, "todense") else product, np.float64)
    return found
