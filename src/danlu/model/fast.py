"""Put our kernels into a model of transformers: attention, dropout, number format."""

import inspect
from collections import Counter
from functools import cache
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from danlu.machine.device import best_dtype, device
from danlu.model.accelerated import use_accelerator, use_fused_gelu
from danlu.model.attention import NAME
from danlu.model.dropout import ByteDropout
from danlu.model.heads import unwrapped
from danlu.model.steady import use_steady_norms

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

SPARSE_FROM = 2**20  # values of an embedding table: smaller ones cost nothing worth saving


def resolve_precision(precision: str) -> str:
    """`auto` as the name of the number format that is measured to be fastest here."""
    if precision != "auto":
        return precision
    return "bfloat16" if best_dtype() == torch.bfloat16 else "float32"


def use_our_attention(model: nn.Module) -> None:
    """Switch to `danlu.model.attention` on a CPU, where all of the model's attention can be replaced.

    A family that works out some of it by itself (GIT, BigBird) would read masks that are not made for it, and one
    that torch's own kernel does not serve need not say what is causal where there is no mask.
    """
    inner = unwrapped(model)
    if device().type != "cpu" or not inner._supports_sdpa or not inner._can_set_attn_implementation():
        return
    kinds = {type(module) for module in inner.modules() if "Attention" in type(module).__name__}
    if not any(_works_it_out(kind) for kind in kinds):  # type: ignore[arg-type]  # a class whose hash mypy misreads
        inner.set_attn_implementation(NAME)


@cache  # of a class: to read its source anew takes 3 ms, at each model that is opened
def _works_it_out(kind: type[nn.Module]) -> bool:
    try:
        code = inspect.getsource(kind.forward)
    except (OSError, TypeError):
        return True
    by_name = "_attn_implementation in (" in code  # keys are chosen in the mask under known names alone (DeepSeek 3.2)
    return by_name or ("softmax(" in code and "attention_interface(" not in code)


def use_our_dropout(model: nn.Module) -> None:
    """Replace every `nn.Dropout` by `ByteDropout` on a CPU."""
    if device().type != "cpu":
        return
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, ByteDropout(child.p))


def use_sparse_gradients(model: nn.Module) -> None:
    """Let word embeddings that no head shares report the gradients of the rows they read, and of no others.

    A dense gradient of MiniLM's 30,522 rows is 23 MB of fresh zeros a step: 35 of 172 ms at 32 x 16 tokens.
    """
    if device().type != "cpu":
        return
    holders: Counter[int] = Counter()
    for module in model.modules():
        holders.update(id(parameter) for parameter in module.parameters(recurse=False))
    for module in model.modules():
        if type(module) is nn.Embedding and module.weight.numel() > SPARSE_FROM and holders[id(module.weight)] == 1:
            module.sparse = True


def use_positions_alike(model: nn.Module) -> None:
    """Let relative positions have the number format of the weights that they meet.

    The two streams of XLNet multiply the float32 ones of transformers as they are, which fails in bfloat16.
    """
    for module in model.modules():
        known = _alike in module._forward_pre_hooks.values()
        if not known and hasattr(module, "r_r_bias") and hasattr(module, "r"):  # Funnel has the first alone
            module.register_forward_pre_hook(_alike)


def _alike(attention: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """What is given by position: both streams, both masks, the positions, and more."""
    return (*given[:4], given[4].to(attention.r.dtype), *given[5:])


def prepare_for_training(model: nn.Module, precision: str) -> nn.Module:
    """The model on its device, with our kernels, in the number format of its matrix products.

    float16 keeps its weights in float32: pure float16 weights give NaN within 8 steps.
    """
    use_our_attention(model)
    use_our_dropout(model)
    use_steady_norms(model)
    use_sparse_gradients(model)
    use_positions_alike(model)
    use_fused_gelu(model)
    dtype = torch.float32 if precision == "float16" else DTYPES[precision]
    ready = model.to(device(), dtype).train()
    use_accelerator(ready)
    return ready


def prepare_for_inference(model: PreTrainedModel, precision: str) -> PreTrainedModel:
    """The model on its device, with our attention, in `precision` (`auto` measures), in evaluation mode."""
    use_our_attention(model)
    use_positions_alike(model)
    moved: Any = model.to(device(), DTYPES[resolve_precision(precision)])  # type: ignore[arg-type]
    ready: PreTrainedModel = moved.train(mode=False)
    return ready
