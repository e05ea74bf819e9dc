"""A ranker that was learnt, as plain numbers: gradient-boosted trees (Friedman, 2001), grown by scikit-learn."""

import json
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.features import NAMES
from danlu.refusal import Refusal

Numbers = NDArray[np.float64]
TREES, DEPTH, RATE, LEAF = 80, 3, 0.1, 20
FORMAT = 1


@dataclass(frozen=True)
class Ranker:
    """Trees side by side, each padded to as many nodes: (T, N) arrays; a leaf leads to itself."""

    initial: float
    feature: NDArray[np.int64]
    threshold: Numbers
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Numbers

    def scores(self, features_KF: Numbers) -> Numbers:
        """The log-odds that each will be taken up, (K,)."""
        seen = features_KF.astype(np.float32)  # as trees of scikit-learn see them
        trees = np.arange(len(self.feature))[None, :]
        node_KT = np.zeros((len(seen), len(self.feature)), np.int64)
        for _ in range(DEPTH):
            value_KT = seen[np.arange(len(seen))[:, None], self.feature[trees, node_KT]]
            goes_left = value_KT <= self.threshold[trees, node_KT]
            node_KT = np.where(goes_left, self.left[trees, node_KT], self.right[trees, node_KT])
        found: Numbers = self.initial + self.value[trees, node_KT].sum(1)
        return found

    def to_json(self) -> str:
        """All of its numbers."""
        told: dict[str, Any] = {"format": FORMAT, "features": NAMES, "initial": self.initial}
        return json.dumps(told | {name: getattr(self, name).tolist() for name in _ARRAYS})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The ranker that `to_json` has told; raises `Refusal` for what is none, or looks at other features."""
        try:
            told = json.loads(text)
            arrays = {name: np.array(told[name], kind) for name, kind in _ARRAYS.items()}
            sound = told["format"] == FORMAT and tuple(told["features"]) == NAMES and _lead_inside(arrays)
            initial = float(told["initial"])
        except (KeyError, TypeError, ValueError, IndexError):
            sound = False
        if not sound:
            raise Refusal("the ranker that is kept cannot be used here; run: danlu app recommend learn")
        return cls(initial, **arrays)


def _lead_inside(arrays: dict[str, NDArray[Any]]) -> bool:
    """Whether arrays are of one shape, and lead to none but their own nodes and the features that there are."""
    if len({array.shape for array in arrays.values()}) != 1 or arrays["left"].ndim != 2:
        return False
    nodes = arrays["left"].shape[1]
    limits = {"left": nodes, "right": nodes, "feature": len(NAMES)}
    return all(bool(((arrays[name] >= 0) & (arrays[name] < most)).all()) for name, most in limits.items())


_ARRAYS: dict[str, type] = {
    "feature": np.int64,
    "threshold": np.float64,
    "left": np.int64,
    "right": np.int64,
    "value": np.float64,
}


def learn(features_KF: Numbers, taken_K: NDArray[np.bool_], weights_K: Numbers, seed: int = 0) -> Ranker:
    """A ranker from what was taken up and what was not, each row with a weight."""
    return plain(grown(features_KF, taken_K, weights_K, seed))


def grown(features_KF: Numbers, taken_K: NDArray[np.bool_], weights_K: Numbers, seed: int = 0) -> Any:
    """The model as scikit-learn has it."""
    from sklearn.ensemble import GradientBoostingClassifier

    model = GradientBoostingClassifier(
        n_estimators=TREES,
        max_depth=DEPTH,
        learning_rate=RATE,
        min_samples_leaf=LEAF,
        subsample=0.7,
        random_state=seed,
    )
    return model.fit(features_KF, taken_K, sample_weight=weights_K)


def plain(model: Any) -> Ranker:
    """The numbers of a model of scikit-learn."""
    trees = [each.tree_ for each in model.estimators_[:, 0]]
    nodes = max(tree.node_count for tree in trees)

    def padded(rows: list[Any], fill: float) -> NDArray[Any]:
        return np.stack([np.pad(row, (0, nodes - len(row)), constant_values=fill) for row in rows])

    own = [np.arange(tree.node_count) for tree in trees]
    leaf = [tree.children_left < 0 for tree in trees]
    none = np.zeros((1, len(NAMES)), np.float32)
    first = float(model.decision_function(none)[0]) - model.learning_rate * sum(
        float(tree.predict(none)[0, 0]) for tree in trees
    )
    return Ranker(
        first,
        padded([np.where(end, 0, tree.feature) for tree, end in zip(trees, leaf, strict=True)], 0),
        padded([tree.threshold for tree in trees], 0.0),
        padded([np.where(end, me, tree.children_left) for tree, end, me in zip(trees, leaf, own, strict=True)], 0),
        padded([np.where(end, me, tree.children_right) for tree, end, me in zip(trees, leaf, own, strict=True)], 0),
        padded([model.learning_rate * tree.value[:, 0, 0] for tree in trees], 0.0),
    )
