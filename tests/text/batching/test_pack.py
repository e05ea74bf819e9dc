from functools import partial

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from in_proportion import BOUND, growth

from danlu.text.batching.pack import pack


@given(st.lists(st.integers(1, 50), max_size=80))
def test_every_document_is_whole_in_one_row(lengths):
    rows = pack(lengths, 50)
    assert sorted(document for row in rows for document in row) == list(range(len(lengths)))
    assert all(sum(lengths[document] for document in row) <= 50 for row in rows)


def test_rows_are_nearly_full_on_realistic_lengths_and_come_in_time_in_proportion():
    lengths = np.clip(np.random.default_rng(0).lognormal(3.8, 0.7, 60_000).astype(int), 3, 512).tolist()
    rows = pack(lengths, 512)
    assert sum(lengths) / (512 * len(rows)) > 0.99
    assert growth(partial(pack, lengths[:15_000], 512), partial(pack, lengths, 512)) < BOUND
