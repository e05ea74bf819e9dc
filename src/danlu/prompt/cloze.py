"""How likely a masked language model finds each word in the place of the answer (Schick and Schuetze, 2021).

The place has as many masks as the word has tokens. Of several tokens each is asked for with those before it filled in
and those behind it masked, so that the logarithms add up to that of the word.

Legend: B rows, T tokens, K asked places, V vocabulary.
"""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from danlu.model.heads import kept_logits
from danlu.task.inputs import model_inputs
from danlu.text.batching.encoded import Row
from danlu.text.prompting.laid import Laid
from danlu.text.prompting.read import blank
from danlu.text.tokenizing.tokenizer import Tokenizer

TOKENS = 4096
"""Tokens of a batch, padding included."""

Blank = tuple[tuple[int, ...], int]
"""A row with masks in it, and the place that is asked for."""


@torch.inference_mode()
def cloze_likelihoods(
    model: PreTrainedModel, tokenizer: Tokenizer, prompts: Sequence[Sequence[Laid]]
) -> list[list[float]]:
    """The logarithm of the probability of each word of each prompt, in nats; rows that are the same are read once."""
    wanted: dict[Blank, dict[int, float]] = {}
    for words in prompts:
        for word in words:
            for place in range(word.first, word.end):
                wanted.setdefault(_blank(word, place, tokenizer), {})[word.ids[place]] = 0.0
    rows = sorted(wanted, key=lambda blank: len(blank[0]))
    while rows:
        batch = rows[: max(1, TOKENS // len(rows[0][0]))]
        batch = batch[: max(1, TOKENS // len(batch[-1][0]))]
        _ask(model, tokenizer, batch, wanted)
        rows = rows[len(batch) :]
    return [
        [
            sum(wanted[_blank(word, place, tokenizer)][word.ids[place]] for place in range(word.first, word.end))
            for word in words
        ]
        for words in prompts
    ]


def _blank(word: Laid, place: int, tokenizer: Tokenizer) -> Blank:
    return blank(word, place, int(tokenizer.mask_token_id)), place


def _ask(
    model: PreTrainedModel, tokenizer: Tokenizer, batch: Sequence[Blank], wanted: dict[Blank, dict[int, float]]
) -> None:
    width = len(batch[-1][0])
    inputs = model_inputs([Row(np.array(ids, np.int32)) for ids, _ in batch], width, tokenizer)
    inputs = {name: value.to(model.device) for name, value in inputs.items()}
    keep_BT = (
        torch.arange(width, device=model.device)
        == torch.tensor([place for _, place in batch], device=model.device)[:, None]
    )
    logs_KV = torch.log_softmax(kept_logits(model, inputs, keep_BT).float(), -1)
    for logs_V, asked in zip(logs_KV, batch, strict=True):
        tokens = list(wanted[asked])
        wanted[asked] = dict(zip(tokens, logs_V[tokens].tolist(), strict=True))
