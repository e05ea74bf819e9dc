"""How texts are corrupted: nothing is lost, and there is as much noise as was asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.text.batching.noise import (
    by_sentinels,
    hidden_and_spans,
    infilled,
    permuted_parts,
    rotated,
    some,
    spans_hidden,
)

MASK = 999
lengths = st.integers(0, 60)
seeds = st.integers(0, 2**32)
shares = st.floats(0.01, 0.99)


@given(lengths, seeds, shares, st.floats(1, 70))
def test_spans_are_as_many_and_as_long_as_was_foretold_and_what_begins_is_shown(count, seed, density, mean):
    hidden_T = spans_hidden(count, density, mean, np.random.default_rng(seed))
    (hidden,), (spans,) = hidden_and_spans(np.array([count]), density, mean)
    begins = hidden_T & ~np.r_[False, hidden_T[:-1]]
    assert (len(hidden_T), hidden_T.sum(), begins.sum()) == (count, hidden, spans)
    assert not hidden_T[:1].any()
    if count >= 2:
        assert hidden_T[-1]
        assert abs(hidden - count * density) <= 1


@given(st.lists(st.booleans(), max_size=40))
def test_what_is_shown_and_what_is_written_give_back_the_text(hidden):
    ids = np.arange(len(hidden), dtype=np.int32)
    read, written = by_sentinels(ids, np.array(hidden, bool), range(1000, 1100))
    spans = {int(part[0]): part[1:].tolist() for part in np.split(written, np.flatnonzero(written >= 1000))[1:]}
    found = [number for token in read.tolist() for number in (spans[token] if token >= 1000 else [token])]
    assert found == ids.tolist()
    assert sorted(spans) == [token for token in read.tolist() if token >= 1000]


@given(lengths, seeds, shares, st.floats(0.1, 20))
def test_infilling_shows_what_it_shows_in_order_and_makes_no_text_longer(count, seed, share, mean):
    ids = np.arange(count, dtype=np.int32)
    found = infilled(ids, share, mean, MASK, np.random.default_rng(seed))
    shown = found[found != MASK]
    assert len(found) <= count
    assert (np.diff(shown) > 0).all()
    assert count - len(shown) == (max(1, round(share * count)) if count else 0)


def test_spans_of_infilling_are_poisson():
    rng, spans, inserted = np.random.default_rng(0), [], 0
    for _ in range(300):
        found = infilled(np.arange(200, dtype=np.int32), 0.3, 3.0, MASK, rng)
        ends = np.r_[-1, found, 200]
        places = np.flatnonzero(ends == MASK)
        gaps = [ends[place + 1] - ends[place - 1] - 1 for place in places if MASK not in ends[[place - 1, place + 1]]]
        spans += [gap for gap in gaps if gap]
        inserted += sum(gap == 0 for gap in gaps)
    assert np.mean(spans) == pytest.approx(3 / (1 - np.exp(-3)), rel=0.03)  # of those that are not empty
    assert inserted / len(spans) == pytest.approx(np.exp(-3) / (1 - np.exp(-3)), rel=0.25)


@given(st.lists(st.booleans(), min_size=1, max_size=30), seeds)
def test_parts_that_change_places_stay_whole(ends, seed):
    ids, ends_T = np.arange(len(ends), dtype=np.int32), np.array(ends, bool)
    found = permuted_parts(ids, ends_T, np.random.default_rng(seed))
    assert sorted(found.tolist()) == ids.tolist()
    for before, after in zip(found[:-1].tolist(), found[1:].tolist(), strict=True):
        assert after == before + 1 or ends[before] or before == len(ends) - 1


@given(lengths, seeds)
def test_a_rotated_text_is_turned_back(count, seed):
    ids = np.arange(count, dtype=np.int32)
    found = rotated(ids, np.random.default_rng(seed))
    assert np.roll(found, int(found[0]) if count else 0).tolist() == ids.tolist()


@given(lengths, seeds, shares)
def test_a_share_of_some_places_is_drawn_without_repeats(count, seed, share):
    found = some(np.arange(count), share, np.random.default_rng(seed))
    assert len(set(found.tolist())) == len(found) == (max(1, round(share * count)) if count else 0)


def test_every_place_is_hidden_as_often_as_any_other():
    rng = np.random.default_rng(1)
    hidden = np.mean([spans_hidden(100, 0.15, 3.0, rng) for _ in range(3000)], 0)
    assert hidden.mean() == pytest.approx(0.15)
    assert np.abs(hidden[10:-10] - 0.15).max() < 0.05
