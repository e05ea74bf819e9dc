"""Short documents that share a row in training, where a model is found to keep them apart.

Whether that pays: rows of one document, sorted by length, are padded by some 7 % (`danlu.text.batching.batch`), and
that is all that a full row can save. It costs products of queries and keys across documents, which are masked after
they were computed: a row of 512 tokens computes 512 a token where documents of 64 would compute 64. So on a CPU
encoders have a row a document unless they are asked otherwise; decoders, whose texts are cut into long rows anyway,
share them.

Legend: B rows, T tokens, U tokens that are written.
"""

from collections.abc import Callable, Sequence
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from danlu.machine.seed import generator
from danlu.model.documents import SEGMENTS, WRITTEN, tell_documents_apart
from danlu.model.heads import unwrapped
from danlu.model.positions import longest_row
from danlu.model.probe import packs
from danlu.refusal import Refusal
from danlu.text.batching.batch import pad
from danlu.text.batching.encoded import Encoded, Ids, Row
from danlu.text.batching.pack import pack
from danlu.text.tokenizing.special import ordinary_ids
from danlu.text.tokenizing.tokenizer import Tokenizer

DOCUMENTS = "documents"
"""The target that says which document each token to be written is of; counted down from -1, for it is not learnt."""


USUAL_ROW = 2048
"""Tokens of a row where batches are counted in rows and a model takes rows of any length."""


def room_in(longest: int, room: int) -> int:
    """Tokens to which rows are filled: as many as a batch has room for, and no more than a row may have."""
    return min(longest, room or USUAL_ROW)


def packed_rows(windows: Sequence[Encoded], size: int, lengths: Sequence[int] | None = None) -> list[Encoded]:
    """Windows side by side in rows of up to `size` tokens, in the order of their first documents.

    What is to be written of them stands side by side as well, up to `size` tokens too. Targets are of tokens. A window
    that is longer than that has a row for itself. `lengths` are what each takes of a row where that is not its tokens.
    """
    taken = [_length(item) for item in windows] if lengths is None else lengths
    rows = pack([min(length, size) for length in taken], size)
    return sorted((in_a_row([windows[place] for place in row]) for row in rows), key=lambda item: item.record)


def in_a_row(items: Sequence[Encoded]) -> Encoded:
    """These one after the other, as one; what is to be written of them as well."""
    targets = {name: np.concatenate([item.targets[name] for item in items]) for name in items[0].targets}
    written = [item.target_ids for item in items if item.target_ids is not None]
    if written:
        targets[DOCUMENTS] = -1 - _numbers([len(each) for each in written])
    ids = np.concatenate([item.row.input_ids for item in items])
    return Encoded(
        record=items[0].record,
        rows=(Row(ids, segments=_numbers([len(item) for item in items])),),
        targets=targets,
        target_ids=np.concatenate(written) if written else None,
        cut=sum(item.cut for item in items),
    )


def parts_of(item: Encoded) -> list[Row]:
    """The documents of a row, without what is to be learnt of them."""
    row = item.row
    if row.segments is None:
        return [row]
    return [Row(ids) for ids in np.split(row.input_ids, np.flatnonzero(np.diff(row.segments)) + 1)]


def lengths_of(item: Encoded) -> Ids:
    """Tokens of each document of a row."""
    segments = item.row.segments
    return np.array([len(item)], np.int32) if segments is None else np.bincount(segments).astype(np.int32)


def begun(item: Encoded, start: int) -> Ids:
    """What a decoder reads of a row: what each document begins with, and all that it writes but the last token."""
    written = np.zeros(0, np.int32) if item.target_ids is None else item.target_ids
    read: Ids = np.r_[start, written[:-1]].astype(np.int32)
    if DOCUMENTS in item.targets:
        read[np.flatnonzero(np.diff(item.targets[DOCUMENTS], prepend=0))] = start
    return read


def _length(item: Encoded) -> int:
    return max(len(item), 0 if item.target_ids is None else len(item.target_ids))


def _numbers(lengths: Sequence[int]) -> Ids:
    return np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)


def refuse_packed_tokens(kind: str) -> NoReturn:
    """Raise the `Refusal` of a `pack` where documents come out of flat token files."""
    raise Refusal(
        f"task.pack: documents of flat token files have rows of their own; write 'task: {{kind: {kind}, pack: true}}' "
        "in the stage of kind 'shards' as well, or leave it out"
    )


def share_rows(encoded: Sequence[Encoded]) -> bool:
    """Whether any row of a batch holds several documents."""
    return any(item.row.segments is not None and item.row.segments[-1] > 0 for item in encoded)


def document_inputs(encoded: Sequence[Encoded], width: int, written: int | None = None) -> dict[str, Tensor]:
    """`segments` (B, T), and `decoder_segments` (B, U) where so many tokens are `written`; -1 for padding.

    There is nothing to be told where each row is one document.
    """
    if not share_rows(encoded):
        return {}
    rows = [item.row for item in encoded]
    alone = [np.zeros(len(row), np.int32) if row.segments is None else row.segments for row in rows]
    found = {SEGMENTS: pad(alone, width, -1)}
    if written is not None:
        found[WRITTEN] = pad([-1 - _documents(item) for item in encoded], written, -1)
    return found


def _documents(item: Encoded) -> Ids:
    """The target `DOCUMENTS`, also of a row of one."""
    length = 0 if item.target_ids is None else len(item.target_ids)
    found: Ids = item.targets.get(DOCUMENTS, np.full(length, -1, np.int32))
    return found


def able_to_pack(
    model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None], *, asked: bool, start: int | None = None
) -> bool:
    """Whether documents in one row do not see each other, found by trying; of two sides with the first token `start`.

    Raises:
        Refusal: they do, and `asked` says that the recipe wants it.
    """
    tell_documents_apart(model)
    rows = probe_rows(model, tokenizer)
    lengths = [len(rows[0]) // 2, len(rows[0]) // 3]
    parts = [row[:length] for row, length in zip(rows, lengths, strict=True)]
    inputs: dict[str, Tensor] = {
        "input_ids": torch.from_numpy(np.concatenate(parts))[None].long(),
        SEGMENTS: torch.from_numpy(_numbers(lengths))[None].long(),
    }
    written: list[int] = []
    if start is not None:  # what is written is of other lengths, so that no side is taken for the other
        written = lengths[::-1]
        inputs["decoder_input_ids"] = inputs["input_ids"].roll(3, 1)
        inputs["decoder_input_ids"][0, [0, written[0]]] = start
        inputs[WRITTEN] = torch.from_numpy(_numbers(written))[None].long()
    if packs(model, inputs, lengths, written):
        return True
    own_rows(model, say, asked=asked)
    return False


def own_rows(model: nn.Module, say: Callable[[str], None], *, asked: bool) -> None:
    """Say that documents have rows of their own, or raise `Refusal` where the recipe asks for another thing."""
    family = unwrapped(model).config.model_type
    why = f"documents that share a row would see each other in models of the family '{family}'"
    where = next(model.parameters()).device.type
    if where != "cpu":
        why += f" on this device ({where}), whose attention knows no documents"
    if asked:
        raise Refusal(f"task.pack: {why}; set 'pack' to false")
    say(f"documents that share a row would see each other in '{family}'; each has its own row, as with pack: false")


def probe_rows(model: nn.Module, tokenizer: Tokenizer) -> list[Ids]:
    """Two rows of any tokens, to try a model with."""
    size = min(32, longest_row(unwrapped(model)))
    return [generator(seed, "probe").choice(ordinary_ids(tokenizer), size).astype(np.int32) for seed in (0, 1)]
