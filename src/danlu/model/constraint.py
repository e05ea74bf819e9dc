"""Output of a given form: one of some texts, what an expression or a grammar matches, or JSON of a schema.

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
from danlu.text.tokenizing.tokenizer import Tokenizer, backend_for_text, special_tokens

WHAT = "output of a given form"
KEPT = 512
"""Beginnings that are remembered: more than there are rows side by side."""


_known: "WeakKeyDictionary[Tokenizer, dict[tuple[int, tuple[int, ...]], Any]]" = WeakKeyDictionary()
"""What the library has made of a tokenizer, which takes half a second for 60,000 tokens, whatever the form."""


class Constraint:
    """Which tokens may follow those that are written."""

    def __init__(self, tokenizer: Tokenizer, size: int, ends: Sequence[int], form: Mapping[str, Any]) -> None:
        """`form` has one key of `choices`, `regex`, `json_schema` and `grammar`; `size` is the vocabulary of the model.

        Raises:
            Refusal: the package is missing, nothing can be of this form, or the tokenizer's tokens are no bytes.
        """
        library = needed("llguidance", "constrain", WHAT)
        ((name, value),) = form.items()
        if not ends:
            raise Refusal(f"policy.{name}: the model has no end token, so that it could not stop; train it with one")
        kept = _known.setdefault(tokenizer, {})
        key = size, tuple(ends)
        try:
            known = kept.get(key) or library.LLTokenizer(without_specials(tokenizer), n_vocab=size, eos_token=[*ends])
        except ValueError as error:
            raise Refusal(
                f"policy.{name}: the tokens of this tokenizer cannot be taken for bytes of text ({error}); use a model "
                "whose tokenizer is of kind bpe or unigram"
            ) from None
        kept[key] = known
        try:
            first = library.LLMatcher(known, grammar_of(library.LLMatcher, name, value), log_level=0)
        except ValueError as error:
            raise Refusal(f"policy.{name}: cannot be read ({_line(str(error))}); mend it") from None
        self._name = name
        self._size = size
        self._ends = list(ends)
        self._seen: dict[tuple[int, ...], Any] = {(): first}
        self.forbidden(())

    def forbidden(self, written: Sequence[int]) -> Tensor:
        """(V,), true for tokens that may not follow; where none may, the text is to end.

        Raises:
            Refusal: none may, and the text is not of the form yet.
        """
        matcher = self._after(tuple(written))
        bits = np.frombuffer(matcher.compute_bitmask(), np.uint8)
        forbidden_V = torch.from_numpy(np.unpackbits(bits, bitorder="little")[: self._size] == 0)
        none = bool(forbidden_V.all())
        if matcher.is_error() or (none and not matcher.is_accepting()):
            among = ", or none in the model's tokens" if written else ""
            raise Refusal(
                f"policy.{self._name}: no text can be of this form{among} ({_line(matcher.get_error())}); mend it"
            )
        if none:
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


def without_specials(tokenizer: Tokenizer) -> str:
    """The tokenizer's json with names for special tokens that no text spells, as text must not become one."""
    plain = json.loads(backend_for_text(tokenizer).to_str())
    names = {token: f"\ufdd0{number}\ufdd1" for number, token in enumerate(special_tokens(tokenizer))}
    model = plain["model"]
    if isinstance(model["vocab"], dict):
        model["vocab"] = {names.get(token, token): number for token, number in model["vocab"].items()}
    else:
        model["vocab"] = [[names.get(token, token), score] for token, score in model["vocab"]]
    if "unk_token" in model:
        model["unk_token"] = names.get(model["unk_token"], model["unk_token"])
    for token in plain["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    return json.dumps({**plain, "post_processor": None})


def grammar_of(matcher: Any, name: str, value: Any) -> str:
    """A form as the library reads it, which is not looked into yet."""
    if name == "regex":
        return str(matcher.grammar_from_regex(value))
    if name == "grammar":
        return str(matcher.grammar_from_lark(value))
    if name == "choices":  # as a regular expression, since the other grammars hold 2,000 of them at most
        return str(matcher.grammar_from_regex("|".join(map(_literal, value))))
    spaces = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
    return str(matcher.grammar_from_json_schema(json.dumps(value), defaults=spaces))


def _literal(text: str) -> str:
    return "".join(sign if sign.isascii() and sign.isalnum() else f"\\x{{{ord(sign):x}}}" for sign in text)


def _line(text: str) -> str:
    told = " ".join(text.partition("<state>")[0].split())[:160]
    return "nothing can follow" if not told or told.startswith("NoExtension") else told
