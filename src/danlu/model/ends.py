"""Where a text begins and what ends it, as model, tokenizer and policy say."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from danlu.model.constraint import Constraint
from danlu.model.heads import unwrapped
from danlu.model.positions import text_config
from danlu.model.reader import Prompt
from danlu.model.spelling import Spelling, context, spelled
from danlu.refusal import Refusal
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.special import end_id
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer, special_ids

FORMS = 64
"""Forms that are kept ready, the last of those that were asked for; each remembers some beginnings."""


@dataclass(frozen=True)
class Ends:
    """What ends a text, and what may not stand in one.

    - `ids`: the end tokens.
    - `room`: tokens that may be written, the end token included.
    - `never`: tokens that the model is told never to write.
    - `forced`: tokens that count as written, though they were given.
    - `bias`: what is added to the logits of tokens, by their numbers.
    - `before`: the last tokens of the prompt, without which nobody knows whether a space stands before the first word.
    - `constraint`: which tokens may follow; None where all may.
    - `silent`: the special tokens that are no text; None: all are none.
    """

    tokenizer: Tokenizer
    ids: frozenset[int]
    room: int
    never: tuple[int, ...] = ()
    forced: int = 0
    stop: tuple[str, ...] = ()
    bias: dict[int, float] = field(default_factory=dict)
    before: tuple[int, ...] = ()
    constraint: Constraint | None = None
    silent: frozenset[int] | None = None

    def spelled(self, ids: Sequence[int]) -> str:
        """The text of tokens that are written here."""
        return spelled(ids, self.tokenizer, self.before, self.silent)

    def spelling(self) -> Spelling:
        """Their text while they come."""
        return Spelling(self.tokenizer, self.stop, self.before, self.silent)

    def biases(self, scores_V: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens of `bias`, (K,), and what is added to them, in the format of the logits."""
        tokens_K = torch.tensor([*self.bias], device=scores_V.device)
        return tokens_K, torch.tensor([*self.bias.values()], dtype=scores_V.dtype, device=scores_V.device)


class Limits(Protocol):
    """What a policy says of ends."""

    @property
    def max_new_tokens(self) -> int:
        """Tokens that may be written."""

    @property
    def stop(self) -> tuple[str, ...]:
        """Texts that end what is written."""

    @property
    def logit_bias(self) -> Mapping[str, float]:
        """What is added to the logits of tokens."""

    @property
    def form(self) -> dict[str, Any]:
        """The form that the text must have, under its name; or nothing."""


