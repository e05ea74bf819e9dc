"""Whether a request has more tokens than are taken at once, told before its texts are cut up as a whole."""

from collections.abc import Iterator, Mapping

from danlu.serve.problem import TOO_MANY, Problem
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer

PIECE = 4_096
"""Characters that are cut up together. Sixteen texts of a megabyte, each cut up as a whole, took 6.5 GB (2026-11)."""
TWICE = 128
"""Tokens at most that a piece has and the whole text has not: a word that is cut in two falls into letters."""
BYTES = 4
"""Of a character at most; a token has one at least."""


def refuse_more(tokenizer: Tokenizer, asked: object, most: int) -> None:
    """Look at all texts in `asked`, records or one, and at no more of them than need be.

    Raises:
        Problem: they come to more than `most` tokens. A few more may pass, and are counted where all are there.
    """
    texts = list(_texts(asked))
    if BYTES * sum(map(len, texts)) <= most:
        return
    found = 0
    for text in texts:
        for start in range(0, len(text), PIECE):
            (encoding,) = tokenized([text[start : start + PIECE]], tokenizer, offsets=False, special=False)
            found += max(0, len(encoding) - TWICE * (len(text) > PIECE))
            if found > most:
                told = f"the request comes to more than {most:,} tokens, and no more are taken at once; send less"
                raise Problem(413, TOO_MANY, told)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
