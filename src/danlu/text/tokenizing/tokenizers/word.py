"""Whole words as tokens, those that are frequent enough; others are `<unk>`."""

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from pydantic import Field

from danlu.refusal import Refusal
from danlu.text.segmenting.segmenter import Segmenter
from danlu.text.tokenizing.special import UNKNOWN, Style, finished, specials
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource
from danlu.text.tokenizing.word_counts import WHOLE_WORDS, Cut, WordCounts, count_segmented, count_words

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

BATCH = 4096  # texts that a segmenter is given at a time


class Word(TokenizerSource):
    """Words between white space, signs apart; with a segmenter, the words that it finds in the training text.

    The segmenter is not needed afterwards: a text is cut into the words of the vocabulary that are likeliest
    together by their frequencies, as dictionary segmenters do (the unigram model of Kudo, 2018).
    """

    size: int | None = Field(default=None, ge=8, description="tokens in the vocabulary at most, special ones included")
    min_frequency: int = Field(default=1, ge=1, description="how often a word must occur")
    lowercase: bool = Field(default=False, description="fold capitals")
    segmenter: Segmenter | None = Field(
        default=None, description="what tells words apart in text without spaces, such as jieba; None: white space"
    )
    style: Style = Field(
        default="encoder", description="encoder: <cls> text <sep>; decoder: <s> and </s> for documents"
    )

    def build(self, texts: Callable[[], Iterator[str]]) -> Tokenizer:
        """Count the words; the text is read once. Raises `Refusal` where none occurs often enough."""
        from tokenizers import decoders, normalizers

        counted = self._counted(text.lower() if self.lowercase else text for text in texts())
        ranked = zip(counted.words, counted.counts.tolist(), strict=True)
        special = specials(self.style)
        frequent = [
            (word, count)
            for word, count in ranked
            if count >= self.min_frequency and word.strip() and word not in special
        ]
        if not frequent:
            raise Refusal(
                f"no word occurs {self.min_frequency} times in the training text; "
                "give the tokenizer more text, or set its 'min_frequency' to 1"
            )
        kept = frequent[: None if self.size is None else self.size - len(special)]
        backend = _by_space(special, kept) if self.segmenter is None else _by_likelihood(special, kept)
        if self.lowercase:
            backend.normalizer = normalizers.Lowercase()
        if self.segmenter is not None:
            backend.decoder = decoders.Fuse()
        return finished(backend, self.style)

    def _counted(self, texts: Iterator[str]) -> WordCounts:
        if self.segmenter is None:
            return count_words(texts, Cut.whole_words())
        batches = iter(lambda: list(islice(texts, BATCH)), [])
        return count_segmented(map(self.segmenter.segment, batches))


def _by_space(special: list[str], words: list[tuple[str, int]]) -> "Backend":
    from tokenizers import Regex, models, pre_tokenizers
    from tokenizers import Tokenizer as Backend

    vocabulary = {token: number for number, token in enumerate([*special, *(word for word, _ in words)])}
    backend = Backend(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(WHOLE_WORDS), "isolated")]
    )
    return backend


def _by_likelihood(special: list[str], words: list[tuple[str, int]]) -> "Backend":
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, pre_tokenizers

    total = sum(count for _, count in words)
    scored = [(word, math.log(count / total)) for word, count in words]
    vocabulary = [*((token, 0.0) for token in special), *scored]
    backend = Backend(models.Unigram(vocabulary, unk_id=special.index(UNKNOWN), byte_fallback=False))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return backend
