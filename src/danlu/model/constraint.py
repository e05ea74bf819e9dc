"""Output of a given form: one of some texts, what a regular expression matches, or JSON of a schema.

llguidance (Moskal et al., 2025) tells after each token which may follow. Its work is done for the last few beginnings
only once, as each of them is one token longer than one that was seen.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from danlu.machine.extra import needed
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer

WHAT = "output of a given form"
KEPT = 512
"""Beginnings that are remembered: more than there are rows side by side."""


_known: "WeakKeyDictionary[Tokenizer, dict[tuple[int, tuple[int, ...]], Any]]" = WeakKeyDictionary()
"""What the library has made of a tokenizer, which takes half a second for 60,000 tokens, whatever the form."""


class Constraint:
    """Which tokens may follow those that are written."""

    def __init__(self, tokenizer: Tokenizer, size: int, ends: Sequence[int], form: Mapping[str, Any]) -> None:
        """`form` has one key of `choices`, `regex` and `json_schema`; `size` is the vocabulary of the model.

        Raises:
            Refusal: the package is missing, nothing can be of this form, or the tokenizer's tokens are no bytes.
        """
        library, bridge = needed("llguidance", "constrain", WHAT), needed("llguidance.hf", "constrain", WHAT)
        ((name, value),) = form.items()
        if not ends:
            raise Refusal(f"policy.{name}: the model has no end token, so that it could not stop; train it with one")
        kept = _known.setdefault(tokenizer, {})
        key = size, tuple(ends)
        try:
            known = kept.get(key) or bridge.from_tokenizer(tokenizer, n_vocab=size, eos_token=list(ends))
        except ValueError as error:
            raise Refusal(
                f"policy.{name}: the tokens of this tokenizer cannot be taken for bytes of text ({error}); use a model "
                "whose tokenizer is of kind bpe or unigram"
            ) from None
        kept[key] = known
        try:
            first = library.LLMatcher(known, _grammar(library.LLMatcher, name, value))
        except ValueError as error:
            raise Refusal(f"policy.{name}: cannot be read ({_line(str(error))}); mend it") from None
        if first.is_error():
            raise Refusal(f"policy.{name}: no text can be of this form ({_line(first.get_error())}); mend it")
        self._size = size
        self._ends = list(ends)
        self._seen: dict[tuple[int, ...], Any] = {(): first}

    def forbidden(self, written: Sequence[int]) -> Tensor:
        """(V,), true for tokens that may not follow; where none may, the text is to end."""
        matcher = self._after(tuple(written))
        bits = np.frombuffer(matcher.compute_bitmask(), np.uint8)
        forbidden_V = torch.from_numpy(np.unpackbits(bits, bitorder="little")[: self._size] == 0)
        if bool(forbidden_V.all()):
            forbidden_V[self._ends] = False
        return forbidden_V

    def _after(self, written: tuple[int, ...]) -> Any:
        known = next(size for size in range(len(written), -1, -1) if written[:size] in self._seen)
        for size in range(known, len(written)):
            matcher = self._seen[written[:size]].deep_copy()
            matcher.consume_token(written[size])
            while len(self._seen) > KEPT:
                self._seen.pop(next(key for key in self._seen if key))
            self._seen[written[: size + 1]] = matcher
        return self._seen[written]


def _grammar(matcher: Any, name: str, value: Any) -> str:
    if name == "regex":
        return str(matcher.grammar_from_regex(value))
    if name == "choices":
        return str(
            matcher.grammar_from_lark("start: " + " | ".join(json.dumps(text, ensure_ascii=False) for text in value))
        )
    spaces = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
    return str(matcher.grammar_from_json_schema(json.dumps(value), defaults=spaces))


def _line(text: str) -> str:
    return " ".join(text.split())[:160]
