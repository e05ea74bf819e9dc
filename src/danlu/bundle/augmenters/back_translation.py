"""Texts are translated into another language and back (Sennrich, Haddow and Birch, 2016; Edunov et al., 2018)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field

from danlu.bundle.network import languages_of, open_network
from danlu.data.augmenting.augmenter import SOURCE_ROW, Augmenter
from danlu.data.augmenting.passage import Passage, read_passages
from danlu.data.record import Record
from danlu.model.positions import longest_row
from danlu.task.two_sides import language_tokens, languages_to_ask
from danlu.text.batching.batch import plan
from danlu.text.batching.encoded import Sizes
from danlu.text.tokenizing.special import end_id
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer

Languages = tuple[str | None, str | None]
"""Of what is read and of what is written."""

_ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
BATCH_TOKENS = 2048
LONGEST = 512  # tokens of a text; what is longer is not translated, since its end would be lost


class BackTranslation(Augmenter):
    """Replace a text by its translation's translation. Texts with entities or other spans are left out.

    Sampling makes copies differ; a bundle of a translation task opens like any folder.
    """

    column: str = Field(default="text", description="column whose text is changed")
    copies: int = Field(default=1, ge=1, le=100, description="new rows that are tried for each row")
    there: str = Field(description="bundle, '@stage', or Hugging Face folder of a model that translates away")
    back: str = Field(description="the same of a model that translates back")
    there_prefix: str = Field(
        default="",
        description="put before each text, such as T5's 'translate English to ...: ', or Marian's '>>cmn_Hans<<'",
    )
    back_prefix: str = Field(default="", description="put before each translation")
    language: str | None = Field(default=None, description="of the texts, its token in models of many languages")
    via: str | None = Field(default=None, description="the language between, its token in models of many languages")
    temperature: float = Field(default=1.0, ge=0, le=10, description="of sampling; 0: the likeliest translation")

    def inputs(self) -> list[str]:
        """Both folders; see `Part.inputs`."""
        return [self.there, self.back]

    def augment(self, records: Sequence[Record], rng: np.random.Generator) -> list[Record]:
        """The new rows; see `Augmenter.augment`. A text that comes back as it was, empty or too long gives none."""
        texts = [_text(passage) for passage in read_passages(records, self.column, "character")]
        rows = [row for row, text in enumerate(texts) if text is not None for _ in range(self.copies)]
        there, back = (self.language, self.via), (self.via, self.language)
        away = self._translated([texts[row] or "" for row in rows], self.there, self.there_prefix, there, rng)
        home = self._translated([text or "" for text in away], self.back, self.back_prefix, back, rng)
        made: list[Record] = []
        seen = {(row, text) for row, text in enumerate(texts)}
        for row, via, text in zip(rows, away, home, strict=True):
            if via and text and (row, text) not in seen:
                seen.add((row, text))
                made.append(records[row] | {self.column: text, SOURCE_ROW: row})
        return made

    def _translated(
        self,
        texts: list[str],
        path: str,
        prefix: str,
        languages: Languages,
        rng: np.random.Generator,
    ) -> list[str | None]:
        """The translation of each text, None for one that is too long, in batches of like lengths."""
        model, tokenizer = open_network(path, "AutoModelForSeq2SeqLM")
        prefix, before, forced = _languages(tokenizer, prefix, languages, languages_of(path))
        cut = tokenized([prefix + text for text in texts], tokenizer, offsets=False, special=not before)
        end = [number for number in [end_id(tokenizer)] if number is not None and before]
        ids = [before + each.ids + end for each in cut]
        limit = min(LONGEST, longest_row(model))
        short = [row for row, tokens in enumerate(ids) if len(tokens) <= limit]
        found: list[str | None] = [None] * len(texts)
        network: Any = model
        sampling: dict[str, Any] = {"do_sample": self.temperature > 0, "num_beams": 1}
        if self.temperature > 0:
            sampling |= {"temperature": self.temperature, "top_k": 0}
        for piece in plan(Sizes(np.array([len(ids[row]) for row in short])), tokens=BATCH_TOKENS):
            rows = [short[place] for place in piece.examples.tolist()]
            batch = tokenizer.pad({"input_ids": [ids[row] for row in rows]}, return_tensors="pt").to(model.device)
            with torch.inference_mode(), torch.random.fork_rng():
                torch.manual_seed(int(rng.integers(2**63)))
                written = network.generate(
                    input_ids=batch["input_ids"],
                    attention_mask=batch["attention_mask"],
                    max_new_tokens=min(limit - 1, 2 * piece.width + 16),
                    **sampling | forced,
                )
            for row, text in zip(rows, tokenizer.batch_decode(written, skip_special_tokens=True), strict=True):
                found[row] = text.strip()
        return found


def _languages(
    tokenizer: Tokenizer, prefix: str, languages: Languages, known: Languages
) -> tuple[str, list[int], dict[str, int]]:
    """What is put before a text as text and as tokens of languages, and the token that a translation begins with.

    A prefix that begins with such a token of Marian, as `>>cmn_Hans<<`, has the token. `known` are the languages of a
    bundle's task, where none are asked for. A model of one language on each side has no tokens of languages.

    Raises:
        Refusal: the tokenizer has no such token.
    """
    if {*tokenizer.added_tokens_decoder} <= {getattr(tokenizer, f"{role}_token_id") for role in _ROLES}:
        languages = (None, None)
    source, target = (asked or told for asked, told in zip(languages, known, strict=True))
    if prefix.lstrip().startswith(">>") and "<<" in prefix:
        target, _, prefix = prefix.lstrip().removeprefix(">>").partition("<<")
    names = ("language, via", "language, via, or the prefix")
    read, written = language_tokens(tokenizer, None if languages_to_ask(tokenizer) else source, target, names)
    forced = {} if written is None else {"forced_bos_token_id": written}
    return prefix, [] if read is None else [read], forced


def _text(passage: Passage) -> str | None:
    """The text of a record, if it has no spans that a translation would lose."""
    return None if passage.tokens or any(passage.held) or not passage.text.strip() else passage.text
