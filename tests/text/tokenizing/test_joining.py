"""How pieces are joined: what is looked at again is what has changed."""

import heapq
from typing import Any

import pytest

from danlu.text.tokenizing.joining import joined
from danlu.text.tokenizing.tokenizers.char import Char


def test_pairs_whose_count_stays_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = [chr(0x4E00 + number) for number in range(100)]
    tokenizer = Char().build(lambda: iter(["".join(letters)]))
    pushed: list[Any] = []
    push = heapq.heappush

    def counted(heap: list[Any], item: Any) -> None:
        pushed.append(item)
        push(heap, item)

    monkeypatch.setattr(heapq, "heappush", counted)
    chunk = tuple(tokenizer.convert_tokens_to_ids(letters))
    found = joined({chunk: 5, chunk[40:42]: 1}, tokenizer, 1, 2)
    assert [each.name for each in found] == ["".join(letters[40:42])]
    assert len(pushed) == 2  # the new piece with what is before and behind it
