"""A batch as a person reads it: its tokens as text, which of them the loss counts, and what each is to become."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from tokenizers.models import WordPiece

from danlu.data.characters.word_cutting import seam
from danlu.task.inputs import lengths_of
from danlu.task.task import Task, Truth
from danlu.text.batching.batch import Batch
from danlu.text.tokenizing.tokenizer import Tokenizer

Role = Literal["special", "context", "learnt"]
"""Whether the loss counts a token, or what is made of it; the others are special tokens, or beside the point."""


@dataclass(frozen=True)
class Piece:
    """Characters of a row that share a fate.

    - `truth`: what is to be predicted there, where that is not the text itself.
    - `document`: of several in a row, from 0.
    """

    text: str
    role: Role
    truth: str = ""
    document: int = 0


@dataclass(frozen=True)
class Row:
    """One row of a batch; `label` is that of the whole row, if it has one, and `padding` counts tokens behind it."""

    pieces: tuple[Piece, ...]
    label: str
    padding: int


def readable(batch: Batch, task: Task, tokenizer: Tokenizer, rows: int = 4) -> list[Row]:
    """The first rows of a batch as the model will see them; a truth stands behind each place that the loss counts."""
    lengths = _lengths(batch)
    found = []
    for row in range(min(rows, len(lengths))):
        ids = batch.inputs["input_ids"][row].tolist()
        label, truths = task.told(batch, row, tokenizer)
        documents = batch.inputs["segments"][row].tolist() if "segments" in batch.inputs else [0] * len(ids)
        pieces = _pieces(ids[: lengths[row]], truths or [None] * len(ids), documents, tokenizer)
        found.append(Row(tuple(pieces), label, len(ids) - lengths[row]))
    return found


def spelled(ids: Sequence[int], tokenizer: Tokenizer) -> Iterator[tuple[int, str]]:
    """How many tokens belong together, and the text they spell, with the space before it where there is one.

    A Chinese character may be several tokens of bytes; they are spelled as one.
    """
    tokens = tokenizer.convert_ids_to_tokens(list(ids))
    wordpiece = isinstance(tokenizer.backend_tokenizer.model, WordPiece)
    start, before = 0, ""
    for end in range(1, len(ids) + 1):
        text = str(tokenizer.decode(list(ids[start:end]), skip_special_tokens=False))
        if text.endswith("\ufffd") and end - start < 16 and end < len(ids):  # bytes of the next character
            continue
        first = tokens[start] or ""
        if wordpiece:
            text = text[2:] if first.startswith("##") else seam(before, text) + text
        elif first.startswith(("Ġ", "▁")) and not text.startswith(" "):
            text = " " + text
        yield end - start, text
        start, before = end, text


def _lengths(batch: Batch) -> list[int]:
    if "segments" in batch.inputs:
        return [int((segments >= 0).sum()) for segments in batch.inputs["segments"]]
    return lengths_of(batch.inputs)


def _pieces(
    ids: list[int], truths: Sequence[Truth | None], documents: list[int], tokenizer: Tokenizer
) -> Iterator[Piece]:
    """Neighbouring tokens of one fate as one piece."""
    special = set(tokenizer.all_special_ids)
    told, place = list[tuple[Role, Truth, int, str]](), 0
    for number, text in spelled(ids, tokenizer):
        truth = truths[place]
        role: Role = "learnt" if truth is not None else "special" if ids[place] in special else "context"
        told.append((role, truth or Truth(), documents[place], text))
        place += number
    for (role, truth, document), group in groupby(told, key=lambda item: item[:3]):
        yield Piece("".join(item[3] for item in group), role, truth.text, document)
