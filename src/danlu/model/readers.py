"""Which reader a model gets: the fastest that is right, found by trying it, since no list of families is complete."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from danlu.model.cached import Cached
from danlu.model.carried import Carried
from danlu.model.heads import unwrapped
from danlu.model.lean import Lean, is_plain
from danlu.model.positions import text_config
from danlu.model.probe import BY_PLACE, SAME, at_rest
from danlu.model.read_before import ReadBefore
from danlu.model.reader import Prompt, Reader, Whole

BY_LENGTH = ("longrope", "dynamic")
"""Ways to turn positions into angles that depend on how long the row is."""

STUMBLES = (ValueError, TypeError, RuntimeError, IndexError, KeyError, AttributeError, AssertionError)
"""What a family raises that is not made for what it is asked."""


def reader_for(model: nn.Module, padding: int, before: ReadBefore | None = None) -> Callable[[], Reader]:
    """What makes a reader for a family, the fastest that is right; found by trying, since no list is complete.

    All that are made use what was read `before`; None: each what it has read itself.

    Kinds of layers that go through a row as a whole show only in rows longer than is cheap; they are known by name.
    """
    config = text_config(unwrapped(model))
    kinds = getattr(config, "layer_types", None)
    if any(kind in str(getattr(config, "rope_parameters", None)) for kind in BY_LENGTH):
        before = ReadBefore(0)  # what a short row has read is not what it would be within a long one
    if kinds and not BY_PLACE.issuperset(kinds):
        return partial(Whole, model, padding)
    made: list[Callable[[], Reader]] = [
        partial(Cached, model, padding, mixes=mixes, before=before) for mixes in (True, False)
    ]
    if is_plain(model):
        made.insert(0, partial(Lean, model, padding, before=before))
    if Carried.serves(model):
        made = [partial(Carried, model, padding)]
    for make in made:
        if reads_right(model, make(), Whole(model, padding), config.vocab_size):
            return make
    return partial(Whole, model, padding)


def reads_right(model: nn.Module, tried: Reader, right: Reader, vocabulary: int) -> bool:
    """Whether a row has the logits that it has when read as a whole: beside another one, alone, and in its place."""
    two_sided = unwrapped(model).config.is_encoder_decoder
    ids = [number * 7919 % vocabulary for number in range(1, 40)]
    lengths = (7, 4, 9) if tried.mixes else (4, 4, 4)
    prompts = [
        Prompt(tuple(ids[length : 2 * length]), tuple(ids[: length + 2]) if two_sided else None) for length in lengths
    ]
    close = SAME if next(model.parameters()).dtype == torch.float32 else 0.1
    try:
        with at_rest(model):
            true = [right.enter(prompts[1:2]), right.step(ids[30:31]), right.step(ids[31:32]), right.step(ids[32:33])]
            tried.enter(prompts[:1])
            found = [tried.enter(prompts[1:2]), tried.step(ids[29:31])[1:]]
            tried.enter(prompts[2:])
            found.append(tried.step([ids[33], ids[31], ids[34]])[1:2])
            tried.select([1])
            found.append(tried.step(ids[32:33]))
            tried.ahead(ids[36:38])
            tried.forget(2)
            true.append(right.ahead(ids[33:36]))
            found.append(tried.ahead(ids[33:36]))
    except STUMBLES:
        return False
    return all(bool((a - b).abs().max() <= close * b.std()) for a, b in zip(found, true, strict=True))
