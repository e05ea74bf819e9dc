"""A conversation as tokens: one and the same way for training, for looking at it, and for answering.

The text is cut into tokens as a whole, as the tokenizer itself would do it, but for two things: what a person says
makes no special token, whatever it spells; and an answer begins a token of its own, so that the tokens before it are
those that the model will be asked with.
"""

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from danlu.text.dialogue.rendered import Span
from danlu.text.tokenizing.tokenizer import Tokenizer, backend_for_text, special_tokens

if TYPE_CHECKING:
    pass

_BEGIN = "\ufdd2"
_NONCHARACTERS = re.compile("[\ufdd0-\ufdef]")


class _Marking:
    """A tokenizer's backend in which signs stand for special tokens: no text that a person gives holds such a sign."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        from tokenizers import AddedToken
        from tokenizers import Tokenizer as Backend

        self.backend: Backend = Backend.from_str(backend_for_text(tokenizer).to_str())
        self.backend.encode_special_tokens = True
        known = {token.content: token for token in tokenizer.added_tokens_decoder.values()}
        numbers = tokenizer.get_vocab()
        self.signs = {
            text: f"\ufdd3{number}\ufdd4"
            for number, text in enumerate(sorted(special_tokens(tokenizer), key=len, reverse=True))
        }
        self.number_of: dict[int, int] = {}
        signs = [*self.signs.items(), ("", _BEGIN)]
        self.backend.add_tokens(
            [
                AddedToken(
                    sign,
                    lstrip=text in known and known[text].lstrip,
                    rstrip=text in known and known[text].rstrip,
                    normalized=False,
                )
                for text, sign in signs
            ]
        )
        for text, sign in signs:
            number = self.backend.token_to_id(sign)
            assert number is not None
            self.number_of[number] = -1 if sign == _BEGIN else numbers[text]
        self._special = re.compile("|".join(map(re.escape, self.signs)) or "(?!)")

    def text(self, span: Span) -> str:
        """The characters that stand for a span."""
        plain = _NONCHARACTERS.sub("\ufffd", span.text)
        return self._special.sub(lambda found: self.signs[found[0]], plain) if span.ours else plain


_markings: "WeakKeyDictionary[Tokenizer, tuple[str, _Marking]]" = WeakKeyDictionary()


def _marking(tokenizer: Tokenizer) -> _Marking:
    state = json.dumps(special_tokens(tokenizer))
    found = _markings.get(tokenizer)
    if found is None or found[0] != state:
        found = (state, _Marking(tokenizer))
        _markings[tokenizer] = found
    return found[1]


def encoded(spans: Sequence[Span], tokenizer: Tokenizer) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """The tokens (T,), and whether each is to be learnt (T,)."""
    marking = _marking(tokenizer)
    text: list[str] = []
    regions: list[tuple[int, int]] = []
    length, before = 0, False
    for span in spans:
        if span.learnt and not before:
            text.append(_BEGIN)
            length += 1
        piece = marking.text(span)
        if span.learnt:
            regions.append((length, length + len(piece)))
        text.append(piece)
        length += len(piece)
        before = span.learnt
    encoding = marking.backend.encode("".join(text), add_special_tokens=False)
    learnt_C = np.zeros(length + 1, bool)
    for start, end in regions:
        learnt_C[start:end] = True
    ids = np.array([marking.number_of.get(number, number) for number in encoding.ids], np.int32)
    ends = np.array([max(start, end - 1) for start, end in encoding.offsets], np.int64).reshape(-1)
    learnt_T = learnt_C[ends] if len(ends) else np.zeros(0, bool)
    return ids[ids >= 0], learnt_T[ids >= 0]
