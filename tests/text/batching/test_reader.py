from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.machine.seed import generator
from danlu.text.batching.batch import plan
from danlu.text.batching.encoded import Encoded, Row, Sizes, sizes_of
from danlu.text.batching.order import permuted
from danlu.text.batching.reader import Reader


@given(st.integers(1, 3000), st.integers(0, 3))
def test_an_order_has_every_number_once(count, seed):
    assert sorted(permuted(np.arange(count), count, seed).tolist()) == list(range(count))


def test_a_place_of_a_huge_order_is_looked_up_by_itself():
    count = 10**12 + 7
    some = permuted(np.array([0, 5, count - 1]), count, "seed")
    assert permuted(np.array([5]), count, "seed").tolist() == [some[1]]
    assert len(set(some.tolist())) == 3
    assert ((some >= 0) & (some < count)).all()


def test_an_order_is_random_enough():
    """Neighbours are as far apart as chance puts them, and two keys share as few places as chance gives them."""
    count = 20_000
    first, second = (permuted(np.arange(count), count, key) for key in (1, 2))
    assert np.abs(np.diff(first)).mean() == pytest.approx(count / 3, rel=0.02)
    assert abs(np.corrcoef(np.arange(count), first)[0, 1]) < 0.03
    assert (first == second).sum() < 10


LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=120).map(lambda widths: Sizes(np.array(widths)))
EXAMPLE = st.tuples(st.integers(1, 40), st.integers(1, 3), st.integers(0, 40))
SEVERAL = st.lists(EXAMPLE, min_size=1, max_size=120).map(lambda examples: Sizes(*np.array(examples).T))
PAIRS = st.lists(EXAMPLE, min_size=1, max_size=120).map(
    lambda examples: Sizes(np.array(examples)[:, 0], None, np.array(examples)[:, 2])
)


def seen(reader, start, stop, each, ranks):
    """The rows of all batches in global order, when `ranks` ranks each read their own."""
    found = []
    for number in range(start, stop):
        own = [reader.step(number, each, rank, ranks) for rank in range(ranks)]
        for turn in range(max(map(len, own))):
            found += [own[rank][turn].examples.tolist() for rank in range(ranks) if turn < len(own[rank])]
    return found


@given(
    st.one_of(LENGTHS, SEVERAL, PAIRS),
    st.integers(0, 9),
    st.sampled_from([7, 16, 1000]),
    st.sampled_from([None, 1, 5]),
    st.integers(1, 3),
    st.data(),
)
def test_ranks_and_restarts_do_not_change_the_global_order(sizes, seed, window, examples, each, data):
    def made():
        return Reader(sizes, seed, tokens=64, examples=examples, window=window)

    epochs = {ranks: seen(made(), 0, 2 * made().an_epoch(each, ranks), each, ranks) for ranks in (1, 2, 4)}
    assert epochs[1] == epochs[2] == epochs[4]
    assert sorted(row for batch in epochs[1] for row in batch) == sorted([*range(len(sizes))] * 2)
    ranks = data.draw(st.sampled_from([1, 2, 4]))
    total = 2 * made().an_epoch(each, ranks)
    stops = sorted(data.draw(st.lists(st.integers(0, total), max_size=4)))
    read = []
    for start, stop in zip([0, *stops], [*stops, total], strict=True):  # a fresh reader goes on each time
        read += seen(made(), start, stop, each, ranks)
    assert read == epochs[1]


def test_a_pass_over_pairs_has_as_many_batches_as_were_counted_and_every_pair_once():
    rng = np.random.default_rng(0)
    sizes = Sizes(rng.integers(20, 120, 4000), None, rng.integers(20, 120, 4000))
    for seed in range(5):
        reader = Reader(sizes, seed, tokens=6144)
        read = [place for number in range(reader.an_epoch()) for place in reader.step(number)[0].examples.tolist()]
        assert sorted(read) == list(range(4000))


def test_data_that_fits_one_window_is_planned_as_a_whole():
    lengths = np.random.default_rng(0).integers(3, 60, 500)
    reader = Reader(Sizes(lengths), 5, tokens=256)
    for epoch in range(2):
        wanted = plan(Sizes(lengths), tokens=256, rng=generator(5, "order", epoch))
        size = reader.an_epoch()
        assert size == len(wanted)
        found = [reader.step(epoch * size + number)[0] for number in range(size)]
        assert [piece.examples.tolist() for piece in found] == [piece.examples.tolist() for piece in wanted]


