import numpy as np
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from danlu.data.splitting.shift import in_words, shared_in_words, shifts
from danlu.machine.seed import generator


def test_distances_are_those_of_scipy() -> None:
    rng = generator("balance")
    codes = rng.integers(0, 3, 1000).astype(np.int32)
    characters = rng.integers(1, 200, 1000)
    rows = {"train": np.arange(800), "test": np.arange(800, 1000)}
    found = shifts(rows, codes, ["a", "b", "c"], characters)["test"]
    table = [np.bincount(codes[at], minlength=3) for at in rows.values()]
    assert found.label_chance == pytest.approx(chi2_contingency(np.array(table)).pvalue)
    assert found.length_distance == pytest.approx(ks_2samp(characters[:800], characters[800:]).statistic)
    shares = [counts / counts.sum() for counts in table]
    assert found.label_distance == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2)
    assert found.labels == dict(zip("abc", table[1].tolist(), strict=True))
    assert (found.median, found.longest) == (np.median(characters[800:]), characters[800:].max())


def test_another_population_is_told_apart_and_said() -> None:
    codes = np.array([0, 1] * 50 + [0] * 20, np.int32)
    found = shifts(
        {"train": np.arange(100), "test": np.arange(100, 120)}, codes, ["a", "b"], np.array([10] * 100 + [99] * 20)
    )
    assert found["test"].label_chance is not None
    assert found["test"].label_chance < 0.001
    assert found["test"].length_distance == 1
    (line,) = in_words({"train": 100, "test": 20}, found)
    assert line == "records: train 100, test 20; labels differ by up to 50.0% from training, lengths by up to 100.0%"


def test_without_labels_lengths_alone_are_told() -> None:
    codes = np.full(4, -1, np.int32)
    found = shifts({"train": np.arange(2), "test": np.arange(2, 4)}, codes, [], np.array([1, 2, 1, 2]))
    assert found["test"].label_distance is None
    assert in_words({"train": 2, "test": 2}, found) == [
        "records: train 2, test 2; lengths differ by up to 0.0% from training"
    ]


def test_test_records_that_validation_has_are_told() -> None:
    split_of = np.array([1, 1, 1, 2, 2, 2, 2, 0, -1])
    assert shared_in_words(np.array([1, 2, 3, 4, 5, 6, 7, 4, 1]), split_of) == []
    (line,) = shared_in_words(np.array([1, 2, 3, 3, 3, 9, 10, 4, 9]), split_of)
    assert line.startswith("2 of 4 test records are like validation records")
