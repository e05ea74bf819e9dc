"""Nothing of the future is in what is learnt from, or in what is judged by."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.apps.recommend.deed import USUAL, Deed, weights_of
from danlu.apps.recommend.item import Item
from danlu.apps.recommend.learn import learnt
from danlu.apps.recommend.replay import Replay, moments
from danlu.apps.recommend.terms import Counted
from danlu.apps.recommend.vectors import Words
from danlu.text.segmenting.segmenters.rules import Rules

DAY, BEGIN = 86_400.0, 1_790_000_000.0
counted = Counted(Rules())


def space() -> Words:
    return Words(counted)


def replay(items: list[Item], deeds: list[Deed]) -> Replay:
    return Replay(items, deeds, weights_of(USUAL), space)


@given(seed=st.integers(0, 1000), day=st.integers(3, 20))
@settings(max_examples=8)
def test_what_comes_later_changes_nothing_that_is_seen_of_a_moment(items, deeds, seed: int, day: int) -> None:
    rng = np.random.default_rng(seed)
    moment = BEGIN + day * DAY
    after = [deed for deed in deeds if deed.time >= moment]
    other = [
        replace(
            deed, item=items[int(rng.integers(len(items)))].id, user=f"u{rng.integers(20)}", time=moment + rng.random()
        )
        for deed in after[: len(after) // 2]
    ]
    later = [replace(item, text=f"other words {rng.integers(99)}") if item.time > moment else item for item in items]
    one, two = replay(items, deeds), replay(later, [deed for deed in deeds if deed.time < moment] + other)
    asked = {each.user: each.view for each in one.asked(moment, np.inf)}
    again = {each.user: each.view for each in two.asked(moment, np.inf)}
    assert asked
    for user in asked.keys() & again.keys():
        assert (asked[user].features == again[user].features).all()
        assert (asked[user].allowed == again[user].allowed).all()


def test_a_ranker_is_the_same_whatever_happens_after_the_end(items, deeds, monkeypatch) -> None:
    monkeypatch.setattr("danlu.apps.recommend.learn.FEWEST", 10)
    end = BEGIN + 22 * DAY
    told = learnt(items, deeds, weights_of(USUAL), space, end)
    cut = learnt(items, [deed for deed in deeds if deed.time < end], weights_of(USUAL), space, end)
    assert told.ranker_ndcg is not None
    assert (told.ranker_ndcg, told.rule_ndcg, told.taken) == (cut.ranker_ndcg, cut.rule_ndcg, cut.taken)
    assert (told.ranker and told.ranker.to_json()) == (cut.ranker and cut.ranker.to_json())


def test_what_is_asked_was_there_and_not_seen_and_cold_is_what_nobody_touched(items, deeds) -> None:
    found: Callable[[str], float] = {item.id: item.time for item in items}.__getitem__
    over = replay(items, deeds)
    spans, cold = moments(BEGIN + 10 * DAY, BEGIN + 40 * DAY, 6), 0
    assert spans[0][0] == BEGIN + 10 * DAY
    assert spans[-1][1] == BEGIN + 40 * DAY
    for start, stop in spans:
        before = {(deed.user, deed.item) for deed in deeds if deed.time < start}
        touched = {item for _, item in before}
        for asked in over.asked(start, stop):
            names = over.catalogue.named(list(asked.taken))
            cold += len(asked.cold)
            for place, name in zip(asked.taken, names, strict=True):
                assert found(name) <= start
                assert (asked.user, name) not in before
                assert any(
                    deed.item == name and deed.user == asked.user and start <= deed.time < stop for deed in deeds
                )
                assert (place in asked.cold) == (name not in touched)
                assert asked.view.allowed[place]
    assert cold
