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
from danlu.prompt.likelihood import Continued, log_likelihoods
from danlu.refusal import Refusal
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.dialogue.template import Template
from danlu.text.prompting.filled import Filled
from danlu.text.prompting.laid import Scored, laid, refuse_long
from danlu.text.prompting.read import Read, by_a_decoder, refuse_chat, written
from danlu.text.tokenizing.tokenizer import Tokenizer

MANY = 32
"""Words of a prompt that are asked side by side: a row each, with all that stands before it."""


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
    def scored(self, prompts: Sequence[Filled], chat: Template | None = None) -> list[list[Scored]]:
        """How likely each of its words is in each prompt, or at the beginning of what is answered to it under `chat`.

        Raises:
            Refusal: a prompt is too long, the model does not converse, or the tokenizer does not tell the words apart.
        """


class _Decodes(Scorer):
    """What goes on from a prompt with the readers that write."""

    def __init__(self, model: PreTrainedModel, tokenizer: Tokenizer, rewriters: Sequence[Rewriter] = ()) -> None:
        super().__init__(model, tokenizer, rewriters)
        self._session = TorchNetwork(model, frozen=True).session(tokenizer)

    def _found(self, reads: Sequence[Read]) -> list[list[Scored]]:
        examples = [Encoded(number, (Row(np.array(read.ids, np.int32)),)) for number, read in enumerate(reads)]
        prompts = self._session.endings.prompts(examples)
        places, asked = [], []
        for number, (prompt, read) in enumerate(zip(prompts, reads, strict=True)):
            order = sorted(range(len(read.follow)), key=lambda each, read=read: read.follow[each])  # type: ignore[misc]
            for start in range(0, len(order), MANY):
                places.append([(number, each) for each in order[start : start + MANY]])
                asked.append(Continued(prompt, tuple(read.follow[each] for _, each in places[-1])))
        logs = [[0.0] * len(read.follow) for read in reads]
        for some, found in zip(places, log_likelihoods(self._session.reader, asked), strict=True):
            for (number, each), log in zip(some, found, strict=True):
                logs[number][each] = log
        return [
            [Scored(log, len(ids), length) for log, ids, length in zip(mine, read.follow, read.characters, strict=True)]
            for mine, read in zip(logs, reads, strict=True)
        ]


class Continues(_Decodes):
    """A decoder: the word and what stands behind it are scored after what stands before."""

    def scored(self, prompts: Sequence[Filled], chat: Template | None = None) -> list[list[Scored]]:
        """See `Scorer.scored`."""
        reads = by_a_decoder(prompts, self.tokenizer, chat)
        for each, read in zip(prompts, reads, strict=True):
            refuse_long(each, len(read.ids) + max(map(len, read.follow)), self.limit)
        return self._found(reads)


class Writes(_Decodes):
    """An encoder-decoder: it reads what stands before the word, and the word and what stands behind it are scored."""

    def scored(self, prompts: Sequence[Filled], chat: Template | None = None) -> list[list[Scored]]:
        """See `Scorer.scored`."""
        refuse_chat(chat)
        reads = written(prompts, self.tokenizer)
        for each, read in zip(prompts, reads, strict=True):
            refuse_long(each, max(len(read.ids), 1 + max(map(len, read.follow))), self.limit)
        return self._found(reads)


class Fills(Scorer):
    """A masked language model: the word alone is scored, between what stands on both sides."""

    def scored(self, prompts: Sequence[Filled], chat: Template | None = None) -> list[list[Scored]]:
        """See `Scorer.scored`."""
        refuse_chat(chat)
        asked = laid(prompts, self.tokenizer, special=True)
        for each, rows in zip(prompts, asked, strict=True):
            refuse_long(each, max(len(row.ids) for row in rows), self.limit)
        found = cloze_likelihoods(self.model, self.tokenizer, asked)
        return [
            [Scored(log, row.end - row.first, len(word)) for log, row, word in zip(logs, rows, each.words, strict=True)]
            for each, logs, rows in zip(prompts, found, asked, strict=True)
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
