"""Vectors of passages and of queries, by a bundle of the task embed. N texts, E numbers of a vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from danlu.index.chunks import chunks
from danlu.index.store import Vectors
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering


class Embedder:
    """A bundle that gives vectors, and what it wants to stand before a query and before a passage."""

    def __init__(self, bundle: Answering, prefixes: tuple[str, str] = ("", "")) -> None:
        """Use a bundle with these prefixes, of a query and of a passage, such as "query: " and "passage: ".

        Raises:
            Refusal: it gives no vectors.
        """
        if bundle.task.answer_form != "vector":
            raise Refusal(
                f"{bundle.folder}: was trained for {bundle.task.kind}, which gives no vectors; give a bundle of the "
                "task embed"
            )
        self._bundle = bundle
        self.prefixes = prefixes
        self._limit = min(bundle.facts["max_length"], bundle.task.max_length or bundle.facts["max_length"])

    @property
    def fingerprint(self) -> str:
        """Tells whether vectors came from the same model, asked in the same way."""
        return "\n".join((self._bundle.fingerprint, *self.prefixes))

    @property
    def shown(self) -> str:
        """What messages call it."""
        return str(self._bundle.folder)

    def query(self, text: str) -> Vectors:
        """The vector of a query, (E,), of length 1."""
        vector: Vectors = self._vectors([text], self.prefixes[0])[0]
        return vector

    def passages(self, texts: Sequence[str]) -> Vectors:
        """A vector of each passage, (N, E), of length 1."""
        return self._vectors(texts, self.prefixes[1])

    def _vectors(self, texts: Sequence[str], prefix: str) -> Vectors:
        """Of a text that is longer than the model reads, the mean of the vectors of its parts."""
        parts, owners = [], []
        for number, text in enumerate(texts):
            found = self._parts(f"{prefix}{text}", prefix)
            parts += found
            owners += [number] * len(found)
        found_PE = np.array([each["vector"] for each in self._bundle.predict(parts)], np.float32)
        if len(parts) == len(texts):
            return found_PE
        sums_NE = np.zeros((len(texts), found_PE.shape[1]), np.float32)
        np.add.at(sums_NE, owners, found_PE)
        lengths_N1 = np.linalg.norm(sums_NE, axis=1, keepdims=True)
        scaled_NE: Vectors = sums_NE / np.maximum(lengths_N1, np.float32(1e-12))
        return scaled_NE

    def _parts(self, text: str, prefix: str) -> list[str]:
        """The text in parts that the model can read; most often one."""
        size = 2 * self._limit
        parts = [text]
        while (
            any(len(self._bundle.tokenizer(part, verbose=False)["input_ids"]) > self._limit for part in parts)
            and size > 16
        ):
            parts = [text[start:end] for start, end in chunks(text, size, 0)]
            parts = [part if part.startswith(prefix) else prefix + part for part in parts]
            size //= 2
        return parts
