"""What a model does with the places of a row, found by trying it: no list of families is complete.

Legend: B rows, T tokens, V vocabulary.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from danlu.machine.seed import generator
from danlu.model.heads import unwrapped
from danlu.model.positions import longest_row, text_config
from danlu.refusal import Refusal
from danlu.text.tokenizing.special import ordinary_ids
from danlu.text.tokenizing.tokenizer import Tokenizer

SAME = 1e-3
"""Logits that differ by less, as a share of their deviation, are the same: float32 rounds to 1e-5 of it."""

BY_PLACE = {"full_attention", "sliding_attention"}
"""Kinds of layers that know a token by its position alone; others cut the row into pieces, or go through it."""


@contextmanager
def at_rest(model: nn.Module) -> Iterator[None]:
    """Without dropout and gradients within the block; each module's mode is as before afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.train(mode=False)
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def refuse_looking_ahead(model: nn.Module, tokenizer: Tokenizer, why: str) -> None:
    """Raises `Refusal` for a model in which a token is seen by those before it; `why` goes on behind its family."""
    size = min(32, longest_row(unwrapped(model)))
    ids = [torch.from_numpy(generator(seed, "probe").choice(ordinary_ids(tokenizer), size)) for seed in (0, 1)]
    if looks_ahead(model, *(row.long() for row in ids)):
        raise Refusal(f"in models of the family '{unwrapped(model).config.model_type}' {why}")


def looks_ahead(model: nn.Module, ids_T: Tensor, others_T: Tensor) -> bool:
    """Whether another end of a row, from half of it on, changes the logits before."""
    half = len(ids_T) // 2
    changed_T = torch.cat([ids_T[:half], others_T[half:]])
    with at_rest(model):
        one, other = (model(input_ids=row[None], use_cache=False).logits[0, :half] for row in (ids_T, changed_T))
    return not _same(other, one)


def packs(model: nn.Module, packed: Mapping[str, Any], lengths: list[int], written: Sequence[int] = ()) -> bool:
    """Whether documents in one row have the logits that they have alone; `packed` is what the model is called with.

    `written` are the lengths of what a decoder has read of each, where an encoder reads the documents.

    Short documents show whether the family knows of `segments` and positions. Kinds of attention that choose or
    sum up keys by their place in the row show only in rows longer than is cheap; they are known by their names.
    """
    kinds = getattr(text_config(unwrapped(model)), "layer_types", None)
    if kinds and not BY_PLACE.issuperset(kinds):
        return False
    if next(model.parameters()).is_meta:  # an outline says nothing, so what was asked for is taken for granted
        return True
    try:
        with at_rest(model):
            together = model(**packed, use_cache=False).logits[0]
            parts: list[dict[str, Any]] = [{"input_ids": part} for part in torch.split(packed["input_ids"], lengths, 1)]
            for part, ids in zip(
                parts, torch.split(packed["decoder_input_ids"], list(written), 1) if written else (), strict=False
            ):
                part["decoder_input_ids"] = ids
            alone = [model(**part, use_cache=False).logits[0] for part in parts]
    except (ValueError, TypeError, RuntimeError, IndexError, AttributeError, AssertionError):
        return False  # the family stumbles over what it is not made for
    return _same(together, torch.cat(alone))


def _same(found_TV: Tensor, right_TV: Tensor) -> bool:
    return bool((found_TV - right_TV).abs().max() <= SAME * right_TV.std())
