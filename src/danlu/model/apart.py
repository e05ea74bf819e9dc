"""The head of a language model apart from its trunk, whatever a family does there, found by trying it.

What a model does with a hidden state after its trunk is asked of the model itself: it is called with a trunk that
gives the hidden states at hand.

Legend: B rows, T tokens, K places, D width, V vocabulary.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from danlu.model.heads import kept_logits, trunk, unwrapped
from danlu.model.held_back import HeldBack, most_logits
from danlu.model.positions import VIRTUAL, text_config
from danlu.model.probe import SAME, at_rest

_asked = threading.local()
_TELLS = "tells_its_head"
"""The attribute of a model that says whether its head was found to be apart."""
_STUMBLES = (ValueError, TypeError, RuntimeError, LookupError, AttributeError, AssertionError, NotImplementedError)


@contextmanager
def in_chunks(*, allowed: bool) -> Iterator[None]:
    """Within the block, logits of the calling thread may be held back where they would be many."""
    before, _asked.allowed = getattr(_asked, "allowed", False), allowed
    try:
        yield
    finally:
        _asked.allowed = before


def logits_at(model: nn.Module, inputs: Mapping[str, Any], keep_BT: Tensor) -> Tensor | HeldBack:
    """Logits (K, V) at the places where `keep_BT` is true, in row order; held back where `in_chunks` allows it."""
    if not getattr(_asked, "allowed", False) or not torch.is_grad_enabled():
        return kept_logits(model, inputs, keep_BT)
    most, vocabulary = most_logits(keep_BT.device), int(getattr(text_config(unwrapped(model)), "vocab_size", 0))
    if int(keep_BT.sum()) * vocabulary <= most or not _tells_its_head(model, inputs):
        return kept_logits(model, inputs, keep_BT)
    hidden_KD, said = _hidden(model, inputs, keep_BT)
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return HeldBack(hidden_KD, lambda some: _head(model, said, some), weights, vocabulary, most)


def _hidden(model: nn.Module, inputs: Mapping[str, Any], keep_BT: Tensor) -> tuple[Tensor, Any]:
    """Hidden states (K, D) of the trunk at these places, and what it gave besides; the head sees no row."""
    found: list[tuple[Tensor, Any]] = []

    def take(_trunk: Any, _arguments: Any, output: Any) -> Any:
        hidden_KD = output.last_hidden_state[keep_BT]
        found.append((hidden_KD, type(output)))
        output.last_hidden_state = hidden_KD[None, :0]
        return output

    handle = trunk(model).register_forward_hook(take)
    try:
        model(**inputs)
    finally:
        handle.remove()
    (told,) = found
    return told


def _head(model: nn.Module, kind: Any, hidden_KD: Tensor) -> Tensor:
    """Logits (K, V) of hidden states, by the model itself over a trunk that gives these."""
    below, inner = trunk(model), unwrapped(model)
    ids_1K = torch.zeros(1, len(hidden_KD), dtype=torch.long, device=hidden_KD.device)
    inputs: dict[str, Any] = {"input_ids": ids_1K, "use_cache": False}
    if inner.config.is_encoder_decoder:
        inputs = {"decoder_input_ids": ids_1K, "use_cache": False}
        inputs["encoder_outputs"] = BaseModelOutput(last_hidden_state=hidden_KD.detach()[None, :1])
    stood = vars(below).get("forward")
    below.forward = lambda *_, **__: kind(last_hidden_state=hidden_KD[None])
    try:
        logits: Tensor = model(**inputs).logits[0]
    finally:
        if stood is None:
            del below.forward
        else:
            below.forward = stood
    return logits


def settle(model: nn.Module) -> None:
    """Find out, before anything else, whether the head of a model is apart.

    Where processes share a model it is the same on all of them, and none tries it while the others go on.
    """
    ids_1T = torch.arange(4, device=next(model.parameters()).device)[None]
    inputs = {"input_ids": ids_1T, "attention_mask": torch.ones_like(ids_1T)}
    if unwrapped(model).config.is_encoder_decoder:
        inputs["decoder_input_ids"] = ids_1T
    _tells_its_head(model, inputs)


def _tells_its_head(model: nn.Module, inputs: Mapping[str, Any]) -> bool:
    """Whether logits are a function of hidden states alone, tried once with a row of `inputs`."""
    inner = unwrapped(model)
    if _TELLS not in vars(inner):
        object.__setattr__(inner, _TELLS, _tried(model, inputs))
    return bool(vars(inner)[_TELLS])


def _tried(model: nn.Module, inputs: Mapping[str, Any]) -> bool:
    if getattr(model, VIRTUAL, 0) or trunk(model) is unwrapped(model):
        return False
    row = {name: value[:1] if isinstance(value, Tensor) else value for name, value in inputs.items()}
    ids_1T = row.get("decoder_input_ids", row["input_ids"])
    some_1T = torch.arange(ids_1T.shape[1], device=ids_1T.device)[None] < 32
    try:
        with at_rest(model):
            right = model(**row).logits[some_1T]
            hidden_KD, kind = _hidden(model, row, some_1T)
            found = _head(model, kind, hidden_KD)
    except _STUMBLES:
        return False
    if found.is_meta:  # which tells of shapes alone
        return bool(found.shape == right.shape)
    close = SAME if right.dtype == torch.float32 else 0.1
    return found.shape == right.shape and bool((found - right).abs().max() <= close * right.std())
