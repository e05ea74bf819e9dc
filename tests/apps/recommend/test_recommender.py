"""What is recommended: never what was seen, at once after what was done, and the same after all was read anew."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import started
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from danlu.apps.recommend.candidates import by_rule
from danlu.apps.recommend.deed import USUAL, Deed, weights_of
from danlu.apps.recommend.features import NAMES
from danlu.apps.recommend.item import Item
from danlu.apps.recommend.ledger import Ledger
from danlu.apps.recommend.listed import Recommended
from danlu.apps.recommend.opening import open_place
from danlu.apps.recommend.ranker import learn
from danlu.apps.recommend.recommender import Recommender
from danlu.apps.recommend.taken import Taken
from danlu.refusal import Refusal

DAY, BEGIN = 86_400.0, 1_790_000_000.0
END = BEGIN + 40 * DAY


def names(found: list[Recommended]) -> list[str]:
    return [each.item.id for each in found]


@given(
    st.lists(st.tuples(st.integers(0, 17), st.integers(0, 25), st.sampled_from(list(USUAL))), max_size=12),
    st.floats(0, 1),
    st.sampled_from(["", "tea 茶", "wheel"]),
)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_was_seen_is_ever_in_a_list(filled: Recommender, told: list, dial: float, interests: str) -> None:
    ids = [item.id for item in filled.catalogue.items] + ["not-here", "nor-this"]
    filled.take([Deed(f"u{user}", ids[item], action, END - 5) for user, item, action in told])
    for user in {f"u{user}" for user, _, _ in told} | {"u3", "nobody"}:
        seen = {deed.item for deed in filled.ledger.everything()[1] if deed.user == user}
        listed = names(filled.recommend(user, 100, diversity=dial, interests=interests))
        assert not seen & set(listed)
        assert set(listed) == {item for item in ids[:-2] if item not in seen}, "all others are"
        assert len(listed) == len(set(listed))


def test_behaviour_that_comes_bit_by_bit_is_the_same_as_all_read_anew(opened, items, deeds) -> None:
    one = opened()
    one.put(items[:13])
    for start in range(0, len(deeds), 7):
        one.take(deeds[start : start + 7])
        if start == 70:
            assert one.behaviour.ease is not None
            one.put(items[13:])
    two = opened()
    assert len(two.behaviour.users) == 16
    for user in (*sorted(one.behaviour.users), "nobody"):
        a, b = one.recommend(user, 24), two.recommend(user, 24)
        assert np.allclose([each.score for each in a], [each.score for each in b], atol=1e-9)
        assert {each.item.id: each.reason for each in a} == {each.item.id: each.reason for each in b}


def test_behaviour_takes_effect_at_once_also_in_another_process(filled: Recommender, opened) -> None:
    beside = opened()
    before = filled.recommend("new", 5)
    first = next(each.item for each in filled.recommend("new", 24) if each.item.id.startswith("bike"))
    assert filled.take([Deed("new", first.id, "share", END)]) == Taken(new=1, newcomers=1)
    after = beside.recommend("new", 5)
    assert names(after) == names(filled.recommend("new", 5)) != names(before)
    assert after[0].item.id.startswith("bike")
    assert after[0].reason.item == first.id
    assert after[0].reason.sentence("en").startswith(f"Because you shared “{first.title}”")
    assert after[0].reason.sentence("zh").startswith(f"因为你转发过《{first.title}》")


def test_what_a_reason_names_was_done_by_the_user(filled: Recommender) -> None:
    kinds = set()
    for user in filled.behaviour.users:
        done = {row["item"]: row["action"] for row in filled.history(user)}
        for each in filled.recommend(user, 24):
            kinds.add(each.reason.kind)
            if each.reason.kind in ("together", "alike"):
                assert done[each.reason.item] == each.reason.action
    assert kinds & {"together", "alike"}


def test_new_items_and_new_users_are_served_by_text(filled: Recommender) -> None:
    filled.put(
        [Item("fresh", "新到的乌龙茶", "乌龙茶 泡茶 茶壶", END - DAY), Item("later", "to come", "tea", END + DAY)]
    )
    by_text = filled.recommend("nobody", 12, interests="喜欢乌龙茶和茶壶")
    assert {each.item.id.partition("-")[0] for each in by_text[:4]} <= {"tea", "fresh"}
    (fresh,) = (each for each in by_text if each.item.id == "fresh")
    assert fresh.reason.kind == "interests"
    assert "乌龙" in "".join(fresh.reason.words)
    assert "fresh" in names(filled.recommend("u0", 12))
    assert "later" not in names(filled.recommend("u0", 100))
    assert filled.near(text="乌龙茶")[0].text > 0
    assert filled.near(item="fresh")[0].item.id.startswith("tea")


def test_the_dial_at_nothing_is_the_plain_ranking_and_more_of_it_is_less_alike(filled: Recommender) -> None:
    view = filled.view("u2")
    places, _ = filled.ranked(view, 8)
    assert names(filled.recommend("u2", 8)) == filled.catalogue.named(places.tolist())

    def likeness(dial: float) -> float:
        listed = [filled.place(name) for name in names(filled.recommend("u2", 8, diversity=dial))]
        return float(filled.space.between(listed).sum())

    assert likeness(0.9) < likeness(0.0)


def test_duplicates_unknown_things_and_clocks_that_go_back_are_told_and_nothing_is_lost(opened, items) -> None:
    found = opened()
    found.put(items)
    deed = Deed("u", "tea-0", "view", END - 100)
    assert found.take([deed, deed]) == Taken(new=1, again=1, newcomers=1)
    assert found.take([deed]) == Taken(new=0, again=1)
    told = found.take(
        [
            Deed("u", "not-here", "share", END - 50),
            Deed("u", "tea-2", "view", END - 500),
            Deed("u", "tea-4", "view", END + 10**6),
        ]
    )
    assert told == Taken(new=3, waiting=1, late=1, ahead=1)
    assert len(told.sentences()) == len(told.sentences("zh")) == 4
    assert found.history("u")[0]["time"] == END, "a time that is yet to come is that of its receipt"
    assert found.behaviour.latest == END
    found.put([Item("not-here", "now it is", "tea")])
    assert found.history("u")[1] == {"item": "not-here", "title": "now it is", "action": "share", "time": END - 50}
    behind = opened(END - 10**6)
    assert behind.now() == END
    assert names(behind.recommend("u", 30)) == names(found.recommend("u", 30))
    with pytest.raises(Refusal, match="the action 'stare' has no weight; the actions here are: view, click"):
        found.take([Deed("u", "tea-6", "view", END), Deed("u", "tea-6", "stare", END)])
    assert "tea-6" in names(found.recommend("u", 30)), "nothing of what was refused was kept"


def test_items_that_are_taken_away_stay_away_and_may_come_back(filled: Recommender, opened) -> None:
    first = names(filled.recommend("nobody", 24))[0]
    assert filled.remove([first, "unheard of"]) == 1
    assert first not in names(filled.recommend("nobody", 100))
    assert first not in names(opened().recommend("nobody", 100))
    assert filled.put([Item(first, "back", "again")]) == (0, 1)
    assert filled.put([Item(first, "back", "again")]) == (0, 0)
    assert first in names(filled.recommend("nobody", 100))


a_text = st.sampled_from(["绿茶 茶壶 leaves", "骑车 链条 wheel", "茶"])
an_item = st.sampled_from(["a", "b", "c", "d"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), an_item, a_text),
        st.tuples(st.just("remove"), an_item),
        st.tuples(st.just("take"), st.sampled_from(["u", "v"]), an_item, st.sampled_from(list(USUAL))),
        st.tuples(st.just("look")),
    ),
    max_size=14,
)


def known_of(found: Recommender) -> tuple[object, dict[object, float]]:
    """All that is exact, and all scores."""
    exact = found.state(), [found.history(user) for user in "uv"], found.busiest(9), sorted(found.catalogue.places)
    lists = {(user, each.item.id): each.score for user in "uvw" for each in found.recommend(user, 9, interests="茶")}
    near = {
        (name, each.item.id, part): value
        for name in found.catalogue.places
        for each in found.near(item=name)
        for part, value in (("together", each.together), ("text", each.text))
    }
    return exact, lists | near


@given(steps)
@example(
    [("put", name, "茶") for name in "abc"]
    + [("take", user, name, "view") for user in "uv" for name in "abc"]
    + [("remove", "a")]
)
@example([("put", "a", "茶"), ("look",), ("put", "a", "骑车 链条 wheel"), ("remove", "a"), ("put", "b", "茶")])
@settings(max_examples=5, deadline=None)
def test_a_place_that_is_opened_again_knows_what_was_known_also_of_what_was_removed(tmp_path_factory, told) -> None:
    place = tmp_path_factory.mktemp("again")
    with (
        Recommender(Ledger(place), weights_of(USUAL), clock=lambda: END) as live,
        Recommender(Ledger(place), weights_of(USUAL), clock=lambda: END) as beside,
    ):
        for number, (step, *values) in enumerate(told):
            if step == "put":
                live.put([Item(values[0], "", values[1])])
            elif step == "remove":
                live.remove(values)
            elif step == "take":
                live.take([Deed(*values, END - 100 + number)])
            else:
                beside.catch_up()
        with Recommender(Ledger(place), weights_of(USUAL), clock=lambda: END) as reopened:
            exact, scores = known_of(live)
            for other in (beside, reopened):
                assert known_of(other)[0] == exact
                assert known_of(other)[1] == pytest.approx(scores, abs=1e-9)


def test_what_was_learnt_elsewhere_is_used_and_what_cannot_be_used_leaves_the_rule(filled: Recommender, opened) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, len(NAMES)))
    ranker = learn(features, features[:, NAMES.index("age")] > 0, np.ones(200))
    beside = opened()
    plain = names(beside.recommend("u1", 24))
    filled.use(ranker)
    listed = beside.recommend("u1", 24)
    assert beside.state()["ranked_by"] == "ranker"
    assert names(listed) != plain
    view = beside.view("u1")
    places = [beside.place(name) for name in names(listed)]
    assert np.allclose([each.score for each in listed], ranker.scores(view.features[places]))
    filled.ledger.learnt("ranker", '{"format": 0}')
    assert names(beside.recommend("u1", 24)) == plain
    assert "danlu app recommend learn" in beside.trouble
    filled.use(None)
    assert beside.recommend("u1", 1)
    assert not beside.trouble


def test_who_has_a_place_open_keeps_the_weights_that_it_was_opened_with(tmp_path: Path) -> None:
    with open_place(tmp_path, weights="view=1,click=2") as found:
        found.put([Item("a", "tea")])
        with open_place(tmp_path, weights="view=9") as other:
            other.take([Deed("u", "a", "view", END)])
        assert found.state()["weights"] == {"view": 1, "click": 2}
        assert found.history("u")[0]["action"] == "view"
    with open_place(tmp_path) as again:
        assert again.state()["weights"] == {"view": 9}


@pytest.mark.parametrize(
    "asked",
    [
        {"user": " "},
        {"limit": 0},
        {"limit": 201},
        {"diversity": -0.1},
        {"diversity": float("nan")},
        {"user": "u" * 201},
    ],
)
def test_values_out_of_range_are_refused(filled: Recommender, asked: dict) -> None:
    with pytest.raises(Refusal, match="expected"):
        filled.recommend(**{"user": "u0", **asked})


def test_an_empty_place_recommends_nothing(opened) -> None:
    assert opened().recommend("u", 5, interests="tea", diversity=0.5) == []
    assert opened().near(text="tea") == []
    with pytest.raises(Refusal, match="there is no item"):
        opened().near(item="x")


KILLED = """
import sys
from danlu.apps.recommend.deed import *
from danlu.apps.recommend.features import NAMES
from danlu.apps.recommend.item import Item
from danlu.apps.recommend.ledger import Ledger
from danlu.apps.recommend.ranker import learn
from danlu.apps.recommend.recommender import Recommender
with Recommender(Ledger(sys.argv[1]), weights_of(USUAL), clock=lambda: 1.8e9) as found:
    print("ready", flush=True)
    for number in range(10**6):
        found.put([Item(f"i{number}", f"item {number}", "tea")])
        found.take([Deed(f"u{user}", f"i{number}", "view", 1.7e9 + number) for user in range(5)])
        print(number, flush=True)
"""


def test_what_was_told_as_taken_is_there_after_a_kill(tmp_path: Path) -> None:
    process = started.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.11)
    os.kill(process.pid, signal.SIGKILL)
    told = [int(line) for line in process.communicate()[0].splitlines() if line.isdigit()]
    with Recommender(Ledger(tmp_path), weights_of(USUAL), clock=lambda: 1.8e9) as found:
        _, deeds = found.ledger.everything()
        assert len(deeds) in (5 * len(told), 5 * len(told) + 5), "five at once, or none of them"
        assert len(found.catalogue) in (len(told), len(told) + 1)
        assert found.take([Deed("u0", "i0", "view", 1.7e9)]).again == (1 if deeds else 0)


def test_rounding_is_no_highest_value_by_which_others_are_divided() -> None:
    features = np.zeros((2, len(NAMES)))
    features[:, NAMES.index("linear")] = -0.01, 0.0
    highest = np.zeros(len(NAMES))
    highest[NAMES.index("linear")] = 1e-16
    assert by_rule(features, highest).tolist() == [0.0, 0.0]
