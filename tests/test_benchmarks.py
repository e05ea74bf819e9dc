"""The benchmarks of pretraining: their parts on tiny texts, and what they say where there is nothing to measure."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import started
import torch
import yaml
from scipy.stats import ttest_1samp

from danlu.stages.recipe import read

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    """The modules of the folder, by their names."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        found = ModuleType("benchmarks")
        for name in ("shakespeare", "pretraining", "objectives", "domain", "gpu", "timed", "probing", "distil"):
            setattr(found, name, importlib.import_module(name))
        yield found
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


def test_without_an_accelerator_it_is_said_and_nothing_else_is_done() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is an accelerator")
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py")]
    done = started.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "no accelerator: there is nothing to measure here\n"


def test_the_plays_are_split_as_their_authors_do_and_later_copies_begin_later(
    benchmark: ModuleType, tmp_path: Path
) -> None:
    text = "".join(chr(97 + place % 26) for place in range(1000))
    files = benchmark.shakespeare.split(text, tmp_path, 3)
    learnt, rest = ([json.loads(line)["text"] for line in path.read_text("utf-8").splitlines()] for path in files)
    assert rest == [text[900:]]
    assert learnt == [text[:900], text[32:900], text[64:900]]
    recipe = benchmark.shakespeare.recipe_of("llama", files, long=False)
    assert list(read(recipe).stages) == ["clean", "vocab", "model"]


def test_a_training_has_its_minutes_and_all_characters_are_looked_at(benchmark: ModuleType, tmp_path: Path) -> None:
    text = "".join(np.random.default_rng(0).choice([*"abcdefgh ,.\n"], 1600))
    files = benchmark.shakespeare.split(text, tmp_path, 1)
    recipe = benchmark.shakespeare.recipe_of("llama", files, long=False)
    tiny = {"model.model.layers": 1, "model.model.width": 16, "model.model.heads": 2, "model.train.batch_tokens": 128}
    found = benchmark.timed.trained_for(0.01, recipe, "model", tmp_path / "runs", validations=2, **tiny)
    assert found.steps >= 2
    assert found.curve or found.cut
    assert [second for second, _ in found.curve] == sorted(second for second, _ in found.curve)
    loss, characters = benchmark.shakespeare.loss_of(found, files[1])
    assert characters == len(text) - int(len(text) * 0.9) + 1
    assert 0 < loss < np.log(64)
    curve = [(second, float(np.log(values["perplexity"]))) for second, values in found.curve] or [(1.0, 2.0)]
    assert "</svg>" in benchmark.shakespeare.picture({"llama": curve})


def test_what_is_hidden_in_spans_gives_the_row_back(benchmark: ModuleType) -> None:
    rng = np.random.default_rng(0)
    for length in (4, 17, 128):
        row = rng.integers(100, 900, length)
        read_, write = benchmark.pretraining.corrupted(row, [*range(32)], rng)
        spans: dict[int, list[int]] = {}
        for token in write:
            if token < 32:
                spans[token] = []
            else:
                spans[next(reversed(spans))].append(token)
        back = [each for token in read_ for each in (spans[token] if token < 32 else [token])]
        assert back == row.tolist()


def test_recipes_of_objectives_are_right_or_name_what_is_not_there(benchmark: ModuleType, tmp_path: Path) -> None:
    from danlu.recipe.part import kinds
    from danlu.task.task import Task

    there = kinds(Task)  # type: ignore[type-abstract]
    for name, (_, task) in benchmark.objectives.OBJECTIVES.items():
        if task["kind"] not in there or set(task) - {"kind", "max_length"}:
            continue  # what others bring along is read when it is there
        recipe = benchmark.objectives.recipe_of(name, tmp_path / "t.jsonl", str(tmp_path), {"layers": 1})
        assert read(recipe).stages["model"].kind == "train"


def test_a_gain_is_the_mean_over_seeds_and_records_with_an_interval_around_it(benchmark: ModuleType) -> None:
    rng = np.random.default_rng(0)
    without = rng.random((3, 400)) < 0.7
    with_it = without | (rng.random((3, 400)) < 0.3)
    told = benchmark.domain.gain(with_it, without)
    value, low, high = (float(each) for each in told.replace("(", "").replace(")", "").replace("to ", "").split())
    assert value == pytest.approx(100 * (with_it.mean() - without.mean()), abs=0.006)
    assert low < value < high
    assert benchmark.domain.gain(without, without) == "+0.00 (+0.00 to +0.00)"


def test_a_student_without_a_gain_over_seeds_is_told_so(benchmark: ModuleType) -> None:
    gains = [0.4, 1.1, 0.9]
    expected = ttest_1samp(gains, 0.0).confidence_interval(0.95)
    mean, low, high = benchmark.distil.interval(gains)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-3)
    assert mean == pytest.approx(0.8)
    assert benchmark.distil.verdict(gains).startswith("no gain: +0.80 (-0.")
    assert benchmark.distil.verdict([0.9, 1.0, 1.1]).startswith("gain +1.00 (+0.7")
    assert benchmark.distil.verdict([3.0]).startswith("no gain")
    told = benchmark.distil.told("sst2", 90.0, {benchmark.distil.ALONE: [80.0, 82.0], "with": [81.0, 83.0]})
    assert "gain +1.00 (+1.00 to +1.00)" in told


def test_the_recipes_of_the_plays_say_how_they_are_measured() -> None:
    for name in ("shakespeare_characters", "shakespeare_characters_long"):
        plain = yaml.safe_load((ROOT / "examples" / "data" / f"{name}.yaml").read_text("utf-8"))
        model = plain["stages"]["model"]
        assert model["task"]["max_length"] == model["model"]["positions"] == 256
