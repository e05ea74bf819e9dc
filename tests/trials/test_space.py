"""What a search may try."""

from pathlib import Path

from tiny_recipe import made

from danlu.recipe.search import Range
from danlu.trials.space import space_of


def test_whole_numbers_of_a_key_that_takes_fractions_are_a_range_of_fractions(tmp_path: Path) -> None:
    ranges = {
        "model.train.weight_decay": Range(low=0, high=1),
        "model.train.steps": Range(low=1, high=8, step=2),
        "model.model.dropout": Range(low=0.0, high=0.35, step=0.1),
    }
    space = space_of(made(tmp_path), [], ranges)
    assert [(each.whole, each.ends()) for each in space.sought] == [
        (False, ("0.0", "1.0")),
        (True, ("1", "7")),
        (False, ("0.0", "0.3")),
    ]
    assert space.touched == ("model",)


def test_a_whole_end_is_kept_where_steps_are_fractions(tmp_path: Path) -> None:

    space = space_of(made(tmp_path), [], {"model.train.weight_decay": Range(low=0.5, high=2, step=0.25)})
    assert (space.sought[0].low, space.sought[0].high, space.sought[0].whole) == (0.5, 2.0, False)
    space = space_of(made(tmp_path), [], {"model.train.weight_decay": Range(low=0, high=1, step=0.3)})
    assert space.sought[0].high == 0.9


def test_steps_are_taken_whole_and_ranges_written_short(tmp_path: Path) -> None:
    ranges = {
        "model.train.checkpoint_seconds": Range(low=10.0, high=2000.0, step=0.25),
        "model.train.rate": Range(low=1e-5, high=1e-2),
    }
    seconds, rate = space_of(made(tmp_path), [], ranges).sought
    for value in (123.25, 1234.5, 1999.75, 10.0 + 3 * 0.1):
        assert float(seconds.shown(value)) == round(value, 10)
    assert rate.shown(0.00123456) == "0.001235"
