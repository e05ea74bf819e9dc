"""A tokenizer that is there already, with words of a domain, or special tokens, added to it.

The model's source gives each new token the mean embedding of the pieces that it replaces
(`danlu.model.new_tokens`).
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from pydantic import Field

from danlu.data.characters.scripts import HAN, KANA, UNSPACED, kinds_of
from danlu.data.characters.side_by_side import code_points
from danlu.refusal import Refusal
from danlu.text.segmenting.segmenter import Segmenter
from danlu.text.tokenizing.joining import Joined, chunks_of, joined, model_of, with_joined
from danlu.text.tokenizing.special import SENTINEL
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource, written_by
from danlu.text.tokenizing.word_counts import Cut, count_segmented, count_words

BATCH = 4096  # texts that a segmenter is given at a time
LONGEST = 4  # characters of a Chinese word that no segmenter tells: more are as a rule several words


class Extended(TokenizerSource):
    """Another tokenizer with further tokens; what it has keeps its numbers, and texts without them are cut as before.

    `tokens` are found before anything is cut into pieces: words of scripts with spaces as a whole, Chinese ones
    wherever they stand. What is learnt depends on the base: byte pairs and unigram models get pieces, joined of those
    that follow each other most often; WordPiece and whole words get words.
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
    learn: int = Field(default=0, ge=0, description="how many more to take from the training text, by tokens saved")
    min_frequency: int = Field(default=5, ge=1, description="how often what is learnt must occur")
    segmenter: Segmenter | None = Field(
        default=None,
        description="what tells words apart in text without spaces, so that none is learnt across them; None: what "
        "stands together often",
    )

    def build(self, texts: Callable[[], Iterator[str]]) -> Tokenizer:
        """Add the tokens.

        Raises:
            Refusal: there is none to add, one is empty or white space, or the base would change the spaces around it.
        """
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
        if written_by(tokenizer) is not None:
            raise Refusal(
                "the tokenizer under 'base' has pieces of their own for texts to be written, and cannot be extended; "
                "take it as it is"
            )
        if marks:
            special = [AddedToken(token, normalized=False) for token in marks]
            tokenizer.add_special_tokens({"extra_special_tokens": special}, replace_extra_special_tokens=False)
        known = tokenizer.get_vocab()
        _add_words(list(dict.fromkeys(token for token in self.tokens if token not in known)), tokenizer)
        if self.learn and model_of(tokenizer) in ("BPE", "Unigram"):
            plain = json.loads(tokenizer.backend_tokenizer.to_str())
            chunks = chunks_of(texts(), tokenizer, self.segmenter)
            with_joined(tokenizer, plain, joined(chunks, tokenizer, self.learn, self.min_frequency))
        elif self.learn:
            _add_words(self._learnt(texts, tokenizer), tokenizer)
        return tokenizer

    def inputs(self) -> list[str]:
        """What the base depends on, where nothing is learnt; a part without inputs is learnt in a stage of its own."""
        return self.base.inputs() if not self.learn else []

    def extends(self) -> TokenizerSource:
        """The base."""
        return self.base

    def _learnt(self, texts: Callable[[], Iterator[str]], tokenizer: Tokenizer) -> list[str]:
        """The words of the text that save most tokens: occurrences times pieces beyond one."""
        normalizer = tokenizer.backend_tokenizer.normalizer
        if self.segmenter is None:
            counted = count_words(texts(), Cut.whole_words())
        else:
            every = texts()
            batches = iter(lambda: list(islice(every, BATCH)), [])
            counted = count_segmented(map(self.segmenter.segment, batches))
        known, counts = tokenizer.get_vocab(), Counter[str]()
        for word, count in zip(counted.words, counted.counts.tolist(), strict=True):
            if not _unspaced(word):
                counts[word if normalizer is None else normalizer.normalize_str(word).strip()] += count
            elif self.segmenter is not None:
                counts[word] += count
        frequent = [(word, count) for word, count in counts.items() if count >= self.min_frequency and _is_word(word)]
        words = [(word, count) for word, count in frequent if word not in known]
        encoded = tokenized([word for word, _ in words], tokenizer, offsets=False, special=False)
        saved = []
        for (word, count), item in zip(words, encoded, strict=True):
            pieces = len(word) + 1 if tokenizer.unk_token_id in item.ids else len(item.ids)  # unknown: letter by letter
            saved.append((count * (pieces - 1), word))
        if self.segmenter is None:
            names = tokenizer.convert_ids_to_tokens([*range(len(tokenizer))])
            without = {number for number, name in enumerate(names) if _unspaced(name)}
            chunks = chunks_of(texts(), tokenizer, None)
            runs = {chunk: count for chunk, count in chunks.items() if without.issuperset(chunk)}
            found = joined(runs, tokenizer, 4 * self.learn, self.min_frequency, LONGEST)  # some go out again
            often = (each for each in found if each.uses >= self.min_frequency)
            saved += [(each.uses * (each.pieces - 1), each.name) for each in often]
        best = sorted((item for item in saved if item[0] > 0), key=lambda item: (-item[0], item[1]))
        return [word for _, word in best[: self.learn]]


