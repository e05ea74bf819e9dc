"""What goes together is X'X in whole numbers, however it came; neighbours are what brute force finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from danlu.apps.recommend import together
from danlu.apps.recommend.together import SHRINK, Together

rows = st.dictionaries(st.integers(0, 6), st.sampled_from([0, 100, 200, 400]), max_size=5)
changes = st.lists(st.tuples(st.integers(0, 3), rows), max_size=12)


def dense(users: dict[int, dict[int, int]]) -> np.ndarray:
    found = np.zeros((max(1, len(users)), 7), np.int64)
    for line, row in enumerate(users.values()):
        for place, units in row.items():
            found[line, place] = units
    return found


@given(changes, st.sampled_from([3, 10**6]))
@settings(max_examples=30)
def test_rows_that_change_leave_the_gram_matrix_of_what_they_are_in_the_end(told: list, fold: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(together, "REBUILT_AT", fold)
        found, users = Together(), {}
        found.grow(7)
        for user, row in told:
            found.change(users.get(user, {}), row)
            users[user] = row
    x = dense(users)
    gram = x.T @ x
    assert (np.stack([found.counts(place) for place in range(7)]) == gram - np.diag(np.diag(gram))).all()
    assert (found.norms == np.diag(gram)).all()
    assert (found.gram() == gram).all()


def test_neighbours_are_those_of_brute_force_and_many_rows_at_once_are_the_same_as_one_by_one() -> None:
    rng = np.random.default_rng(1)
    x = np.where(rng.random((30, 7)) < 0.4, rng.choice([100, 200, 300], (30, 7)), 0)
    one, many = Together(), Together()
    one.grow(7)
    many.grow(7)
    for row in x:
        one.change({}, {int(place): int(row[place]) for place in np.flatnonzero(row)})
    many.add_all(sparse.csr_matrix(x))
    for place in range(7):
        brute = [
            0.0
            if other == place
            else float(x[:, place] @ x[:, other])
            / (np.sqrt(float(x[:, place] @ x[:, place]) * float(x[:, other] @ x[:, other])) + SHRINK)
            for other in range(7)
        ]
        assert np.allclose(one.likeness(place), brute, rtol=1e-12)
        assert (one.likeness(place) == many.likeness(place)).all()