class Endings:
    """What a model and its tokenizer say of beginnings and ends."""

    def __init__(self, model: nn.Module, tokenizer: Tokenizer, limit: int) -> None:
        inner = unwrapped(model)
        self.tokenizer = tokenizer
        self.limit = limit
        self.vocabulary = int(text_config(inner).vocab_size)
        self._two_sided = bool(inner.config.is_encoder_decoder)
        self._sources = (getattr(inner, "generation_config", None), inner.config, text_config(inner))
        ends = {end_id(tokenizer)}
        for source in self._sources:
            told = getattr(source, "eos_token_id", None)
            ends |= set(told) if isinstance(told, Sequence) else {told}
        self.ids = frozenset(int(number) for number in ends if number is not None and number < self.vocabulary)
        never = [words[0] for words in self._told("bad_words_ids") or () if len(words) == 1]
        self._constraints: dict[str, Constraint] = {}
        self._biases: tuple[tuple[tuple[str, float], ...], dict[int, float]] = (), {}
        self._special = special_ids(tokenizer)
        self.never = tuple({*never, *(self._told("suppress_tokens") or ())} - self.ids)

    def of(self, prompt: Prompt, limits: Limits) -> Ends:
        """What ends a text after `prompt`.

        Raises:
            Refusal: the policy names a token that there is not, or a form that no text can have.
        """
        room = min(limits.max_new_tokens, self.limit - len(prompt.ids) + prompt.forced)
        bias = self._bias(tuple(limits.logit_bias.items()))
        before = context(prompt.ids, self.tokenizer) if prompt.source is None else ()
        return Ends(
            self.tokenizer,
            self.ids,
            room,
            self.never,
            prompt.forced,
            limits.stop,
            bias,
            before,
            self._constraint(limits.form),
            self._special - prompt.kept if prompt.kept else None,
        )

    def _bias(self, named: tuple[tuple[str, float], ...]) -> dict[int, float]:
        if named != self._biases[0]:  # looking a token up takes 20 ms in a large vocabulary
            self._biases = named, {token_of(name, self.tokenizer, self.vocabulary): value for name, value in named}
        return self._biases[1]

    def _constraint(self, form: dict[str, Any]) -> Constraint | None:
        if not form:
            return None
        key = json.dumps(form)  # keys are written in their order
        if key not in self._constraints:
            while len(self._constraints) >= FORMS:
                self._constraints.pop(next(iter(self._constraints)))
            self._constraints[key] = Constraint(self.tokenizer, self.vocabulary, sorted(self.ids), form)
        return self._constraints[key]

    def prompts(self, examples: Sequence[Encoded]) -> list[Prompt]:
        """What is read of each example before anything is written.

        Raises:
            Refusal: one leaves no room to write, or there is nothing to go on from.
        """
        return [self._prompt(example) for example in examples]

    def _prompt(self, example: Encoded) -> Prompt:
        source = tuple(example.row.input_ids.tolist())
        where = f"record {example.record + 1:,}"
        given = () if example.target_ids is None else tuple(example.target_ids.tolist())
        if not self._two_sided:
            source = source or (self._first("bos_token_id", "eos_token_id"),)
            prompt = Prompt((*source, *given), kept=frozenset(example.kept))
        elif not source:
            raise Refusal(f"{where}: there is no text to write from; give one")
        else:
            start, forced = self._first("decoder_start_token_id", "bos_token_id"), self._told("forced_bos_token_id")
            given = given or (() if forced is None else (int(forced),))
            counted = forced is not None and given[0] == int(forced)  # the first of what is written, as in training
            prompt = Prompt((start, *given), source, int(counted))
        if len(prompt.ids) >= self.limit:
            raise Refusal(
                f"{where}: has {len(prompt.ids):,} tokens, and the model takes {self.limit:,} with what it writes, so "
                "that there is no room to write; shorten it"
            )
        return prompt

    def _told(self, name: str) -> Any:
        return next((value for each in self._sources if (value := getattr(each, name, None)) is not None), None)

    def _first(self, *names: str) -> int:
        for name in names:
            number = self._told(name)
            number = getattr(self.tokenizer, name, None) if number is None else number
            if number is not None:
                return int(number[0] if isinstance(number, Sequence) else number)
        raise Refusal(
            f"nothing to go on from: the text is empty, and the model names no {' or '.join(names)}; begin with a word"
        )


def number_in(name: str) -> int | None:
    """The number of a token that is named by it, as in '#123'; None where it is named by its text."""
    return int(name[1:]) if name.startswith("#") and name[1:].isdecimal() else None


def token_of(name: str, tokenizer: Tokenizer, vocabulary: int) -> int:
    """The number of a token that a policy names, in a network with so many.

    Raises:
        Refusal: there is no such token, or it is several.
    """
    number = number_in(name)
    if number is not None:
        if number < vocabulary:
            return number
        raise Refusal(f"logit_bias: there is no token {name}; expected #0 to #{vocabulary - 1}")
    known: Mapping[str, int] = tokenizer.get_vocab()
    if name in known and known[name] < vocabulary:
        return known[name]
    (cut,) = tokenized([name], tokenizer, offsets=False, special=False, written=True)
    ids = cut.ids
    if len(ids) != 1:
        raise Refusal(
            f"logit_bias: '{name}' is {len(ids)} tokens; name one token, by its text or by its number as in '#123'"
        )
    return int(ids[0])
