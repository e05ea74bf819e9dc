"""What stands before and behind a place, cut to what a model takes: whole lines, the nearest ones."""

from danlu.text.batching.middles import ROOM
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer

PER_TOKEN = 16
"""Characters of a token at most, on average of code that anybody means to have read."""
BEHIND = 0.25
"""Of the room, that what stands behind may take where there is more on both sides."""


def fitted(before: str, behind: str, tokenizer: Tokenizer, room: int) -> tuple[str, str]:
    """The end of one text and the beginning of the other, of at most `room` tokens together.

    Lines are kept as wholes, where the nearest is not longer than all the room.
    """
    room = max(2, room - ROOM)
    before, behind = before[-room * PER_TOKEN :], behind[: room * PER_TOKEN]
    ends = _ends(before, tokenizer), _ends(behind, tokenizer)
    sizes = len(ends[0]), len(ends[1])
    if sum(sizes) <= room:
        return before, behind
    short = min(sizes[1], max(int(room * BEHIND), room - sizes[0]))
    return _last(before, ends[0], room - short), _first(behind, ends[1], short)


def last_lines(text: str, tokenizer: Tokenizer, room: int) -> str:
    """The end of a text, of at most `room` tokens."""
    text = text[-max(1, room) * PER_TOKEN :]
    return _last(text, _ends(text, tokenizer), room)


def _ends(text: str, tokenizer: Tokenizer) -> list[int]:
    """Where each token of a text ends, in characters."""
    (encoding,) = tokenized([text], tokenizer, special=False)
    return [end for _, end in encoding.offsets]


def _last(text: str, ends: list[int], room: int) -> str:
    if len(ends) <= room:
        return text
    start = ends[-room - 1] if room else len(text)
    line = text.find("\n", max(0, start - 1)) + 1
    return text[line if 0 < line < len(text) else start :]


def _first(text: str, ends: list[int], room: int) -> str:
    if len(ends) <= room:
        return text
    end = ends[room - 1] if room else 0
    line = text.rfind("\n", 0, end) + 1
    return text[: line if line else end]