def _add_words(words: list[str], tokenizer: Tokenizer) -> None:
    """Let the tokenizer find these words before it cuts anything.

    Some tokenizers put a mark before each part of a text that is left between such words, and would read more spaces
    than there are, or write fewer; a unigram model of that sort gets the words among its pieces.
    """
    from tokenizers import AddedToken

    if not words:
        return
    whole = model_of(tokenizer) in ("WordPiece", "WordLevel")
    firsts = {_unspaced(word): word for word in reversed(words)}
    changing = next((word for word in firsts.values() if not whole and not _read_alike(word, tokenizer)), None)
    if changing is None:
        spaced = [not _unspaced(word) for word in words]
        tokenizer.add_tokens(
            [AddedToken(word, single_word=s, normalized=whole and s) for word, s in zip(words, spaced, strict=True)]
        )
        return
    plain = json.loads(tokenizer.backend_tokenizer.to_str())
    if plain["model"]["type"] != "Unigram":
        raise Refusal(
            f"the token {changing!r} under 'tokens' would change the spaces around it, for the tokenizer that is "
            "extended marks the beginning of words; let 'learn' take it from the text"
        )
    with_joined(tokenizer, plain, [_piece(word, tokenizer) for word in words])


def _read_alike(word: str, tokenizer: Tokenizer) -> bool:
    """Whether a text around a word is read back as it was before the word was added.

    A word that the tokenizer cannot spell is read back otherwise in any case, so one that it can spell stands for it.
    """
    from tokenizers import AddedToken
    from tokenizers import Tokenizer as Backend

    backend = Backend.from_str(tokenizer.backend_tokenizer.to_str())

    def read(text: str) -> str:
        return str(backend.decode(backend.encode(text, add_special_tokens=False).ids))

    pieces = sorted(name.strip("▁Ġ") for name in backend.get_vocab(with_added_tokens=False))
    names = [word, *filter(str.isalpha, pieces)]
    spelt = next((name for name in names if name not in ("a", "好") and read(name).strip() == name), word)
    text = f"a {spelt} a {spelt}好{spelt}好"
    before = read(text)
    backend.add_tokens([AddedToken(spelt, single_word=not _unspaced(word), normalized=False)])
    return before == read(text)


def _piece(word: str, tokenizer: Tokenizer) -> Joined:
    """A word as a piece of a unigram model: with the mark of its space, where its script has spaces."""
    name = word if _unspaced(word) else f"▁{word}"
    parts: list[Any] = tokenizer.backend_tokenizer.model.tokenize(name)
    return Joined(name, tuple(part.value for part in parts), 0, len(parts))


def _unspaced(token: str) -> bool:
    return bool(np.isin(kinds_of(code_points(token)), (HAN, KANA, UNSPACED)).any())


def _is_word(word: str) -> bool:
    return any(character.isalnum() for character in word) and len(word) <= 32
