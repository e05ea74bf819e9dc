"""What a network holds on its way from tokens to its head, seen while it runs: hidden states, and scores of attention.

Scores are products of queries and keys before the softmax, as Jiao et al. (2020) compare them. They are computed once
more beside the kernel of the network, which stays what it was; so what it gives stays so too, to the bit.

Legend: B rows, T tokens, D width, H heads.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from danlu.model.attention import NAME
from danlu.model.heads import unwrapped
from danlu.model.probe import at_rest
from danlu.refusal import Refusal
from danlu.tuning.layers import blocks_of

_WATCHED = "watched"
_watching = threading.local()


@dataclass
class Seen:
    """What a network held when it last ran.

    - `embedded`: (B, T, D), what enters its first layer; `hidden`: (B, T, D) after each layer, from the bottom.
    - `scores`: (B, H, T, T) of each layer, where they are asked for; `causal`: whether tokens see none after them.
    """

    attention: bool
    embedded: list[Tensor] = field(default_factory=list)
    hidden: list[Tensor] = field(default_factory=list)
    scores: list[Tensor] = field(default_factory=list)
    causal: bool = False


@dataclass(frozen=True)
class Inside:
    """How many layers a network has, how wide it is, and its heads of attention, 0 where they cannot be seen."""

    layers: int
    width: int
    heads: int


@contextmanager
def seeing(*, attention: bool) -> Iterator[Seen]:
    """Within the block, what a `watched` network that the calling thread runs holds."""
    before, seen = getattr(_watching, "seen", None), Seen(attention)
    _watching.seen = seen
    try:
        yield seen
    finally:
        _watching.seen = before


def watch(model: nn.Module, whose: str, *, attention: bool) -> Inside:
    """Let what `model` holds be seen, for good, and tell its size; its attention is switched where that is asked.

    Raises:
        Refusal: it cannot be seen in this family; `whose` names the network.
    """
    inner = unwrapped(model)
    family = f"{whose} is of the family '{inner.config.model_type}'"
    if inner.config.is_encoder_decoder:
        raise Refusal(
            f"{family}, an encoder with a decoder, in which layers are not compared; leave 'hidden', 'attention' and "
            "'embeddings' of the teacher out"
        )
    places = blocks_of(inner)
    if len({*places.values()}) < len(places):
        raise Refusal(_not_by_layers(family))
    blocks = [inner.get_submodule(prefix[:-1]) for prefix in places]
    blocks[0].register_forward_pre_hook(_enters, with_kwargs=True)
    for block in blocks:
        block.register_forward_hook(_leaves)
    if attention:
        _watch_attention(inner, family)
    return _tried(inner, family, attention=attention)


def _tried(inner: PreTrainedModel, family: str, *, attention: bool) -> Inside:
    ids_BT = torch.ones(2, 3, dtype=torch.long, device=inner.device)
    with torch.no_grad(), at_rest(inner), seeing(attention=attention) as seen:
        inner.base_model(input_ids=ids_BT)
    layers, width = len(seen.hidden), seen.hidden[-1].shape[-1] if seen.hidden else 0
    shapes = [tuple(value.shape) for value in (*seen.embedded, *seen.hidden)]
    if not layers or shapes != [(2, 3, width)] * (layers + 1):
        raise Refusal(_not_by_layers(family))
    if attention and (len(seen.scores) != layers or {value.shape[2:] for value in seen.scores} != {(3, 3)}):
        raise Refusal(_without_attention(family))
    return Inside(layers, width, seen.scores[0].shape[1] if attention else 0)


def _watch_attention(inner: PreTrainedModel, family: str) -> None:
    kernel = inner.config._attn_implementation
    if kernel.endswith(f"_{_WATCHED}"):
        return
    if kernel not in (NAME, "sdpa"):
        raise Refusal(_without_attention(family))
    inner.set_attn_implementation(f"{kernel}_{_WATCHED}")


def _not_by_layers(family: str) -> str:
    return (
        f"{family}, whose hidden states cannot be told layer by layer; leave 'hidden', 'attention' and 'embeddings' of "
        "the teacher out"
    )


def _without_attention(family: str) -> str:
    return f"{family}, whose attention cannot be seen; leave 'attention' of the teacher out, 'hidden' may do"


def _enters(_block: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    seen = getattr(_watching, "seen", None)
    if seen is not None and not seen.embedded:
        seen.embedded.append(given[0] if given else named["hidden_states"])


def _leaves(_block: nn.Module, _given: Any, output: Any) -> None:
    seen = getattr(_watching, "seen", None)
    if seen is not None:
        seen.hidden.append(output[0] if isinstance(output, tuple) else output)


def _watched(
    compute: Callable[..., Any], module: nn.Module, query: Tensor, key: Tensor, *others: Any, **named: Any
) -> Any:
    seen = getattr(_watching, "seen", None)
    if seen is not None and seen.attention:
        keys = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
        scaling = named.get("scaling")
        seen.scores.append(query @ keys.mT * (query.shape[-1] ** -0.5 if scaling is None else scaling))
        seen.causal = bool(getattr(module, "is_causal", False))
    return compute(module, query, key, *others, **named)


for _kernel in (NAME, "sdpa"):
    AttentionInterface.register(f"{_kernel}_{_WATCHED}", partial(_watched, ALL_ATTENTION_FUNCTIONS[_kernel]))
    AttentionMaskInterface.register(f"{_kernel}_{_WATCHED}", ALL_MASK_ATTENTION_FUNCTIONS[_kernel])
