"""The promise of a policy: how text is decoded, token by token. A task keeps its policy, and with it the bundle.

Legend: B rows, V vocabulary.
"""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, JsonValue, StringConstraints, ValidationError, model_validator
from torch import Tensor

from danlu.model.ends import Ends
from danlu.model.hypothesis import Hypotheses
from danlu.recipe.part import Part
from danlu.recipe.read import Written as Plain
from danlu.recipe.read import sentences
from danlu.recipe.yaml_text import place, refuse_strange
from danlu.refusal import Refusal

Filled = Annotated[str, StringConstraints(min_length=1)]


class Policy(Part):
    """How the next token is chosen, and when to stop."""

    folder: ClassVar[str] = "danlu.model.policies"

    max_new_tokens: int = Field(default=256, ge=1, description="tokens that may be written, the end token included")
    min_new_tokens: int = Field(default=0, ge=0, description="tokens before the end token may come")
    stop: tuple[Filled, ...] = Field(default=(), description="texts that end what is written; not part of it")
    repetition_penalty: float = Field(
        default=1.0,
        ge=0.01,
        le=100,
        description="divides the logits of tokens that were read or written (Keskar et al., 2019)",
    )
    presence_penalty: float = Field(
        default=0.0, ge=-1e4, le=1e4, description="taken off the logits of tokens that were written"
    )
    frequency_penalty: float = Field(
        default=0.0, ge=-1e4, le=1e4, description="the same, for each time that they were written"
    )
    no_repeat_ngram: int | None = Field(default=None, ge=1, description="runs of so many tokens stand at most once")
    logit_bias: dict[str, Annotated[float, Field(ge=-1e4, le=1e4)]] = Field(
        default={}, description="added to the logit of a token, by its text or its number: ' yes', '#123'"
    )

    choices: tuple[Filled, ...] | None = Field(default=None, min_length=1, description="write one of these texts")
    regex: str | None = Field(default=None, min_length=1, description="write what this regular expression matches")
    json_schema: dict[str, JsonValue] | None = Field(default=None, description="write JSON of this schema")
    grammar: str | None = Field(
        default=None, min_length=1, description="write what this grammar matches, in Lark's form as llguidance reads it"
    )

    @property
    def form(self) -> dict[str, Any]:
        """The form that the text must have, under its name; empty where it may have any."""
        names = ("choices", "regex", "json_schema", "grammar")
        return {name: told for name in names if (told := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        form = list(self.form)
        if len(form) > 1:
            raise ValueError(f"'{form[0]}' and '{form[1]}' both say of what form the text is; give one of them")
        for name in ("min_new_tokens", "no_repeat_ngram") if form else ():
            if getattr(self, name):
                raise ValueError(f"'{name}' would forbid what '{form[0]}' asks for; leave one of them out")
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.min_new_tokens >= self.max_new_tokens:
            raise ValueError(
                f"min_new_tokens {self.min_new_tokens} leaves no room for an end below max_new_tokens "
                f"{self.max_new_tokens}; raise the latter"
            )
        return self

    def within(self, tokens: int) -> Self:
        """This policy writing at most so many tokens; as it is where a shorter text may lack what it must have."""
        if self.form or self.min_new_tokens >= tokens:
            return self
        return self.model_copy(update={"max_new_tokens": min(self.max_new_tokens, tokens)})

    def chooses_as(self, other: "Policy") -> bool:
        """Whether rows of both may be chosen for together; what a form writes is in the order in which it is told."""
        return self == other and json.dumps(self.form) == json.dumps(other.form)

    @property
    def rows(self) -> int:
        """How many rows a prompt takes at most."""
        return 1

    @property
    def texts(self) -> int:
        """How many texts are told of a prompt; of `rows` some may only be on the way to them."""
        return 1

    @property
    def guesses(self) -> int:
        """How many next tokens of a text alone are guessed at most, to be read in one pass; they change nothing."""
        return 0

    @abstractmethod
    def begin(self, prompt: Sequence[int], number: int, ends: Ends) -> Hypotheses:
        """What is written after a prompt, before its first token; `number` tells apart the prompts of a caller."""

    @abstractmethod
    def advance(self, group: Sequence[Hypotheses], logits_BV: Tensor) -> None:
        """Go on by a token with all hypotheses, whose rows stand one after the other in `logits_BV`."""


def of_usual_kind(value: Any, usual: Policy) -> Any:
    """What a recipe says of a policy; where it names no kind, settings that it changes of the `usual` one."""
    if not isinstance(value, dict) or "kind" in value:
        return value
    return {"kind": usual.kind} | {name: getattr(usual, name) for name in usual.model_fields_set} | value


def changed(policy: Policy, given: Policy | Mapping[str, Any] | str | None, changes: Mapping[str, Any]) -> Policy:
    """`policy`, or the one that is given in its place, with some of its settings changed.

    Settings of another `kind` begin from that kind's defaults.

    Raises:
        Refusal: there is no such kind or setting, or a value of it has no effect or contradicts another.
    """
    if given is None:
        plain = policy.to_plain()
    elif isinstance(given, Policy):
        plain = given.to_plain()
    else:
        plain = {"kind": given} if isinstance(given, str) else dict(given)
    kind = changes.get("kind", plain.get("kind"))
    plain = {**(plain if kind == plain.get("kind") else {"kind": kind}), **changes}
    refuse_strange(plain, lambda keys: place("policy", keys, {}))
    try:
        return Policy.model_validate(plain)
    except ValidationError as error:
        raise Refusal(sentences(error, Plain("policy", plain))) from None
