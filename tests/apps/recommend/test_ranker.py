"""A ranker's plain numbers say what scikit-learn says, and what is no ranker is refused."""

import json

import numpy as np
import pytest

from danlu.apps.recommend.features import NAMES
from danlu.apps.recommend.opening import open_place
from danlu.apps.recommend.ranker import Ranker, fitted, learn, plain
from danlu.apps.recommend.vectors import Embedded
from danlu.refusal import Refusal


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(300, len(NAMES)))
    taken = features[:, 0] + features[:, 3] * features[:, 5] + 0.3 * rng.normal(size=300) > 0
    return features, taken, rng.uniform(0.5, 4, 300)


def test_scores_are_those_of_scikit_learn_also_after_they_were_written(rows) -> None:
    model = fitted(*rows)
    new = np.random.default_rng(3).normal(size=(200, len(NAMES)))
    ranker = plain(model)
    assert np.allclose(ranker.scores(new), model.decision_function(new), atol=1e-9)
    again = Ranker.from_json(ranker.to_json())
    assert (again.scores(new) == ranker.scores(new)).all()
    assert learn(*rows).to_json() == ranker.to_json()


def test_a_ranker_is_used_in_the_space_in_which_it_has_learnt_alone(rows, opened) -> None:
    ranker = learn(*rows)
    assert Ranker.from_json(ranker.to_json("words rules"), "words rules")
    with pytest.raises(Refusal, match="has learnt with another embedder or segmenter, and is not used"):
        Ranker.from_json(ranker.to_json("words rules"), "embedder 1")
    before = {name: told for name, told in json.loads(ranker.to_json("any")).items() if name != "space"}
    assert Ranker.from_json(json.dumps(before), "embedder 1")
    one = opened()
    one.use(ranker)
    assert one.ranker is not None
    other = opened(space=lambda _: Embedded(lambda texts: np.ones((len(texts), 2), np.float32)))
    assert other.ranker is None
    assert "has learnt with another embedder" in other.trouble


def test_a_ranker_is_used_with_the_weights_with_which_it_has_learnt_alone(rows, tmp_path) -> None:
    with open_place(tmp_path, weights="view=1,share=4") as found:
        found.use(learn(*rows))
        assert found.ranker is not None
    with open_place(tmp_path, weights="view=100,share=4") as found:
        assert found.ranker is None
        assert "has learnt with the weights view=1,share=4, and is not used; start with --weights" in found.trouble
        plain = {name: told for name, told in json.loads(found.ledger.setting("ranker")).items() if name != "weights"}
        found.ledger.learnt("ranker", json.dumps(plain))
        found.catch_up()
        assert found.ranker is not None, "older ones do not say"
    with open_place(tmp_path, weights="share=4,view=1") as found:
        assert not found.trouble


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"format": 1}', '{"format": 9, "features": []}', "nonsense", '{"format": 1, "features": 3}'],
)
def test_what_is_no_ranker_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="danlu app recommend learn"):
        Ranker.from_json(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight", [1.0]),
        ("weight", ["x"] * len(NAMES)),
        ("spread", [0.0] * len(NAMES)),
        ("initial", None),
        ("features", []),
        ("weights", {"view": "x"}),
        ("weights", ["view"]),
    ],
)
def test_a_ranker_whose_numbers_are_none_is_refused(rows, name: str, value: object) -> None:
    with pytest.raises(Refusal):
        Ranker.from_json(json.dumps(json.loads(learn(*rows).to_json()) | {name: value}))
