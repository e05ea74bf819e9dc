"""The rule by its formula."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from danlu.model.sizing import A_PARAMETER, PASSES, Asked, Depth, chosen, shapes
from danlu.model.sources.scratch import Scratch


def parameters(shape: Depth) -> int:
    return 12 * shape.layers * shape.width**2


def asked(rate: float, tokens: float, trained: float | None = None) -> Asked:
    operations: Callable[[Depth], float] = lambda shape: 6.0 * parameters(shape)  # noqa: E731
    return Asked(tokens, trained, rate, operations, parameters)


def test_shapes_grow_and_every_one_of_them_can_be_made() -> None:
    every = list(shapes())
    sizes = [parameters(shape) for shape in every]
    assert sizes == sorted(set(sizes))
    assert max(later / size for size, later in pairwise(sizes[3:])) < 2.3
    for shape in every:
        Scratch(size="auto", minutes=1).sized(shape)
        assert shape.width % shape.heads == 0
        assert 24 <= shape.width // shape.heads <= 64


@pytest.mark.parametrize("minutes", [2, 20, 200])
def test_twenty_tokens_a_parameter_are_trained_in_the_minutes(minutes: float) -> None:
    found = chosen(asked(1e11, 1e12), minutes)
    assert found.tokens == A_PARAMETER * found.parameters
    assert found.seconds == pytest.approx(6 * found.parameters * found.tokens / 1e11)
    assert found.seconds <= 60 * minutes
    every = list(shapes())
    larger = parameters(every[every.index(found.shape) + 1])
    assert 6 * larger * A_PARAMETER * larger / 1e11 > 60 * minutes
    assert found.parameters == pytest.approx((60 * minutes * 1e11 / (6 * A_PARAMETER)) ** 0.5, rel=0.6)


def test_small_data_is_passed_four_times_and_bounds_the_tokens() -> None:
    plenty, few = (chosen(asked(1e11, tokens), 20) for tokens in (1e12, 1e6))
    assert few.tokens == PASSES * 1e6
    assert few.parameters > plenty.parameters
    assert f"{PASSES} passes" in few.told(20)
    assert f"{A_PARAMETER} a parameter" in plenty.told(20)


def test_what_the_recipe_says_of_length_stays() -> None:
    found = chosen(asked(1e11, 1e6, trained=5e7), 20)
    assert found.tokens == 5e7
    assert "as many as the recipe asks for" in found.told(20)


def test_where_nothing_can_be_trained_in_the_time_the_smallest_is_taken() -> None:
    assert chosen(asked(1e3, 1e9), 1).shape == next(shapes())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": "auto"}, "give both or neither"),
        ({"size": "tiny", "minutes": 3}, "give both or neither"),
        ({"size": "auto", "minutes": 3, "layers": 2}, "chooses 'layers'"),
    ],
)
def test_what_contradicts_it_is_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Scratch.model_validate(fields)
