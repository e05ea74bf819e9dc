"""Bodies: what is an object of JSON, and what texts may hold."""

import json

import pytest

from danlu.serve.body import plain
from danlu.serve.problem import Problem

WHOLE = [
    {"a": "x = '\U0001f600'\n"},
    {"a": "\\ud83d", "b": "\\\\u"},
    {"a": 'C:\\users "\\'},
    {"\\\\": ["\ud7ff\ue000"]},
]


@pytest.mark.parametrize("value", WHOLE)
@pytest.mark.parametrize("escaped", [True, False])
def test_whole_characters_stay_where_texts_may_be_cut(value: object, escaped: bool) -> None:
    assert plain(json.dumps(value, ensure_ascii=escaped).encode(), cut=True) == value


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (r"\ude00 x", " x"),
        (r"x \uD83D", "x "),
        (r"\ude00\ud83d\ude00\ud83d", "\U0001f600"),
        (r"\\\ude00\\ude00", r"\\ude00"),
        (r"\ud83d\n", "\n"),
    ],
)
def test_half_of_a_character_is_left_out_where_texts_may_be_cut_and_refused_elsewhere(text: str, left: str) -> None:
    data = f'{{"a": "{text}"}}'.encode()
    assert plain(data, cut=True) == {"a": left}
    with pytest.raises(Problem, match="half of a surrogate pair"):
        plain(data)
