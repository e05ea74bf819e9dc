"""Weighted counts of short pieces of text (Sparck Jones 1972; Salton and Buckley 1988), by scikit-learn.

Chinese is counted in pieces of 1 to 3 characters, other text in 1 to 2 words and in pieces of words.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.refusal import Refusal
from danlu.task.texts import SECOND, in_pairs


class Vectors(Baseline):
    """What the baselines that learn from weighted counts have in common: what is counted, and how."""

    pieces: Literal["auto", "characters", "words"] = Field(
        default="auto", description="what is counted; auto: characters where most letters are Chinese or the like"
    )
    longest: int | None = Field(default=None, ge=1, le=8, description="pieces in a row; None: 3 characters or 2 words")
    minimum_texts: int = Field(default=2, ge=1, description="texts a piece must occur in; 1 if there are few texts")
    features: int = Field(default=400_000, ge=1, description="the most frequent pieces that are kept")
    column: str = Field(default="text", description="the column of the text")

    def vectors(self, train: Sequence[Record], test: Sequence[Record]) -> tuple[Any, Any]:
        """Sparse vectors of both, (N, F) and (M, F).

        Of two texts those of both, and what one has and the other has not: which pieces they share is what tells most.
        Raises `Refusal` if there is nothing to learn from, and for a record without its text.
        """
        if not train:
            raise Refusal("The training split has no records, and the baseline learns from them; look at the split.")
        sides = [(self._texts(train, self.column), self._texts(test, self.column))]
        if in_pairs(train):
            sides.append((self._texts(train, SECOND), self._texts(test, SECOND)))
        counted = self._counter(sides[0][0]).fit([text for texts, _ in sides for text in texts])
        learnt = _together([counted.transform(texts) for texts, _ in sides])
        return learnt, _together([counted.transform(texts) for _, texts in sides]) if test else learnt[:0]

    def _texts(self, records: Sequence[Record], column: str) -> list[str]:
        for number, record in enumerate(records, start=1):
            if not isinstance(record.get(column), str):
                raise Refusal(f"Record {number} has no text in the column '{column}', which the baseline reads.")
        return [record[column] for record in records]

    def _counter(self, texts: Sequence[str]) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union

        characters = self.pieces == "characters" or (self.pieces == "auto" and is_dense_script(texts))
        settings: dict[str, Any] = {
            "sublinear_tf": True,
            "min_df": self.minimum_texts if len(texts) >= 1000 else 1,
            "max_features": self.features,
            "dtype": np.float32,
        }
        if characters:
            return TfidfVectorizer(analyzer="char", ngram_range=(1, self.longest or 3), **settings)
        word = {"token_pattern": r"(?u)\w+|[^\w\s]"}  # single letters and signs count too
        words = TfidfVectorizer(ngram_range=(1, self.longest or 2), **word, **settings)
        return make_union(words, TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **settings))


def is_dense_script(texts: Sequence[str], sample: int = 1000) -> bool:
    """Whether most letters of the first texts belong to a script that writes no spaces between words."""
    letters = [character for text in texts[:sample] for character in text[:200] if character.isalpha()]
    dense = sum("\u2e80" <= character <= "\u9fff" for character in letters)
    return 2 * dense > len(letters)


def _together(sides: Sequence[Any]) -> Any:
    """The vectors of one text as they are; of two both, what they share, their difference, and how alike they are."""
    from scipy import sparse

    if len(sides) == 1:
        return sides[0]
    one, two = sides
    shared = one.multiply(two)
    alike = sparse.csr_matrix(np.asarray(shared.sum(1)))
    return sparse.hstack([one, two, shared, abs(one - two), alike], format="csr")
