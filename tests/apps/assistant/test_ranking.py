"""Order and threshold: on questions that had no part in it, the rates that are stated."""

import numpy as np

from danlu.apps.assistant.matching import FEATURES, Candidate
from danlu.apps.assistant.ranking import FIRST_WEIGHTS, Examined, Ranking, fitted, weights_of

HIGHER = {"vector": 0.5, "asked": 0.25}


def drawn(rng: np.random.Generator, right: bool, higher: dict[str, float] = HIGHER) -> Examined:
    """Candidates whose features are normal; those of the right one lie higher, most of all its 'vector'."""
    candidates = []
    for number in range(6):
        shift = higher if right and number == 0 else {}
        values = {name: float(rng.normal(0.3 + shift.get(name, 0.0), 0.12)) for name in FEATURES}
        candidates.append(Candidate(f"e{number}", f"p{number}", values | {"rank": 0.0}))
    return Examined(candidates, "e0" if right else None)


def test_a_threshold_that_was_fitted_on_one_part_gives_its_stated_rate_on_another() -> None:
    refused, answered, precise = [], [], []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        ranking = fitted([drawn(rng, place % 2 == 0) for place in range(400)], Ranking(), outside=0.05)
        outside = [ranking.placed(drawn(rng, right=False)[0]).given for _ in range(500)]
        inside = [ranking.placed(drawn(rng, right=True)[0]) for _ in range(300)]
        refused.append(1 - np.mean(outside))
        answered.append(np.mean([placed.given for placed in inside]))
        precise.append(np.mean([placed.candidates[0].entry == "e0" for placed in inside if placed.given]))
    assert 0.92 <= np.mean(refused) <= 0.98
    assert np.mean(answered) > 0.85
    assert min(precise) > 0.97


def test_weights_follow_what_tells_the_right_answer_and_few_questions_teach_nothing() -> None:
    rng = np.random.default_rng(1)
    weights = weights_of([drawn(rng, right=True) for _ in range(60)])
    moved = {name: weights[name] - FIRST_WEIGHTS[name] for name in FEATURES}
    assert moved["vector"] > moved["asked"] > abs(moved["rank"])
    assert moved["asked"] > moved["near"]
    against = weights_of([drawn(rng, right=True, higher={"asked": -0.7}) for _ in range(300)])
    assert against["asked"] == 0 < FIRST_WEIGHTS["asked"], "more of it never makes less sure"
    few = [drawn(rng, right=True), drawn(rng, right=False)]
    assert fitted(few, Ranking()) == Ranking()


def test_a_ranking_is_the_same_after_it_was_kept_as_json() -> None:
    import json

    rng = np.random.default_rng(2)
    ranking = fitted([drawn(rng, place % 2 == 0) for place in range(100)], Ranking())
    again = Ranking.read(json.loads(json.dumps(ranking.plain())))
    candidates = drawn(rng, right=True)[0]
    assert again.placed(candidates) == ranking.placed(candidates)
    assert Ranking().placed([]).given is False
