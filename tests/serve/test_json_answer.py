"""Answers with many numbers are those of the standard library, and what it refuses is refused."""

import json
import math
from typing import Any

import pytest
from fastapi.responses import JSONResponse
from hypothesis import given
from hypothesis import strategies as st

from danlu.serve.json_answer import JsonAnswer

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a书"\n', max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_the_values_are_those_that_the_standard_library_writes(value: Any) -> None:
    assert json.loads(bytes(JsonAnswer({"x": value}).body)) == json.loads(bytes(JSONResponse({"x": value}).body))


@pytest.mark.parametrize("value", [math.nan, math.inf, [None, -math.inf], "\ud800"])
def test_what_is_no_json_is_refused_as_there(value: Any) -> None:
    for kind in (JSONResponse, JsonAnswer):
        with pytest.raises(ValueError, match=r"JSON compliant|surrogates not allowed"):
            kind({"x": value})


def test_many_numbers_are_not_written_by_the_standard_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JSONResponse, "render", None)
    assert json.loads(bytes(JsonAnswer({"x": [0.1, 1e-7, 3]}).body)) == {"x": [0.1, 1e-7, 3]}
