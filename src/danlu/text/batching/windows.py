"""Texts to rows of tokens, with what becomes of a text that is longer than a row may be."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from danlu.refusal import Refusal
from danlu.text.batching.encoded import Encoded, Ids, Row
from danlu.text.tokenizing.special import begin_id
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer, backend_for_text

TooLong = Literal["stop", "truncate", "split"]


def documents(texts: Sequence[str], tokenizer: Tokenizer) -> list[Ids]:
    """The token numbers of each text as a document of its own, never cut.

    It stands between its begin and end tokens, where the tokenizer has them and has not put them there.
    """
    return [ended(encoding.ids, tokenizer) for encoding in tokenized(texts, tokenizer, offsets=False)]


def ended(ids: list[int], tokenizer: Tokenizer) -> Ids:
    """Tokens between the begin and end tokens of a document; 0 where there is none at all, since a row needs one."""
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    if begin is not None and ids[:1] != [begin]:
        ids = [begin, *ids]
    if end is not None and (len(ids) < 2 or ids[-1] != end):
        ids = [*ids, end]
    return np.array(ids or [0], np.int32)


def refuse_uncut(too_long: TooLong, kind: str) -> None:
    """Raises `Refusal` where long documents of flat token files are to be anything else than cut into windows."""
    if too_long != "split":
        raise Refusal(
            f"task.too_long: flat token files have no records that could be left or cut off, so long documents are "
            f"split; write 'too_long: split', or 'task: {{kind: {kind}, too_long: {too_long}}}' in the stage of kind "
            "'shards' as well"
        )


def refuse_other_borders(tokenizer: Tokenizer, kind: str) -> None:
    """Raises `Refusal` where documents of flat token files have begin and end tokens that rows of records have not."""
    (encoding,) = tokenized(["a"], tokenizer, offsets=False)
    if sum(around(tokenizer)) != sum(encoding.special_tokens_mask):
        raise Refusal(
            f"documents of flat token files stand between begin and end tokens, which this tokenizer puts around no "
            f"other text, so {kind} would learn other rows than it is asked with; write 'task: {kind}' in the stage of "
            "kind 'shards' as well"
        )


def beginnings(texts: Sequence[str], tokenizer: Tokenizer) -> list[Ids]:
    """The token numbers of each text as the beginning of a document: `documents` without what ends one.

    That is the end token, and what the tokenizer itself puts behind a text, as BERT's does.
    """
    ends, found = {tokenizer.eos_token_id, tokenizer.sep_token_id}, []
    for ids in documents(texts, tokenizer):
        last = len(ids)
        while last > 1 and int(ids[last - 1]) in ends:  # what a text says is never a special token
            last -= 1
        found.append(ids[:last])
    return found


def around(tokenizer: Tokenizer) -> tuple[int, int]:
    """How many special tokens a document of `documents` begins and ends with."""
    (encoding,) = tokenized(["a"], tokenizer, offsets=False)  # which a tokenizer may not know, and then says so in it
    ids, begin, end = encoding.ids, tokenizer.bos_token_id, tokenizer.eos_token_id
    inside = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
    if inside:
        first, last = inside[0], inside[-1] + 1
    else:  # or drops it without a word
        first = last = int(ids[:1] == [begin_id(tokenizer)])
    return first + (begin is not None and ids[:1] != [begin]), len(ids) - last + (end is not None and ids[-1:] != [end])


def windows(
    texts: Sequence[str],
    tokenizer: Tokenizer,
    limit: int,
    too_long: TooLong,
    *,
    overlap: int = 0,
    offsets: bool = False,
    blanks: bool = False,
    characters: bool = False,
    records: Sequence[int] | None = None,
) -> list[Encoded]:
    """Rows of at most `limit` tokens, each with its special tokens; one a text, several where a long one is split.

    `overlap` is how many tokens two neighbouring windows of a text share; `offsets` asks for the characters of
    each token, with `blanks` a mask token in a text is the mask, and with `characters` no token holds two characters of
    scripts without spaces. `records` are the numbers of the records that the texts are of; None: each is of its own.
    Raises `Refusal` naming the record for a text that is too long under "stop".
    """
    found = []
    numbers = range(len(texts)) if records is None else records
    encodings = tokenized(texts, tokenizer, offsets=offsets, blanks=blanks, characters=characters)
    for record, encoding in zip(numbers, encodings, strict=True):
        ids = np.array(encoding.ids or [_stand_in(tokenizer)], np.int32)
        row = Row(ids, np.array(encoding.offsets or [(0, 0)], np.int32) if offsets else None)
        if len(ids) <= limit:
            found.append(Encoded(record, (row,)))
            continue
        slides = ~np.array(encoding.special_tokens_mask, bool)
        found += cut(Encoded(record, (row,)), slides, limit, too_long, overlap)
    return found


def windows_of_pairs(
    firsts: Sequence[str],
    seconds: Sequence[str],
    tokenizer: Tokenizer,
    limit: int,
    too_long: TooLong,
    *,
    overlap: int = 0,
    offsets: bool | Literal["joined"] = False,
    characters: bool = False,
    records: Sequence[int] | None = None,
    second_whole: bool = False,
) -> list[Encoded]:
    """Rows of two texts each, at most `limit` tokens long; a second text that is too long slides under its first.

    The first is in every window, whole. Where it takes more than half a row and the second does not fit beside it, it
    is cut to that half under "truncate" and "split", which counts as cut. `overlap` is how many tokens two
    neighbouring windows of the second share, `offsets` asks for the characters of the second, or of both, "joined" by
    one character. `characters` and `records` are as in `windows`. With `second_whole` only the first is cut, as far as
    need be. Raises `Refusal` naming the record for texts that are too long under "stop", and for a second one that
    would not be whole.
    """
    backend = backend_for_text(tokenizer)
    found = []
    how = {"offsets": bool(offsets), "special": False, "characters": characters}
    sides = [tokenized(texts, tokenizer, **how) for texts in (firsts, seconds)]
    numbers = range(len(firsts)) if records is None else records
    for record, text, first, second in zip(numbers, firsts, *sides, strict=True):
        room = limit - backend.num_special_tokens_to_add(is_pair=True)
        lost = _shorten(first, second, room, too_long, record, whole=second_whole)
        pair = backend.post_process(first, second)
        second_T = np.array([side == 1 for side in pair.sequence_ids], bool)
        spans = _offsets(pair, second_T, len(text) + 1 if offsets == "joined" else None) if offsets else None
        row = Row(np.array(pair.ids, np.int32), spans, np.array(pair.type_ids, np.int32))
        whole = Encoded(record, (row,), cut=lost)
        found += [whole] if len(row) <= limit else cut(whole, second_T, limit, too_long, overlap)
    return found


def _offsets(pair: Encoding, second_T: NDArray[np.bool_], shift: int | None) -> Ids:
    """The characters of the second of two texts, or of both where the second is shifted by some, (T, 2)."""
    found = np.array(pair.offsets, np.int32).reshape(-1, 2)
    if shift is None:
        return found * second_T[:, None]
    special_T = np.array(pair.special_tokens_mask, bool)
    return np.where(special_T[:, None], 0, found + shift * second_T[:, None]).astype(np.int32)


def _shorten(first: Encoding, second: Encoding, room: int, too_long: TooLong, record: int, *, whole: bool) -> int:
    """Cut the first of two texts to half of what they have room for, where both do not fit; how much it lost.

    Where the second is to be `whole`, the first is cut to what that leaves.
    """
    together, length = len(first.ids) + len(second.ids), len(first.ids)
    if together <= room:
        return 0
    if too_long == "stop":
        raise Refusal(
            f"record {record + 1:,}: the two texts have {together:,} tokens and a row takes {room:,}; "
            "shorten them, or set the task's 'too_long' to 'truncate', or to 'split' where it can"
        )
    if whole and len(second.ids) >= room:
        raise Refusal(
            f"record {record + 1:,}: the second text has {len(second.ids):,} tokens and leaves no room for the "
            f"first in a row of {room:,}; shorten it, or raise the task's 'max_length'"
        )
    kept = room - len(second.ids) if whole else max(room // 2, room - len(second.ids))
    first.truncate(kept)
    return max(0, length - kept)


def cut(whole: Encoded, slides_T: NDArray[np.bool_], limit: int, too_long: TooLong, overlap: int) -> list[Encoded]:
    """A row that is longer than `limit` tokens as windows, or as its first window alone under "truncate".

    What slides is one run of tokens; what stands before and after it, such as special tokens or a question, is in
    every window. Raises `Refusal` under "stop".
    """
    if too_long == "stop":
        raise Refusal(
            f"record {whole.record + 1:,}: the text has {len(whole):,} tokens and a row takes {limit:,}; "
            "shorten it, or set the task's 'too_long' to 'truncate', or to 'split' where it can"
        )
    row, content = whole.row, np.flatnonzero(slides_T)
    first, last = int(content[0]), int(content[-1]) + 1
    room = limit - (len(whole) - (last - first))
    assert room > overlap, f"a row of {limit} tokens has no room for text"
    starts = [first] if too_long == "truncate" else range(first, last - overlap, room - overlap)
    found = []
    for start in starts:
        kept = np.r_[0:first, start : min(start + room, last), last : len(whole)]
        parts = (None if part is None else part[kept] for part in (row.offsets, row.token_types, row.segments))
        found.append(Encoded(whole.record, (Row(row.input_ids[kept], *parts),), start=start - first, cut=whole.cut))
    if too_long == "truncate":
        found[0].cut += last - first - room
    return found


def _stand_in(tokenizer: Tokenizer) -> int:
    """What a text without tokens is given, since a row needs one: the end token, or number 0."""
    return 0 if tokenizer.eos_token_id is None else int(tokenizer.eos_token_id)
