"""A ranker that was learnt, as plain numbers: a logistic regression on features brought to one scale, by scikit-learn.

Gradient-boosted trees of the same rows were worse on made-up readers (2026-11: NDCG@10 0.151 beside 0.155).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.features import NAMES
from danlu.refusal import Refusal

Numbers = NDArray[np.float64]
FORMAT = 1


@dataclass(frozen=True)
class Ranker:
    """The mean and spread of each feature, what it weighs when these are taken away, all (F,), and what is added."""

    mean: Numbers
    spread: Numbers
    weight: Numbers
    initial: float

    def scores(self, features_KF: Numbers) -> Numbers:
        """The log-odds that each will be taken up, (K,)."""
        found: Numbers = (features_KF - self.mean) / self.spread @ self.weight + self.initial
        return found

    def to_json(self, space: str = "", weights: Mapping[str, float] | None = None) -> str:
        """All of its numbers, the mark of the space in which it has learnt, and the weights of actions."""
        told: dict[str, Any] = {"format": FORMAT, "features": NAMES, "initial": self.initial, "space": space}
        told["weights"] = weights
        return json.dumps(told | {name: getattr(self, name).tolist() for name in _ARRAYS})

    @classmethod
    def from_json(cls, text: str, space: str = "", weights: Mapping[str, float] | None = None) -> Self:
        """The ranker that `to_json` has told.

        Raises:
            Refusal: it is none, looks at other features, or has learnt in another space, where texts lie elsewhere, or
                with other weights, by which features are on another scale.
        """
        try:
            told = json.loads(text)
            arrays = [np.array(told[name], np.float64) for name in _ARRAYS]
            sound = told["format"] == FORMAT and tuple(told["features"]) == NAMES
            sound = sound and all(array.shape == (len(NAMES),) and np.isfinite(array).all() for array in arrays)
            mean, spread, weight = arrays
            found = cls(mean, spread, weight, float(told["initial"]))
            known = {str(action): float(each) for action, each in (told.get("weights") or {}).items()}
        except (AttributeError, KeyError, TypeError, ValueError):
            sound = False
        if not sound or not (found.spread > 0).all() or not np.isfinite(found.initial):
            raise Refusal("the ranker that is kept cannot be used here; run: danlu app recommend learn")
        if told.get("space", space) != space:  # before 0.1 it was not noted
            raise Refusal(
                "the ranker that is kept has learnt with another embedder or segmenter, and is not used; give that, or "
                "run: danlu app recommend learn"
            )
        if known and known != weights:  # older ones do not note them
            written = ",".join(f"{action}={each:g}" for action, each in known.items())
            raise Refusal(
                f"the ranker that is kept has learnt with the weights {written}, and is not used; start with --weights "
                f"{written}, or run: danlu app recommend learn"
            )
        return found


_ARRAYS = ("mean", "spread", "weight")


def learn(features_KF: Numbers, taken_K: NDArray[np.bool_], weights_K: Numbers) -> Ranker:
    """A ranker from what was taken up and what was not, each row with a weight."""
    return plain(fitted(features_KF, taken_K, weights_K))


def fitted(features_KF: Numbers, taken_K: NDArray[np.bool_], weights_K: Numbers) -> Any:
    """The model as scikit-learn has it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    return model.fit(features_KF, taken_K, logisticregression__sample_weight=weights_K)


def plain(model: Any) -> Ranker:
    """The numbers of a model of scikit-learn."""
    scaler, regression = model[0], model[-1]
    return Ranker(scaler.mean_, scaler.scale_, regression.coef_[0], float(regression.intercept_[0]))
