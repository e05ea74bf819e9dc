"""A prompt as rows of tokens, and which tokens its words are asked for: what a model learns the words from.

A row is read once for all words that ask for something in it: of a decoder one that begins like another is part of it,
and a masked language model reads a row with the same masks once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from danlu.model.shape import Shape
from danlu.task.inputs import model_inputs
from danlu.text.batching.batch import Batch, pad, rounded_count
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.dialogue.template import Template
from danlu.text.prompting.filled import Filled
from danlu.text.prompting.laid import laid
from danlu.text.prompting.read import blank, by_a_decoder, refuse_chat, written
from danlu.text.tokenizing.special import padding_id
from danlu.text.tokenizing.tokenizer import Tokenizer

Ids = tuple[int, ...]

ASKED = ("rows", "places", "tokens", "words")
"""Targets of what is asked for: row, place in it, token, and the word that it is a part of."""


@dataclass(frozen=True)
class Put:
    """A prompt as it is put to a model.

    - `rows`: what it reads; of an encoder-decoder, what the decoder does.
    - `source`: what an encoder reads before a decoder.
    - `asked`: row, place in it, token that is asked for there, and the word that it is a part of.
    - `tokens`, `characters`: of each word, those that are asked for.
    """

    rows: tuple[Ids, ...]
    asked: tuple[tuple[int, int, int, int], ...]
    tokens: tuple[int, ...]
    characters: tuple[int, ...]
    source: Ids | None = None

    @property
    def length(self) -> int:
        """Tokens of the longest row, on either side; the last token of a word is asked for, and no decoder reads it."""
        return max(*map(len, self.rows), len(self.source or ()))

    def encoded(self, record: int, cut: int, lengths: Sequence[int]) -> Encoded:
        """As an example; `lengths` is by what the log-likelihood of each word is divided."""
        asked_A4 = np.array(self.asked, np.int32)
        targets = dict(zip(ASKED, np.ascontiguousarray(asked_A4.T), strict=True))
        targets["lengths"] = np.array(lengths, np.int32)
        if self.source is None:
            return Encoded(record, tuple(Row(np.array(ids, np.int32)) for ids in self.rows), targets, cut=cut)
        targets["written"] = np.array([*map(len, self.rows)], np.int32)
        source = Row(np.array(self.source, np.int32))
        ids = np.array([token for row in self.rows for token in row], np.int32)
        return Encoded(record, (source,) * len(self.rows), targets, target_ids=ids, cut=cut)


def put(
    prompts: Sequence[Filled],
    tokenizer: Tokenizer,
    shape: Shape,
    begins: Ids,
    chat: Template | None,
) -> list[Put]:
    """Each prompt as a model of a shape reads it; `begins` are the tokens that its decoder begins with.

    Raises `Refusal` for words that the tokenizer does not know or tell apart, and a conversation with no decoder.
    """
    if shape == "decoder":
        reads = by_a_decoder(prompts, tokenizer, chat)
        return [_after(each.ids or begins, each.follow, each.characters, None) for each in reads]
    refuse_chat(chat)
    if shape == "encoder_decoder":
        reads = written(prompts, tokenizer)
        return [_after(begins, each.follow, each.characters, each.ids) for each in reads]
    mask = int(tokenizer.mask_token_id)
    found = []
    for prompt, each in zip(prompts, laid(prompts, tokenizer, special=True), strict=True):
        rows: dict[Ids, int] = {}
        asked = [
            (rows.setdefault(blank(row, place, mask), len(rows)), place, row.ids[place], word)
            for word, row in enumerate(each)
            for place in range(row.first, row.end)
        ]
        found.append(
            Put(tuple(rows), tuple(asked), tuple(row.end - row.first for row in each), tuple(map(len, prompt.words)))
        )
    return found


def _after(before: Ids, follow: Sequence[Ids], characters: Ids, source: Ids | None) -> Put:
    """Words that go on from what stands before them."""
    wanted = [(*before, *ids[:-1]) for ids in follow]
    rows: list[Ids] = []
    for each in sorted(set(wanted), key=len, reverse=True):
        if not any(row[: len(each)] == each for row in rows):
            rows.append(each)
    asked = [
        (
            next(number for number, row in enumerate(rows) if row[: len(each)] == each),
            len(before) - 1 + step,
            token,
            word,
        )
        for word, (each, ids) in enumerate(zip(wanted, follow, strict=True))
        for step, token in enumerate(ids)
    ]
    return Put(tuple(rows), tuple(asked), tuple(map(len, follow)), characters, source)


def tokens_asked(encoded: Sequence[Encoded]) -> set[int]:
    """The tokens that examples of `Put.encoded` ask for; none of other examples."""
    return {int(token) for item in encoded if item.targets.keys() >= {*ASKED} for token in item.targets["tokens"]}


def batch_of(encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, words: int) -> Batch:
    """A batch of examples of `Put.encoded`, with the targets that `likelihoods` reads and the target `label` (B,).

    `places` (R, T): where anything is asked, of an encoder-decoder in what its decoder reads; `asked` (A, 3): which of
    these places in the order of rows, which token, and which word of which example; `lengths` (B, W).
    """
    inputs = model_inputs([row for item in encoded for row in item.rows], width, tokenizer)
    firsts = np.cumsum([0, *(len(item.rows) for item in encoded)])
    wide, written_R = width, [ids for item in encoded for ids in _written(item)]
    if written_R:
        longest = max(map(len, written_R))
        wide = min(rounded_count(longest), max(longest, width))  # few shapes, and none beyond the model's limit
        inputs["decoder_input_ids"] = pad(written_R, wide, padding_id(tokenizer))
    rows_A = np.concatenate([item.targets["rows"] + first for item, first in zip(encoded, firsts, strict=False)])
    places_A, tokens_A = (np.concatenate([item.targets[name] for item in encoded]) for name in ("places", "tokens"))
    cells_A = np.concatenate([item.targets["words"] + number * words for number, item in enumerate(encoded)])
    places_RT = torch.zeros((int(firsts[-1]), wide), dtype=torch.bool)
    places_RT[rows_A, places_A] = True
    kept_A = places_RT.flatten().cumsum(0)[rows_A.astype(np.int64) * wide + places_A] - 1
    label_B = torch.tensor([item.targets.get("label", -100) for item in encoded])
    return Batch(
        inputs=inputs,
        targets={
            "label": label_B,
            "places": places_RT,
            "asked": torch.stack([kept_A, *(torch.from_numpy(each).long() for each in (tokens_A, cells_A))], 1),
            "lengths": torch.from_numpy(np.stack([item.targets["lengths"] for item in encoded])),
        },
        counts={"label": int((label_B >= 0).sum())},
        examples=np.arange(len(encoded)),
        tokens=sum(sum(map(len, item.rows)) + sum(map(len, _written(item))) for item in encoded),
    )


def likelihoods(logits_KV: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
    """The logarithm of the probability (B, W) of each word of each example, divided by its length."""
    kept_A, tokens_A, cells_A = targets["asked"].unbind(1)
    logits_KV = logits_KV.float()
    logs_A = logits_KV[kept_A, tokens_A] - torch.logsumexp(logits_KV, -1)[kept_A]
    lengths_BW = targets["lengths"]
    return (
        torch.zeros(lengths_BW.numel(), device=logs_A.device).index_add(0, cells_A, logs_A).view(lengths_BW.shape)
        / lengths_BW
    )


def _written(item: Encoded) -> list[np.ndarray]:
    """What a decoder reads of each row of an example, where there is one beside an encoder."""
    if item.target_ids is None:
        return []
    return np.split(item.target_ids, np.cumsum(item.targets["written"])[:-1])
