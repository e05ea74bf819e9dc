"""What models that have not seen a text say of its label, by cross-validation.

Three linear models read pieces of characters. Where there is enough to learn it from, boosted trees (Ke et al., 2017)
then learn how far to trust them for texts of this length and topic (stacking: Wolpert, 1992). Of 5 % labels flipped in
17,315 reviews, the worst 5 % hold 53 % with the trees and 48 % with the best linear model alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.data.duplicates.dedup import exact_clusters
from danlu.machine.seed import generator

Shares = NDArray[np.float64]
Numbers = NDArray[np.int64]

_STACK_ROWS = 2000  # with fewer, trees learn nothing that a line has not
_STACK_LABELS = 20  # trees are grown for each label
_TOPICS = 50


def out_of_sample(texts: Sequence[str], labels: Sequence[str], *, folds: int = 5, seed: int = 0) -> Shares:
    """The probability of each label, sorted, for each text, by models that learnt from other texts; (N, C).

    Equal texts are held out together. A label's only text is given its own label with certainty, for nothing is
    known that speaks against it, unless an equal text has another label.
    """
    names = sorted(set(labels))
    numbers = np.array([names.index(label) for label in labels])
    firsts = exact_clusters([text.strip() for text in texts])
    cross = _Crossing(numbers, _folds(firsts, numbers, folds, seed), len(names), firsts)
    few = 1 if len(texts) < 1000 else 2
    long, short = _pieces(texts, 3, few), _pieces(texts, 2, few)
    linear = [cross.shares(long, _logistic(5.0)), cross.shares(short, _logistic(2.0)), cross.shares(long, _bayes())]
    if len(texts) < _STACK_ROWS or len(names) > _STACK_LABELS:
        return cross.certain_where_alone(np.mean(linear, axis=0))
    features = [np.log(np.clip(shares, 1e-4, 1 - 1e-4)) for shares in linear]
    features += [_forms(texts), _topics(short)]
    return cross.certain_where_alone(cross.shares(np.concatenate(features, axis=1), _trees()))


@dataclass(frozen=True)
class _Crossing:
    """Which label each text has, in which fold it is held out, and the first that equals it, (N,) each; C labels."""

    numbers: Numbers
    folds: Numbers
    labels: int
    firsts: Numbers

    def shares(self, vectors: Any, model: Any) -> Shares:
        """Each text's probabilities by a model that learnt from the other folds, (N, C)."""
        from sklearn.base import clone

        found = np.full((len(self.numbers), self.labels), 1e-9)
        for fold in np.unique(self.folds):
            held, learning = self.folds == fold, self.folds != fold
            known = np.unique(self.numbers[learning])
            if len(known) > 1:
                learnt = clone(model).fit(vectors[learning], self.numbers[learning])
                found[np.ix_(held, known)] += learnt.predict_proba(vectors[held])
            else:
                found[held] += 1
        shares: Shares = found / found.sum(1, keepdims=True)
        return shares

    def certain_where_alone(self, shares: Shares) -> Shares:
        for number in range(self.labels):
            rows = np.flatnonzero(self.numbers == number)
            others = np.isin(self.firsts, self.firsts[rows]) & (self.numbers != number)
            if len(np.unique(self.folds[rows])) == 1 and not others.any():
                shares[rows] = np.eye(self.labels)[number]
        return shares


def _folds(firsts: Numbers, numbers: Numbers, folds: int, seed: int) -> Numbers:
    """Which fold each text is held out in, (N,): each label dealt out by itself, equal texts together."""
    found = np.zeros(len(firsts), np.int64)
    rng = generator(seed, "label folds")
    for number in np.unique(numbers):
        rows = np.flatnonzero((numbers == number) & (firsts == np.arange(len(firsts))))
        found[rng.permutation(rows)] = np.arange(len(rows)) % folds
    return found[firsts]


def _pieces(texts: Sequence[str], longest: int, fewest: int) -> Any:
    """TF-IDF of the pieces of 1 to `longest` characters that occur in `fewest` texts, a sparse (N, F)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        analyzer="char",
        ngram_range=(1, longest),
        sublinear_tf=True,
        min_df=fewest,
        max_features=400_000,
        dtype=np.float32,
    ).fit_transform(texts)


def _forms(texts: Sequence[str]) -> NDArray[np.float64]:
    """Length, punctuation, digits at the beginning and share of ASCII of each text, (N, 4)."""
    return np.array(
        [
            (
                np.log1p(len(text)),
                sum(text.count(sign) for sign in "，。！？,.!?"),
                sum(map(str.isdigit, text[:3])),
                len(text.encode("ascii", "ignore")) / max(len(text), 1),
            )
            for text in texts
        ]
    )


def _topics(vectors: Any) -> NDArray[np.float64]:
    """The first singular directions of the texts (Deerwester et al., 1990), (N, 50 at most)."""
    from sklearn.decomposition import TruncatedSVD

    found: NDArray[np.float64] = TruncatedSVD(min(_TOPICS, vectors.shape[1] - 1), random_state=0).fit_transform(vectors)
    return found


def _logistic(inverse_regularisation: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    return OneVsRestClassifier(LogisticRegression(C=inverse_regularisation, solver="liblinear"))


def _bayes() -> Any:
    from sklearn.naive_bayes import ComplementNB

    return ComplementNB(alpha=0.1)


def _trees() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.06, max_leaf_nodes=8, min_samples_leaf=60, early_stopping=False, random_state=0
    )
