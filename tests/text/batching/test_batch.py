import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from danlu.text.batching.batch import pad, plan
from danlu.text.batching.encoded import Sizes

LENGTHS = st.lists(st.integers(1, 600), max_size=60)
SEEDS = st.one_of(st.none(), st.integers(0, 5))


def rng_of(seed):
    return None if seed is None else np.random.default_rng(seed)


@given(LENGTHS, st.integers(8, 4096), st.one_of(st.none(), st.integers(1, 40)), SEEDS)
def test_every_row_is_in_exactly_one_batch_that_is_wide_enough(lengths, tokens, examples, seed):
    slices = plan(Sizes(np.array(lengths)), tokens=tokens, examples=examples, rng=rng_of(seed))
    rows = [row for piece in slices for row in piece.examples.tolist()]
    assert sorted(rows) == list(range(len(lengths)))
    for piece in slices:
        assert max(lengths[row] for row in piece.examples) <= piece.width <= max(lengths)
        if examples:
            assert len(piece.examples) <= examples
        else:
            assert len(piece.examples) == 1 or len(piece.examples) * piece.width <= tokens


SEVERAL = st.lists(st.tuples(st.integers(1, 90), st.integers(1, 5), st.integers(0, 80)), min_size=1, max_size=60)


@given(SEVERAL, st.integers(8, 2048), SEEDS)
def test_several_rows_and_target_sides_count_among_the_tokens_of_a_batch(examples, tokens, seed):
    widths, rows, targets = np.array(examples).T
    slices = plan(Sizes(widths, rows, targets), tokens=tokens, rng=rng_of(seed))
    assert sorted(place for piece in slices for place in piece.examples.tolist()) == list(range(len(examples)))
    for piece in slices:
        chosen = piece.examples
        assert widths[chosen].max() <= piece.width
        least = rows[chosen].sum() * piece.width + len(chosen) * targets[chosen].max()
        assert least <= piece.tokens
        assert len(chosen) == 1 or piece.tokens <= tokens


@given(LENGTHS.filter(bool), st.integers(8, 4096), SEEDS)
def test_one_row_and_no_target_side_are_planned_as_if_nothing_else_were(lengths, tokens, seed):
    widths = np.array(lengths)
    told = Sizes(widths, np.ones_like(widths), np.zeros_like(widths))
    some, same = (plan(sizes, tokens=tokens, rng=rng_of(seed)) for sizes in (told, Sizes(widths)))
    assert [piece.examples.tolist() for piece in some] == [piece.examples.tolist() for piece in same]


@given(LENGTHS, st.integers(8, 4096), st.integers(0, 5))
def test_the_same_seed_gives_the_same_plan_and_only_one_batch_is_small(lengths, tokens, seed):
    once, again = (plan(Sizes(np.array(lengths)), tokens=tokens, rng=np.random.default_rng(seed)) for _ in range(2))
    assert [(piece.width, piece.examples.tolist()) for piece in once] == [
        (piece.width, piece.examples.tolist()) for piece in again
    ]
    full = [
        len(piece.examples) == max(1, tokens // piece.width // 4 * 4) for piece in once if tokens // piece.width >= 4
    ]
    assert full.count(False) <= 1


def realistic_lengths(count=60_000):
    return np.clip(np.random.default_rng(3).lognormal(3.8, 0.7, count).astype(int), 3, 512)


def test_padding_is_small_and_shapes_are_few_on_realistic_lengths():
    lengths = realistic_lengths()
    slices = plan(Sizes(np.array(lengths)), tokens=4096, rng=np.random.default_rng(0))
    padded = sum(piece.tokens for piece in slices)
    assert 1 - lengths.sum() / padded < 0.1
    assert len({piece.width for piece in slices}) <= 32


def test_short_phrases_are_padded_by_a_few_tokens_in_a_hundred():
    lengths = np.clip(np.random.default_rng(3).lognormal(2.4, 0.6, 6000).astype(int), 3, 64)
    slices = plan(Sizes(np.array(lengths)), tokens=10**9, examples=32, rng=np.random.default_rng(0))
    padded = sum(piece.tokens for piece in slices)
    assert 1 - lengths.sum() / padded < 0.1


@pytest.mark.parametrize("examples", [7, 32])
def test_batches_of_so_many_examples_have_few_shapes_in_all_epochs(examples):
    lengths = realistic_lengths(5000)
    shapes = {
        (len(piece.examples), piece.width)
        for epoch in range(5)
        for piece in plan(Sizes(np.array(lengths)), tokens=64, examples=examples, rng=np.random.default_rng(epoch))
    }
    full = {width for count, width in shapes if count == examples}
    assert len(full) <= 32
    assert len({count for count, _ in shapes}) <= 2
    assert len(shapes) <= len(full) + 2


def test_without_a_generator_the_longest_come_first():
    widths = [piece.width for piece in plan(Sizes(np.array([5, 70, 9, 300, 12])), tokens=64)]
    assert widths == sorted(widths, reverse=True)


def test_with_a_generator_batches_differ_from_epoch_to_epoch():
    rng = np.random.default_rng(0)
    first, second = (plan(Sizes(np.full(100, 20)), tokens=160, rng=rng) for _ in range(2))
    assert first[0].examples.tolist() != second[0].examples.tolist()


def test_pad_keeps_rows_and_fills_to_the_right():
    padded = pad([np.array([1, 2], np.int32), np.array([3], np.int32)], 3, 9)
    assert padded.tolist() == [[1, 2, 9], [3, 9, 9]]
    assert padded.dtype == torch.int64
