from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.text.batching.bio import best_path, class_names, split_tag


def legal(path):
    return all(now % 2 or now == 0 or before in (now, now - 1) for before, now in zip((0, *path), path, strict=False))


@given(st.integers(1, 5), st.integers(0, 2), st.integers(0, 100_000))
def test_the_best_path_is_the_best_of_all_legal_ones(tokens, types, seed):
    log = np.log(np.random.default_rng(seed).dirichlet(np.ones(1 + 2 * types), tokens)).astype(np.float32)
    paths = [path for path in product(range(1 + 2 * types), repeat=tokens) if legal(path)]
    scores = [sum(float(log[token, value]) for token, value in enumerate(path)) for path in paths]
    found = best_path(log)
    assert legal(tuple(found.tolist()))
    assert sum(float(log[token, value]) for token, value in enumerate(found)) == pytest.approx(max(scores), abs=1e-5)


def test_classes_are_named_as_pipelines_expect():
    assert class_names(["LOC", "PER"]) == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


def test_tags_are_read_in_bio_and_in_schemes_that_say_more():
    assert [split_tag(tag) for tag in ("O", "B-x-y", "I-x", "S-x", "E-x", "M-x", "U-x", "L-x")] == [
        (0, ""),
        (1, "x-y"),
        (2, "x"),
        (1, "x"),
        (2, "x"),
        (2, "x"),
        (1, "x"),
        (2, "x"),
    ]
    for wrong in ("x", "B", "B-", "X-person"):
        with pytest.raises(ValueError, match=wrong):
            split_tag(wrong)
