"""What is known of all users is a function of the set of deeds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.apps.recommend.behaviour import Behaviour
from danlu.apps.recommend.deed import USUAL, Deed, weights_of

WEIGHTS = weights_of(USUAL)
ITEMS = ["a", "b", "c", "d"]
told = st.lists(
    st.builds(
        Deed,
        st.sampled_from(["u", "v", "w"]),
        st.sampled_from([*ITEMS, "unknown"]),
        st.sampled_from([*USUAL, "other"]),
        st.integers(0, 9).map(lambda each: 1e9 + 1000.0 * each),
    ),
    max_size=25,
)


def behaviour(deeds: list[Deed], first: int = 4) -> Behaviour:
    found = Behaviour(WEIGHTS)
    for place, item in enumerate(ITEMS[:first]):
        found.know(item, place)
    found.add(deeds)
    for place, item in enumerate(ITEMS[first:], first):
        found.know(item, place)
    return found


def plain(found: Behaviour) -> object:
    """All that is exact: touches, what goes together, popularity, what waits."""
    size = len(ITEMS)
    touches = {
        user: sorted((place, touch.action, touch.units, touch.time) for place, touch in own.items())
        for user, own in found.users.items()
    }
    counts = [found.together.counts(place).tolist() for place in range(size)]
    popular = found.popularity(2e9, 5000.0, size).tolist()
    waiting = {name: set(own) for name, own in found.waiting.items()}
    return touches, counts, found.together.norms.tolist(), popular, found.touched_by(size).tolist(), waiting


@given(told, st.randoms(use_true_random=False), st.integers(0, 4), st.integers(1, 4))
@settings(max_examples=30)
def test_order_repetition_and_items_that_come_later_change_nothing(deeds, random, first, parts) -> None:
    whole = behaviour(deeds)
    other = list(deeds) + random.sample(deeds, len(deeds) // 2)
    random.shuffle(other)
    piecewise = behaviour(other[: len(other) // parts], first)
    ease = piecewise.ease
    for place, item in enumerate(ITEMS):
        piecewise.know(item, place)
    for start in range(len(other) // parts, len(other)):
        piecewise.add(other[start : start + 1])
    assert ease is not None
    assert plain(whole) == plain(piecewise)
    for user in whole.users:
        assert np.allclose(whole.ease.scores(whole.row(user)), piecewise.ease.scores(piecewise.row(user)), atol=1e-9)


def test_the_heaviest_action_counts_the_last_time_and_one_without_a_weight_was_seen() -> None:
    found = behaviour([Deed("u", "a", "share", 1e9), Deed("u", "a", "view", 1e9 + 5), Deed("u", "b", "other", 1e9)])
    (place, touch), _ = found.history("u", 5)
    assert (place, touch.action, touch.units, touch.time) == (0, "share", 400, 1e9 + 5)
    assert found.seen("u") == {0, 1}
    assert found.row("u")[1] == 0


def test_popularity_fades_by_half_as_its_formula_says() -> None:
    found = behaviour([Deed("u", "a", "view", 1e9), Deed("v", "a", "share", 1e9 - 500), Deed("v", "b", "click", 1e9)])
    assert np.allclose(found.popularity(1e9, 500.0, 4), [1 + 4 / 2, 2, 0, 0], rtol=1e-5)
    assert (found.popularity(2e9, 500.0, 4) == found.popularity(1e9, 500.0, 4)).all(), "as at the last deed"
    assert found.touched_by(4).tolist() == [2, 1, 0, 0]