def test_windows_cost_little_padding_and_epochs_differ():
    lengths = np.clip(np.random.default_rng(3).lognormal(3.8, 0.7, 60_000).astype(int), 3, 512)
    reader = Reader(Sizes(lengths), 0, tokens=4096, window=1 << 14)
    first = [reader.step(number)[0] for number in range(reader.an_epoch())]
    padded = sum(piece.tokens for piece in first)
    assert 1 - lengths.sum() / padded < 0.1
    assert reader.step(0)[0].examples.tolist() != reader.step(reader.an_epoch())[0].examples.tolist()


def test_sizes_on_disk_are_not_counted_anew():
    class OnDisk(list):
        sizes = Sizes(np.array([4, 5]))

    assert sizes_of(OnDisk()) is OnDisk.sizes
    row = Row(np.zeros(3, np.int32))
    counted = sizes_of([Encoded(0, (row,)), Encoded(1, (row, row), target_ids=row.input_ids)])
    assert (counted.widths.tolist(), counted.rows.tolist(), counted.targets.tolist()) == ([3, 3], [1, 2], [0, 3])
    assert counted.tokens == 3 + 2 * 3 + 3
    plain = sizes_of([Encoded(0, (row,))])
    assert (plain.rows, plain.targets) == (None, None)


WIDTHS = st.lists(st.integers(1, 40), min_size=1, max_size=90)


@given(WIDTHS, st.lists(st.integers(0, 90), max_size=5), st.integers(0, 5), st.sampled_from([None, 3]), st.data())
def test_groups_come_whole_one_after_the_other_whoever_reads(
    widths: list[int], cuts: list[int], seed: int, examples: int | None, data: st.DataObject
) -> None:
    ends = sorted({*(cut for cut in cuts if cut < len(widths)), len(widths)})

    def reader() -> Reader:
        return Reader(Sizes(np.array(widths)), seed, tokens=64, examples=examples, window=16, groups=ends)

    an_epoch = reader().an_epoch()
    batches = [reader().step(number)[0].examples.tolist() for number in range(2 * an_epoch)]
    assert sorted(row for batch in batches for row in batch) == sorted([*range(len(widths))] * 2)
    groups = [{int(np.searchsorted(ends, row, "right")) for row in batch} for batch in batches]
    assert all(len(group) == 1 for group in groups)
    order = [group.pop() for group in groups]
    for epoch in (order[:an_epoch], order[an_epoch:]):
        assert sum(one != other for one, other in pairwise(epoch)) == len(set(epoch)) - 1
    number = data.draw(st.integers(0, 2 * an_epoch - 1))  # wherever one begins
    near = reader().near(number)
    assert order[number] in near
    following = next((group for group in order[number:] if group != order[number]), None)
    assert following is None or following in near


def test_one_group_is_read_in_the_order_of_no_groups() -> None:
    widths = np.random.default_rng(0).integers(1, 60, 500)
    one, other = (Reader(Sizes(widths), 5, tokens=256, window=64, groups=groups) for groups in (None, [500]))
    for number in range(2 * one.an_epoch()):
        assert one.step(number)[0].examples.tolist() == other.step(number)[0].examples.tolist()


def test_what_is_near_a_step_is_all_that_it_reads_and_nothing_behind_the_last() -> None:
    reader = Reader(Sizes(np.full(60, 32)), 0, tokens=64, groups=[*range(4, 61, 4)])
    an_epoch = reader.an_epoch(7)
    for number in range(2 * an_epoch):
        read = {row // 4 for piece in reader.step(number, 7) for row in piece.examples.tolist()}
        assert read <= set(reader.near(number, 7))
    last = {row // 4 for piece in reader.step(an_epoch - 1, 7) for row in piece.examples.tolist()}
    assert reader.near(an_epoch - 1, 7, an_epoch)[-1] in last
    assert reader.near(an_epoch - 1, 7, an_epoch + 1)[-1] not in last
