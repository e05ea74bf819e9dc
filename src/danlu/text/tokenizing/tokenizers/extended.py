"""A tokenizer that is there already, with words of a domain, or special tokens, added to it.

The model's source gives each new token the mean embedding of the pieces that it replaces
(`danlu.model.new_tokens`).
"""

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
from pydantic import Field

from danlu.data.characters.scripts import HAN, KANA, UNSPACED, kinds_of
from danlu.data.characters.side_by_side import code_points
from danlu.refusal import Refusal
from danlu.text.segmenting.segmenter import Segmenter
from danlu.text.tokenizing.special import SENTINEL
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource
from danlu.text.tokenizing.word_counts import Cut, count_segmented, count_words

BATCH = 4096  # texts that a segmenter is given at a time


class Extended(TokenizerSource):
    """Another tokenizer with further tokens, which are found before anything is cut into pieces.

    Words of scripts with spaces are matched as a whole; Chinese ones wherever they stand.
    """

    base: TokenizerSource = Field(description="the tokenizer to extend, as a rule {kind: pretrained, path: ...}")
    tokens: tuple[str, ...] = Field(default=(), description="words to add")
    special: tuple[str, ...] = Field(
        default=(), description="special tokens to add, which no text makes, such as those around a middle"
    )
    sentinels: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="special tokens <extra_id_0> and so on to add, which 'denoise' hides spans behind",
    )
    learn: int = Field(default=0, ge=0, description="how many more to take from the training text, by pieces saved")
    min_frequency: int = Field(default=5, ge=1, description="how often a word that is learnt must occur")
    segmenter: Segmenter | None = Field(
        default=None, description="what tells words apart in text without spaces; None: white space and script"
    )

    def build(self, texts: Callable[[], Iterator[str]]) -> Tokenizer:
        """Add the tokens. Raises `Refusal` where there is none to add, and for one that is empty or white space."""
        from tokenizers import AddedToken

        marks = (*self.special, *(SENTINEL.format(number) for number in range(self.sentinels)))
        if not self.tokens and not self.learn and not marks:
            raise Refusal(
                "a tokenizer of kind 'extended' adds 'tokens', as many as 'learn' says, 'special' ones, or as many "
                "'sentinels'; give one of them"
            )
        for name, tokens in (("tokens", self.tokens), ("special", self.special)):
            empty = next((token for token in tokens if not token.strip()), None)
            if empty is not None:
                raise Refusal(f"the token {empty!r} under '{name}' is white space; leave it out")
        tokenizer = self.base.build(texts)
        if marks:
            special = [AddedToken(token, normalized=False) for token in marks]
            tokenizer.add_special_tokens({"extra_special_tokens": special}, replace_extra_special_tokens=False)
        known = tokenizer.get_vocab()
        wanted = list(dict.fromkeys(token for token in self.tokens if token not in known))
        if self.learn:
            wanted += self._learnt(texts(), tokenizer, {*known, *wanted})
        tokenizer.add_tokens(
            [AddedToken(token, single_word=not _unspaced(token), normalized=False) for token in wanted]
        )
        return tokenizer

    def inputs(self) -> list[str]:
        """What the base depends on, where nothing is learnt; a part without inputs is learnt in a stage of its own."""
        return self.base.inputs() if not self.learn else []

    def _learnt(self, texts: Iterator[str], tokenizer: Tokenizer, known: set[str]) -> list[str]:
        """The words of the text that save most pieces: occurrences times pieces beyond one."""
        if self.segmenter is None:
            counted = count_words(texts, Cut.whole_words())
        else:
            batches = iter(lambda: list(islice(texts, BATCH)), [])
            counted = count_segmented(map(self.segmenter.segment, batches))
        ranked = zip(counted.words, counted.counts.tolist(), strict=True)
        words = [(word, count) for word, count in ranked if count >= self.min_frequency and _is_word(word)]
        words = [(word, count) for word, count in words if word not in known]
        encoded = tokenized([word for word, _ in words], tokenizer, offsets=False, special=False)
        saved = [(count * (len(item.ids) - 1), word) for (word, count), item in zip(words, encoded, strict=True)]
        best = sorted((item for item in saved if item[0] > 0), key=lambda item: (-item[0], item[1]))
        return [word for _, word in best[: self.learn]]


def _unspaced(token: str) -> bool:
    return bool(np.isin(kinds_of(code_points(token)), (HAN, KANA, UNSPACED)).any())


def _is_word(word: str) -> bool:
    return any(character.isalnum() for character in word) and len(word) <= 32
