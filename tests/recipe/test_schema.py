from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, StringConstraints

from danlu.data.reading.format import Format
from danlu.recipe.part import Part, find, kinds
from danlu.recipe.schema import in_words, keys, schema
from danlu.tuning.method import Method


class Pace(Part):
    rate: float = Field(default=1e-3, gt=0, le=1, description="of learning")


class Whole(Part):
    data: Format | list[Format]
    pace: Pace = Pace()
    tuning: Method = Field(default_factory=lambda: find(Method, "lora")(rank=2))


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (str, "text"),
        (int | None, "whole number or nothing"),
        (Literal["csv", "json"], "'csv' or 'json'"),
        (list[str], "list of text"),
        (tuple[float, ...], "list of number"),
        (dict[str, bool], "mapping of text to true or false"),
        (Annotated[str, StringConstraints(pattern=r"^@[^@:\s]+$")] | Format, "'@stage' or a format"),
        (Annotated[int, Field(ge=1)], "whole number"),
        (Pace, "section"),
        (find(Method, "lora"), "lora"),
    ],
)
def test_types_are_told_in_words(annotation: Any, words: str) -> None:
    assert in_words(annotation) == words


def test_keys_tell_defaults_and_go_into_plain_sections() -> None:
    found = {key.name: key for key in keys(Whole)}
    assert list(found) == ["data", "pace", "pace.rate", "tuning"]
    assert found["data"].needed
    assert found["pace.rate"].default == 1e-3
    assert found["pace.rate"].description == "of learning"
    assert found["tuning"].default["kind"] == "lora"
    assert found["tuning"].default["rank"] == 2


class Many(Part):
    paces: dict[str, Pace] = Field(default_factory=dict)
    turns: list[Pace] | None = Field(default=None, min_length=2)


def test_keys_tell_limits_and_go_into_sections_that_have_names_or_places() -> None:
    found = {key.name: key.limits for key in keys(Many)}
    assert found == {
        "paces": "", "paces.NAME.rate": "more than 0, at most 1",
        "turns": "at least 2 long", "turns[].rate": "more than 0, at most 1",
    }  # fmt: skip


def test_the_schema_names_every_kind_and_needs_it() -> None:
    whole = schema(Whole)
    method = whole["$defs"]["Method"]["anyOf"]
    assert method[0] == {"enum": kinds(Method)}
    assert all("kind" in section["required"] for section in method[1:])
    assert whole["required"] == ["data"]
