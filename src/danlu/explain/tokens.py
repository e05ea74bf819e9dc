"""Which characters of which text each token of a row stands for, whatever a task has put around them.

T tokens of a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from danlu.text.batching.align import without_space
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer

_BETWEEN = -1  # stands between two texts, and is no token


@dataclass(frozen=True)
class Token:
    """A token of a row.

    - `name`: how the tokenizer writes it.
    - `column`: the text that it is of; None for special tokens and what a template has put in.
    - `start`, `end`: its characters in that text, end exclusive, without white space at either end where it has more.
    """

    name: str
    column: str | None = None
    start: int = 0
    end: int = 0


def tokens_of(
    item: Encoded,
    texts: Mapping[str, str],
    tokenizer: Tokenizer,
    *,
    blanks: bool = False,
    characters: bool = False,
    late: bool = False,
) -> list[Token]:
    """The tokens of a row that was made of `texts`, in the order in which they stand in it.

    The texts are tokenized once more and looked for in the row, where they may begin late, be cut, or have markers
    between their tokens. With `blanks` a mask token in a text is the mask; `characters` as in `tokenized`. A text that
    stands whole in several places is the first of them; `late` the last, as a prompt is behind its template.
    """
    ids_T = item.row.input_ids
    known: list[list[tuple[int, str, int, int]]] = []
    encodings = tokenized(list(texts.values()), tokenizer, special=False, blanks=blanks, characters=characters)
    for place, ((column, text), encoding) in enumerate(zip(texts.items(), encodings, strict=True)):
        spans_N2 = without_space(np.array(encoding.offsets, np.int32).reshape(-1, 2), text)
        slid = item.start if place == len(texts) - 1 else 0  # the last text is the one that slides
        found = [
            (number, column, int(start), int(end))
            for number, (start, end) in zip(encoding.ids[slid:], spans_N2[slid:], strict=True)
        ]
        known.append(found)
    names = tokenizer.convert_ids_to_tokens(ids_T.tolist())
    tokens = [Token(str(name)) for name in names]
    borders = _borders(tokenizer)
    for sought, begin, stop in _sides(ids_T.tolist(), known, borders):
        numbers, ids = [each[0] for each in sought], ids_T[begin:stop].tolist()
        for first, place, size in (late and _last_whole(numbers, ids, borders)) or _blocks(numbers, ids):
            for step in range(size):
                _, column, start, end = sought[first + step]
                tokens[begin + place + step] = Token(tokens[begin + place + step].name, column, start, end)
    return tokens


def _blocks(numbers: Sequence[int], ids: Sequence[int]) -> Sequence[tuple[int, int, int]]:
    """What two rows share, in order: where it begins in the one, where in the other, and how long it is."""
    return SequenceMatcher(None, numbers, ids, autojunk=False).get_matching_blocks()


def _last_whole(numbers: Sequence[int], ids: Sequence[int], special: set[int]) -> Sequence[tuple[int, int, int]]:
    """The last place where a text stands whole in a row, one before a special token if there is; nothing without."""
    text = [number for number in numbers if number != _BETWEEN]
    size = len(text)
    starts = [start for start in range(len(ids) - size + 1) if size and ids[start : start + size] == text]
    ended = [start for start in starts if start + size < len(ids) and ids[start + size] in special]
    return [(0, (ended or starts)[-1], size)] if starts else []


def _borders(tokenizer: Tokenizer) -> set[int]:
    """The special tokens that may stand between texts; unknown words and masks stand in them."""
    found = {*tokenizer.all_special_ids}
    return found - {tokenizer.unk_token_id, tokenizer.mask_token_id}


def _sides(
    ids: Sequence[int], known: Sequence[list[tuple[int, str, int, int]]], special: set[int]
) -> list[tuple[list[tuple[int, str, int, int]], int, int]]:
    """Where each text is to be looked for: between the special tokens, where these part the row into texts alone.

    Else, as in a template, all are looked for in all of it, one after the other.
    """
    borders = [-1, *(place for place, number in enumerate(ids) if number in special), len(ids)]
    pieces = [(before + 1, after) for before, after in pairwise(borders) if after > before + 1]
    if len(known) > 1 and len(pieces) == len(known):
        sides = [(sought, begin, stop) for sought, (begin, stop) in zip(known, pieces, strict=True)]
        if all(_holds([each[0] for each in sought], ids[begin:stop]) for sought, begin, stop in sides):
            return sides
    between = (_BETWEEN, "", 0, 0)
    return [([each for sought in known for each in (*sought, between)], 0, len(ids))]


def _holds(text: Sequence[int], piece: Sequence[int]) -> bool:
    """Whether a piece of a row is a piece of a text."""
    starts = range(len(text) - len(piece) + 1)
    return any(text[start] == piece[0] and text[start : start + len(piece)] == list(piece) for start in starts)


def tokens_as_read(ids_T: NDArray[np.integer], tokenizer: Tokenizer, column: str) -> tuple[str, list[Token]]:
    """A row as one text, special tokens left out, and its tokens: for rows of which a template has made much."""
    special = set(tokenizer.all_special_ids)
    tokens: list[Token] = []
    kept: list[int] = []
    text = ""
    for number in ids_T.tolist():
        name = str(tokenizer.convert_ids_to_tokens(number))
        if number in special:
            tokens.append(Token(name))
            continue
        kept.append(number)
        longer = str(tokenizer.decode(kept))
        whole = longer if not longer.endswith("\ufffd") and longer.startswith(text) else text  # a character in pieces
        tokens.append(Token(name, column, len(text), len(whole)))
        text = whole
    spans = np.array([(token.start, token.end) for token in tokens], np.int32).reshape(-1, 2)
    trimmed = without_space(spans, text)
    return text, [
        token if token.column is None else Token(token.name, column, int(start), int(end))
        for token, (start, end) in zip(tokens, trimmed, strict=True)
    ]


def unread(texts: Mapping[str, str], tokens: Sequence[Token]) -> dict[str, tuple[tuple[int, int], ...]]:
    """Of each text the characters before and behind those that the row reads, white space aside; none where it is read.

    What a normaliser has dropped within a text is not told.
    """
    found = {}
    for column, text in texts.items():
        own = [token for token in tokens if token.column == column and token.end > token.start]
        first = min((token.start for token in own), default=len(text))
        last = max((token.end for token in own), default=len(text))
        gaps = [(start, end) for start, end in ((0, first), (last, len(text))) if text[start:end].strip()]
        if gaps:
            found[column] = tuple(gaps)
    return found
