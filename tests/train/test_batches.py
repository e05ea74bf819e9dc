import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.text.batching.batch import Batch, pad
from danlu.text.batching.encoded import Encoded, Row
from danlu.train.batches import AHEAD, Batches

CPU = torch.device("cpu")


def collate(rows: list[Encoded], width: int, rng: np.random.Generator) -> Batch:
    """What a task does: pad, and hide something at random."""
    ids = pad([item.row.input_ids for item in rows], width, 0)
    labels = torch.from_numpy(rng.integers(0, 9, ids.shape))
    return Batch(
        {"input_ids": ids}, {"class": labels}, {"class": ids.numel()}, np.arange(len(rows)), sum(map(len, rows))
    )


def batches(
    lengths: list[int],
    *,
    tokens: int = 32,
    accumulate: int = 1,
    parts: int = 1,
    seed: int = 0,
    collate: Callable[..., Batch] = collate,
) -> Batches:
    encoded = [Encoded(row, (Row(np.full(length, row + 1, np.int32)),)) for row, length in enumerate(lengths)]
    return Batches(encoded, collate, seed, tokens=tokens, examples=None, accumulate=accumulate, parts=parts)


LENGTHS = [3, 9, 4, 17, 8, 5, 12, 7, 7, 3, 30, 2, 9]


@settings(max_examples=15, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=30),
    accumulate=st.integers(1, 3),
    parts=st.integers(1, 3),
    epoch=st.integers(0, 2),
)
def test_every_row_comes_once_an_epoch(lengths: list[int], accumulate: int, parts: int, epoch: int) -> None:
    made = batches(lengths, accumulate=accumulate, parts=parts)
    size = made.an_epoch()
    groups = list(made.groups(epoch * size, (epoch + 1) * size, CPU))
    assert sorted(row for group in groups for batch in group for row in batch.examples) == list(range(len(lengths)))
    assert all(1 <= len(group) <= accumulate * parts for group in groups)
    for batch in (batch for group in groups for batch in group):
        ids = batch.inputs["input_ids"]
        assert [int(row[0]) - 1 for row in ids] == batch.examples.tolist()
        assert (ids > 0).sum(1).tolist() == [lengths[row] for row in batch.examples]


def same(left: list[Batch], right: list[Batch]) -> bool:
    pairs = list(zip(left, right, strict=True))
    return all(
        torch.equal(a.targets["class"], b.targets["class"])
        and torch.equal(a.inputs["input_ids"], b.inputs["input_ids"])
        and a.examples.tolist() == b.examples.tolist()
        for a, b in pairs
    )


@pytest.mark.parametrize("start", [1, 2, 4, 6])
def test_groups_from_a_later_number_are_the_tail_of_all(start: int) -> None:
    made = batches(LENGTHS, accumulate=2, parts=2)
    stop = 2 * made.an_epoch() + 1
    assert start < stop
    whole = list(made.groups(0, stop, CPU))
    tail = list(batches(LENGTHS, accumulate=2, parts=2).groups(start, stop, CPU))
    assert len(tail) == stop - start
    assert all(same(a, b) for a, b in zip(whole[start:], tail, strict=True))


def test_epochs_and_seeds_have_orders_and_masks_of_their_own() -> None:
    size = batches(LENGTHS).an_epoch()
    assert size == batches(LENGTHS, seed=1).an_epoch()
    first, second = (list(batches(LENGTHS).groups(n * size, (n + 1) * size, CPU)) for n in range(2))
    other = list(batches(LENGTHS, seed=1).groups(0, size, CPU))
    orders = [[row for group in groups for row in group[0].examples.tolist()] for groups in (first, second, other)]
    assert orders[0] != orders[1]
    assert orders[0] != orders[2]


def test_an_error_in_collate_is_raised_where_its_group_is_wanted() -> None:
    calls: list[int] = []

    def fail(rows: list[Encoded], width: int, rng: np.random.Generator) -> Batch:
        calls.append(len(rows))
        if len(calls) == 3:
            raise KeyError("the third batch")
        return collate(rows, width, rng)

    before = threading.active_count()
    groups = batches(LENGTHS, collate=fail).groups(0, 6, CPU)
    assert [len(next(groups)) for _ in range(2)] == [1, 1]
    with pytest.raises(KeyError, match="the third batch"):
        next(groups)
    assert threading.active_count() == before


def test_groups_are_made_ahead_but_not_without_bound_and_no_thread_is_left() -> None:
    made: list[int] = []

    def note(rows: list[Encoded], width: int, rng: np.random.Generator) -> Batch:
        made.append(1)
        return collate(rows, width, rng)

    before = threading.active_count()
    groups = batches(LENGTHS, collate=note).groups(0, 1000, CPU)
    next(groups)
    deadline = time.monotonic() + 20
    while len(made) < AHEAD + 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert AHEAD + 1 <= len(made) <= AHEAD + 2
    assert threading.active_count() == before + 1
    groups.close()
    assert threading.active_count() == before


@pytest.mark.usefixtures("two_cores")
def test_the_thread_that_prepares_takes_no_core_from_the_others() -> None:
    before = torch.get_num_threads()
    assert len(list(batches(LENGTHS).groups(0, 3, CPU))) == 3
    assert torch.get_num_threads() == before
