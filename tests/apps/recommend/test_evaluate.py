"""An evaluation ranks all that was there, and finds what there is to find."""

from dataclasses import replace

import numpy as np
import pytest

from danlu.apps.recommend.deed import USUAL, Deed, weights_of
from danlu.apps.recommend.evaluate import evaluate
from danlu.apps.recommend.evaluation_words import COLUMNS, lines_of, plain_of
from danlu.apps.recommend.item import Item
from danlu.apps.recommend.learn import learnt
from danlu.apps.recommend.terms import Counted
from danlu.apps.recommend.vectors import Words
from danlu.refusal import Refusal
from danlu.text.segmenting.segmenters.rules import Rules

WEIGHTS = weights_of(USUAL)


def space() -> Words:
    return Words(Counted(Rules()))


def chains(users: int) -> tuple[list[Item], list[Deed]]:
    """Items in twos: who reads the one reads the other a day later; an item of its own sort is read by all, first."""
    items = [Item(f"{pair}{side}", "", f"words {pair} {side}") for pair in "abcdefgh" for side in "xy"]
    deeds = []
    for user in range(users):
        pair = "abcdefgh"[user % 8]
        deeds += [
            Deed(f"u{user}", f"{pair}x", "view", 1e9 + user),
            Deed(f"u{user}", f"{pair}y", "view", 1e9 + user + 300),
        ]
    return items, deeds


def test_what_is_always_read_together_is_found_by_who_read_it_and_by_no_popularity() -> None:
    items, deeds = chains(400)
    found = evaluate(items, deeds, WEIGHTS, space, space, share=0.9, spans=2)
    at = {name: row.means()[0] for name, row in found.rows.items()}
    known = [user for user in found.users if float(user[1:]) < found.split - 1e9]
    assert known
    row = found.rows["co-occurrence"]
    first = [value for user, value in zip(found.users, row.ndcg, strict=True) if user in known]
    assert np.mean(first) > 0.9
    assert at["co-occurrence"] > at["popularity"]
    mean, low, high = found.gain("co-occurrence", "popularity")
    assert low <= mean <= high
    assert mean == pytest.approx(at["co-occurrence"] - at["popularity"])
    assert found.rows["as served"].ndcg == found.rows["ranker" if found.learnt.ranker else "rule"].ndcg
    assert found.gain("EASE", "EASE") == (0, 0, 0)
    told = plain_of(found)
    assert told["ways"]["EASE"]["NDCG@10"] == at["EASE"]
    lines = "\n".join(lines_of(found))
    assert all(name in lines for name in (*COLUMNS, *found.rows))


def test_too_little_is_told_of_and_a_split_outside_refused() -> None:
    items, deeds = chains(3)
    with pytest.raises(Refusal, match="10 or more"):
        evaluate(items, deeds, WEIGHTS, space, space)
    items, deeds = chains(20)
    with pytest.raises(Refusal, match="lies outside"):
        evaluate(items, deeds, WEIGHTS, space, space, split=5e9)
    found = evaluate(items, deeds, WEIGHTS, space, space, spans=1)
    assert found.learnt.ranker is None
    assert "are needed" in found.learnt.sentence()


def test_behaviour_of_one_time_is_told_to_be_so() -> None:
    items, deeds = chains(20)
    deeds = [replace(deed, time=1e9) for deed in deeds]
    with pytest.raises(Refusal, match="all 40 deeds are of the same time, and an evaluation splits in time"):
        evaluate(items, deeds, WEIGHTS, space, space)
    assert "all behaviour is of the same time" in learnt(items, deeds, WEIGHTS, space, 2e9).sentence()
    assert "0 items were taken up" in learnt(items, [], WEIGHTS, space, 2e9).sentence()


def test_a_linear_model_that_there_is_not_is_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    items, deeds = chains(40)
    late = [Item(f"late{number}", "", f"late {number}", 1e9 + 310) for number in range(5)]
    for most, there in ((16 + 5, True), (16 + 4, False)):
        monkeypatch.setattr("danlu.apps.recommend.behaviour.MOST_ITEMS", most)
        found = evaluate([*items, *late], deeds, WEIGHTS, space, space, share=0.5, spans=2)
        assert ("EASE" in found.rows) == ("EASE" in plain_of(found)["ways"]) == there
        told = "\n".join(lines_of(found))
        assert ("EASE is left out" in told) == (not there)
        assert "NDCG@10 as served over " in told
