"""Virtual tokens before the text of a row, whose vectors are learnt while the model stays as it is.

The trunk (of two sides the encoder) reads a longer row than it is given, and says what it says of the text alone; so
heads, losses and labels know nothing of it.

Legend: B rows, P virtual tokens, T tokens of text, D width.
"""

import inspect
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.machine.hub import first_line
from danlu.model.positions import VIRTUAL, longest_row, text_config
from danlu.model.probe import at_rest
from danlu.model.replica import replica
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.tuning.head import fresh_heads, pooled
from danlu.tuning.hooked import put_at, taken_from
from danlu.tuning.method import Method

LEAST = 4
"""Tokens of text that a row must still have room for: two, and what stands at its ends."""
_STUMBLES = (ValueError, TypeError, RuntimeError, LookupError, AttributeError, AssertionError)
_LIKE_TEXT = {"attention_mask": 1, "token_type_ids": 0}
"""What a row may have for each of its tokens, and what virtual ones have there."""


class Virtual(Method):
    """Train the vectors of virtual tokens before the text, and the head where it is a fresh one."""

    mergeable: ClassVar[bool] = False

    size: int = Field(default=16, ge=1, description="how many virtual tokens; rows of text are shorter by so many")
    text: str | None = Field(
        default=None, description="what the virtual tokens begin as, repeated or cut; None: words of the vocabulary"
    )
    init: Literal["words", "random"] = Field(
        default="words", description="random: begin as small random vectors, which learn more slowly"
    )
    tokens: tuple[int, ...] = Field(
        default=(), description="the tokens of 'text' by number; left empty, they are found"
    )

    @model_validator(mode="after")
    def _one_beginning(self) -> Self:
        if self.init == "random" and self.text is not None:
            raise ValueError("'text' and 'init: random' both say what the vectors begin as; leave one of them out")
        return self

    def reading(self, tokenizer: Tokenizer) -> Self:
        """This method with the tokens of its text.

        Raises:
            Refusal: there are none.
        """
        if self.text is None or self.tokens:
            return self
        found = tokenizer(self.text, add_special_tokens=False)["input_ids"]
        if not found:
            raise Refusal("tuning.text: no tokens are in it; write a few words, or leave it out")
        return self.model_copy(update={"tokens": tuple(found)})

    def apply(self, model: PreTrainedModel) -> nn.Module:
        """The model with virtual tokens before the rows of its trunk, in its number format.

        Raises:
            Refusal: rows have no room for them, or the family cannot carry them, which is found by trying.
        """
        heads, room = fresh_heads(model), longest_row(model)
        if self.size + LEAST > room:
            raise Refusal(
                f"tuning.size: {self.size} virtual tokens leave no room for text in the model's rows of {room} tokens; "
                f"write at most {max(room - LEAST, 0)}"
            )
        model.requires_grad_(requires_grad=False)
        try:
            with at_rest(model):
                self._put(model, trunk_of(model), self._first_tokens(model))
            setattr(model, VIRTUAL, self.size)
            _try(model)
        except _STUMBLES as error:
            raise Refusal(
                f"models of the family '{model.config.model_type}' cannot carry the virtual tokens of tuning "
                f"'{self.kind}' ({type(error).__name__}: {first_line(error)}); use lora or adapter"
            ) from error
        for name in heads:
            model.get_submodule(name).requires_grad_()
        return model

    def untouched(self, model: nn.Module) -> nn.Module:
        """The same layers without virtual tokens."""
        off = replica(model)
        taken_from(off, NAME, lengthen, shorten, replace_output, replace_input)
        setattr(off, VIRTUAL, 0)
        return off.requires_grad_(requires_grad=False).eval()

    def _put(self, model: PreTrainedModel, trunk: nn.Module, ids_P: Tensor) -> None:
        """Put vectors in place that begin as those of the tokens, and hooks that use them: at the word embeddings."""
        table: nn.Module = trunk.get_input_embeddings()  # type: ignore[operator]  # T5's encoder has a module of its own
        put_at(table, NAME, self._vectors(table(ids_P[None])[0]), after=replace_output)
        hook(trunk, self.size)

    def _first_tokens(self, model: PreTrainedModel) -> Tensor:
        where = next(model.parameters()).device
        if self.tokens:
            repeated = self.tokens * -(-self.size // len(self.tokens))
            return torch.tensor(repeated[: self.size], device=where)
        return torch.randint(text_config(model).vocab_size, (self.size,)).to(where)

    def _vectors(self, like_PD: Tensor) -> "Vectors":
        if self.init == "random":
            like_PD = torch.empty_like(like_PD).normal_(std=0.02)
        return Vectors(like_PD)


NAME = "virtual"


class Vectors(nn.Module):
    """Vectors (P, D) of virtual tokens."""

    def __init__(self, first_PD: Tensor) -> None:
        """Begin as these."""
        super().__init__()
        self.weight = nn.Parameter(first_PD.detach().clone())

    def written(self) -> Tensor:
        """What stands in the places of the virtual tokens, (P, D)."""
        return self.weight

    def in_place(self, hidden: Tensor) -> Tensor:
        """Hidden states (B, P + T, D) with these vectors at the first P places."""
        written_PD = self.written()
        size, width = written_PD.shape
        if hidden.dim() != 3 or hidden.shape[-1] != width or hidden.shape[1] <= size:
            raise ValueError(f"hidden states are laid out as {tuple(hidden.shape)}")
        return torch.cat([written_PD.expand(len(hidden), -1, -1), hidden[:, size:]], 1)


_reading = threading.local()
"""How many virtual tokens stand in the row that the trunk reads in this thread."""


def _now() -> int:
    return getattr(_reading, "size", 0)


def trunk_of(model: PreTrainedModel) -> nn.Module:
    """What reads the text: the encoder where there is one."""
    found: nn.Module = model.get_encoder() if model.config.is_encoder_decoder else model.base_model
    return found


def lengthen(trunk: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Before the trunk: room for the virtual tokens in whatever a row has for each token."""
    given = dict(zip(inspect.signature(trunk.forward).parameters, arguments, strict=False)) | named
    ids_BT, size = given.get("input_ids"), int(trunk.virtual_size)
    if ids_BT is None or given.get("past_key_values") is not None:
        raise ValueError("virtual tokens stand before whole rows of tokens")
    for name, value in given.items():
        if not isinstance(value, Tensor) or value.shape[:2] != ids_BT.shape or name == "input_ids":
            continue
        if name not in _LIKE_TEXT or value.dim() != 2:
            raise ValueError(f"virtual tokens have no '{name}'")
        given[name] = torch.cat([value.new_full((len(value), size), _LIKE_TEXT[name]), value], 1)
    padding = getattr(trunk.config, "pad_token_id", None)
    given["input_ids"] = torch.cat([ids_BT.new_full((len(ids_BT), size), int(padding == 0)), ids_BT], 1)
    _reading.size = size
    return (), given


def shorten(trunk: Any, _arguments: Any, output: Any) -> Any:
    """After the trunk: what it says of the text alone; called also where the trunk has raised."""
    size, _reading.size = _now(), 0
    if output is None:
        return None
    output.last_hidden_state = output.last_hidden_state[:, size:]
    if getattr(output, "hidden_states", None) is not None:
        output.hidden_states = tuple(each[:, size:] for each in output.hidden_states)
    if getattr(output, "pooler_output", None) is not None:
        output.pooler_output = pooled(trunk, output.last_hidden_state)
    return output


def replace_output(layer: Any, _arguments: Any, output: Tensor) -> Tensor:
    """After a layer: its vectors in the places of the virtual tokens, where a row with them is under way."""
    return cast(Vectors, layer.virtual).in_place(output) if _now() else output


def replace_input(layer: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...] | None:
    """Before a layer: the same in what it is given."""
    if not _now():
        return None
    vectors = cast(Vectors, layer.virtual)
    if arguments:
        return (vectors.in_place(arguments[0]), *arguments[1:]), named
    return (), named | {"hidden_states": vectors.in_place(named["hidden_states"])}


def hook(trunk: nn.Module, size: int) -> None:
    """Let a trunk read so many virtual tokens before each row."""
    trunk.virtual_size = size  # type: ignore[assignment]
    trunk.register_forward_pre_hook(lengthen, with_kwargs=True)
    trunk.register_forward_hook(shorten, always_call=True)


@contextmanager
def _seen(modules: list[nn.Module]) -> Iterator[list[Tensor]]:
    """What each of some modules is given first within the block."""
    seen: list[Tensor] = []

    def look(_module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        seen.append(arguments[0] if arguments else named["hidden_states"])

    handles = [module.register_forward_pre_hook(look, with_kwargs=True) for module in modules]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def given_to(trunk: nn.Module, blocks: list[nn.Module], ids_P: Tensor) -> list[Tensor]:
    """Hidden states (P, D) that each block is given where the trunk reads these tokens."""
    with _seen(blocks) as seen:
        trunk(input_ids=ids_P[None], attention_mask=torch.ones_like(ids_P[None]))
    if len(seen) != len(blocks) or any(each.dim() != 3 or each.shape[:2] != (1, len(ids_P)) for each in seen):
        raise ValueError("its blocks are not given the row as it is")
    return [each[0] for each in seen]


def _try(model: PreTrainedModel) -> None:
    """Refuse to go on where the virtual tokens change nothing, or what is said is not of the text's length."""
    trunk = trunk_of(model)
    ids_BT = torch.arange(2 * LEAST, device=next(model.parameters()).device).view(2, LEAST) % 7 + 1
    places = [place.weight for place in trunk.modules() if isinstance(place, Vectors)]
    with at_rest(model):
        first = trunk(input_ids=ids_BT, attention_mask=torch.ones_like(ids_BT)).last_hidden_state
        for weight in places:
            weight.neg_()
        second = trunk(input_ids=ids_BT, attention_mask=torch.ones_like(ids_BT)).last_hidden_state
        for weight in places:
            weight.neg_()
    if first.shape[:2] != ids_BT.shape or cast(Tensor, first == second).all():
        raise ValueError("they do not reach the text")
