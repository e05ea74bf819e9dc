"""What a person is shown of a record, whatever other columns it has."""

import pytest

from danlu.data.record import Record
from danlu.task.entities import shown_text

TALK = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "好"}]


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        ({"messages": TALK, "tokens": 12}, "hello\n好"),
        ({"messages": TALK, "words": 3}, "hello\n好"),
        ({"messages": TALK, "tokens": [1, 2]}, "hello\n好"),
        ({"messages": TALK, "text": None}, "hello\n好"),
        ({"text": "a b", "tokens": 2}, "a b"),
        ({"tokens": ["a", "b"], "tags": ["O", "O"]}, "a b"),
    ],
)
def test_columns_that_are_called_like_words_and_hold_none_hide_nothing(record: Record, shown: str) -> None:
    assert shown_text(record) == shown
