"""A batch as a person reads it: its tokens as text, which of them the loss counts, and what each is to become."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Literal

from tokenizers.models import WordPiece

from danlu.data.characters.word_cutting import seam
from danlu.task.inputs import lengths_of
from danlu.task.task import Task
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
        label, truths = _told(batch, row, task, tokenizer)
        documents = batch.inputs["segments"][row].tolist() if "segments" in batch.inputs else [0] * len(ids)
        pieces = _pieces(ids[: lengths[row]], truths, documents, task, tokenizer)
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


def _told(batch: Batch, row: int, task: Task, tokenizer: Tokenizer) -> tuple[str, list[str | None]]:
    """The label of a row; and for each of its tokens the truth, "" if that is the text, None if the loss passes it by.

    Entities are told at their tokens as `1 place`, numbered so that neighbours stay apart.
    """
    width = batch.inputs["input_ids"].shape[1]
    names: dict[int, str] = task.config().get("id2label", {})
    if batch.labels.dim() == 1:
        number = batch.labels[row].item()
        return f"{number:g}" if batch.labels.is_floating_point() else names.get(int(number), ""), [None] * width
    values = [int(value) for value in batch.labels[row].tolist()]
    if len(values) != width:  # another row than that which is read, as of an encoder and its decoder
        return "", [None] * width
    if task.auto_class == "AutoModelForCausalLM":  # labels are the next tokens: what is predicted stands one further
        return "", [None, *("" if value >= 0 else None for value in values[:-1])]
    if not names:
        return "", [_word(value, tokenizer) if value >= 0 else None for value in values]
    begun = accumulate(names.get(value, "").startswith("B-") for value in values)
    told = [f"{number} {names[value][2:]}" if value > 0 else "" for number, value in zip(begun, values, strict=True)]
    return "", [truth if value >= 0 else None for truth, value in zip(told, values, strict=True)]


def _pieces(
    ids: list[int], truths: list[str | None], documents: list[int], task: Task, tokenizer: Tokenizer
) -> Iterator[Piece]:
    """Neighbouring tokens of one fate as one piece; each token with a truth of its own is one by itself."""
    special = set(tokenizer.all_special_ids)
    entities = bool(task.config().get("id2label"))
    told, place = list[tuple[Role, str, int, int, str]](), 0
    for number, text in spelled(ids, tokenizer):
        truth = truths[place]
        role: Role = "learnt" if truth is not None else "special" if ids[place] in special else "context"
        told.append((role, truth or "", documents[place], place if truth and not entities else -1, text))
        place += number
    for (role, truth, document, _), group in groupby(told, key=lambda item: item[:4]):
        text = "".join(item[4] for item in group)
        yield Piece(text, role, truth.partition(" ")[2] if entities else truth, document)


def _word(token: int, tokenizer: Tokenizer) -> str:
    return str(tokenizer.decode([token])).strip().removeprefix("##")
