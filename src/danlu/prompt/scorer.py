"""A language model that says how likely each word is in the place of an answer, whatever its shape.

A decoder goes on from the prompt; an encoder-decoder reads it and writes the word; a masked language model fills the
word into the text.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedModel

from danlu.bundle.network import open_language_model
from danlu.data.cleaning.cleaner import Rewriter
from danlu.engine.engines.torch import TorchNetwork
from danlu.model.fast import prepare_for_inference
from danlu.model.positions import longest_row
from danlu.model.shape import Shape, shape_of
from danlu.prompt.cloze import cloze_likelihoods
from danlu.prompt.filled import Filled
from danlu.prompt.laid import Laid, Scored, laid, refuse_long
from danlu.prompt.likelihood import Continued, log_likelihoods
from danlu.refusal import Refusal
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.tokenizing.special import begin_id
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer


class Scorer(ABC):
    """What says how likely words are.

    - `rewriters`: what every text goes through before it is read, as it did in training.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: Tokenizer, rewriters: Sequence[Rewriter] = ()) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.rewriters = rewriters
        self.limit = longest_row(model)

    @abstractmethod
    def scored(self, prompts: Sequence[Filled], words: Sequence[str]) -> list[list[Scored]]:
        """How likely each word is in each prompt.

        Raises:
            Refusal: a prompt is too long, or the tokenizer does not tell the words apart.
        """


class Continues(Scorer):
    """A decoder: the word and what stands behind it are scored after what stands before."""

    def __init__(self, model: PreTrainedModel, tokenizer: Tokenizer, rewriters: Sequence[Rewriter] = ()) -> None:
        super().__init__(model, tokenizer, rewriters)
        self._session = TorchNetwork(model, frozen=True).session(tokenizer)

    def scored(self, prompts: Sequence[Filled], words: Sequence[str]) -> list[list[Scored]]:
        """See `Scorer.scored`."""
        begin = begin_id(self.tokenizer)
        before = [] if begin is None else [begin]
        asked = []
        for number, (each, rows) in enumerate(
            zip(prompts, laid(prompts, words, self.tokenizer, special=False), strict=True)
        ):
            shared = _shared(rows)
            read = [*before, *rows[0].ids[:shared]]
            follow = tuple(row.ids[shared:] for row in rows)
            refuse_long(each, len(read) + max(map(len, follow)), self.limit)
            (prompt,) = self._session.endings.prompts([Encoded(number, (Row(np.array(read, np.int32)),))])
            asked.append(Continued(prompt, follow))
        lengths = [[len(word) + len(each.after) for word in words] for each in prompts]
        return _scored(log_likelihoods(self._session.reader, asked), asked, lengths)


class Writes(Scorer):
    """An encoder-decoder: it reads what stands before the word, and the word and what stands behind it are scored."""

    def __init__(self, model: PreTrainedModel, tokenizer: Tokenizer, rewriters: Sequence[Rewriter] = ()) -> None:
        super().__init__(model, tokenizer, rewriters)
        self._session = TorchNetwork(model, frozen=True).session(tokenizer)

    def scored(self, prompts: Sequence[Filled], words: Sequence[str]) -> list[list[Scored]]:
        """See `Scorer.scored`."""
        sources = tokenized([each.before.rstrip() for each in prompts], self.tokenizer, offsets=False)
        targets = iter(
            laid([Filled("", each.after, each.where) for each in prompts], words, self.tokenizer, special=False)
        )
        asked = []
        for number, (each, source, rows) in enumerate(zip(prompts, sources, targets, strict=True)):
            follow = tuple(row.ids for row in rows)
            refuse_long(each, max(len(source.ids), 1 + max(map(len, follow))), self.limit)
            (prompt,) = self._session.endings.prompts([Encoded(number, (Row(np.array(source.ids, np.int32)),))])
            asked.append(Continued(prompt, follow))
        lengths = [[len(word) + len(each.after) for word in words] for each in prompts]
        return _scored(log_likelihoods(self._session.reader, asked), asked, lengths)


class Fills(Scorer):
    """A masked language model: the word alone is scored, between what stands on both sides."""

    def scored(self, prompts: Sequence[Filled], words: Sequence[str]) -> list[list[Scored]]:
        """See `Scorer.scored`."""
        asked = laid(prompts, words, self.tokenizer, special=True)
        for each, rows in zip(prompts, asked, strict=True):
            refuse_long(each, max(len(row.ids) for row in rows), self.limit)
        found = cloze_likelihoods(self.model, self.tokenizer, asked)
        return [
            [Scored(log, row.end - row.first, len(word)) for log, row, word in zip(logs, rows, words, strict=True)]
            for logs, rows in zip(found, asked, strict=True)
        ]


def scorer(model: PreTrainedModel, tokenizer: Tokenizer, rewriters: Sequence[Rewriter] = ()) -> Scorer:
    """What scores words with a language model; its shape says how.

    Raises:
        Refusal: it is a masked language model, and its tokenizer has no mask token.
    """
    shape = shape_of(model.config)
    if shape == "encoder" and tokenizer.mask_token_id is None:
        raise Refusal(
            f"{model.name_or_path}: the tokenizer has no mask token, so an encoder cannot be asked for a word; give a "
            "masked language model with its own tokenizer, or a decoder"
        )
    kinds: dict[Shape, type[Scorer]] = {"decoder": Continues, "encoder_decoder": Writes, "encoder": Fills}
    return kinds[shape](model, tokenizer, rewriters)


def open_scorer(path: str, precision: str = "float32") -> Scorer:
    """What scores words with the model of a bundle, of any Hugging Face folder, or of a name on the hub.

    Raises:
        Refusal: there is no such model, or it is no language model.
    """
    model, tokenizer, rewriters = open_language_model(path)
    return scorer(prepare_for_inference(model, precision), tokenizer, rewriters)


def _shared(rows: Sequence[Laid]) -> int:
    """How many tokens stand before the first that is scored: none is part of a word, and all are the same."""
    shared = min(row.first for row in rows)
    return next((place for place in range(shared) if len({row.ids[place] for row in rows}) > 1), shared)


def _scored(
    found: Sequence[Sequence[float]], asked: Sequence[Continued], lengths: Sequence[Sequence[int]]
) -> list[list[Scored]]:
    return [
        [Scored(log, len(ids), length) for log, ids, length in zip(logs, each.follow, characters, strict=True)]
        for logs, each, characters in zip(found, asked, lengths, strict=True)
    ]
