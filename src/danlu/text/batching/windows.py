"""Texts to rows of tokens, with what becomes of a text that is longer than a row may be."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from danlu.refusal import Refusal
from danlu.text.batching.encoded import Encoded, Ids
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer

TooLong = Literal["stop", "truncate", "split"]


def documents(texts: Sequence[str], tokenizer: Tokenizer) -> list[Ids]:
    """The token numbers of each text as a document of its own, never cut.

    It stands between its begin and end tokens, where the tokenizer has them and has not put them there.
    """
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    found = []
    for encoding in tokenized(texts, tokenizer, offsets=False):
        ids = encoding.ids
        if begin is not None and ids[:1] != [begin]:
            ids = [begin, *ids]
        if end is not None and (len(ids) < 2 or ids[-1] != end):
            ids = [*ids, end]
        found.append(np.array(ids or [0], np.int32))
    return found


def around(tokenizer: Tokenizer) -> tuple[int, int]:
    """How many special tokens a document of `documents` begins and ends with."""
    ids = documents(["a"], tokenizer)[0]
    inside = np.flatnonzero(~np.isin(ids, np.array(tokenizer.all_special_ids)))
    return (int(inside[0]), len(ids) - 1 - int(inside[-1])) if len(inside) else (0, 0)


def windows(
    texts: Sequence[str],
    tokenizer: Tokenizer,
    limit: int,
    too_long: TooLong,
    *,
    overlap: int = 0,
    offsets: bool = False,
    blanks: bool = False,
) -> list[Encoded]:
    """Rows of at most `limit` tokens, each with its special tokens; one a text, several where a long one is split.

    `overlap` is how many tokens two neighbouring windows of a text share; `offsets` asks for the characters of
    each token, and with `blanks` a mask token in a text is the mask. Raises `Refusal` naming the record for a text
    that is too long under "stop".
    """
    found = []
    for record, encoding in enumerate(tokenized(texts, tokenizer, offsets=offsets, blanks=blanks)):
        ids = np.array(encoding.ids or [_stand_in(tokenizer)], np.int32)
        spans = np.array(encoding.offsets or [(0, 0)], np.int32) if offsets else None
        if len(ids) <= limit:
            found.append(Encoded(record, ids, spans))
            continue
        special = np.array(encoding.special_tokens_mask, bool)
        found += cut(Encoded(record, ids, spans), special, limit, too_long, overlap)
    return found


def cut(whole: Encoded, special_T: NDArray[np.bool_], limit: int, too_long: TooLong, overlap: int) -> list[Encoded]:
    """A row that is longer than `limit` tokens as windows, or as its first window alone under "truncate".

    The special tokens, which stand before and after the others, are in every window. Raises `Refusal` under "stop".
    """
    if too_long == "stop":
        raise Refusal(
            f"record {whole.record + 1:,}: the text has {len(whole):,} tokens and a row takes {limit:,}; "
            "shorten it, or set the task's 'too_long' to 'split' or 'truncate'"
        )
    content = np.flatnonzero(~special_T)
    first, last = int(content[0]), int(content[-1]) + 1
    room = limit - (len(whole) - (last - first))
    assert room > overlap, f"a row of {limit} tokens has no room for text"
    starts = [first] if too_long == "truncate" else range(first, last - overlap, room - overlap)
    found = []
    for start in starts:
        kept = np.r_[0:first, start : min(start + room, last), last : len(whole)]
        offsets = None if whole.offsets is None else whole.offsets[kept]
        found.append(Encoded(whole.record, whole.input_ids[kept], offsets, start=start - first))
    if too_long == "truncate":
        found[0].cut = last - first - room
    return found


def _stand_in(tokenizer: Tokenizer) -> int:
    """What a text without tokens is given, since a row needs one: the end token, or number 0."""
    return 0 if tokenizer.eos_token_id is None else int(tokenizer.eos_token_id)
