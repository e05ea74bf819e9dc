"""How much arithmetic a model needs, to compare its speed with the measured limit of the machine."""

from torch import nn
from transformers import PreTrainedModel

from danlu.model.four_bits import elements
from danlu.model.heads import trunk, unwrapped
from danlu.model.positions import text_config


def flops_a_token(model: nn.Module, width: float) -> float:
    """Matrix-product operations a token of the trunk, forward and backward, in rows of `width` tokens.

    2 operations a weight and token forward; twice that backward where weights and inputs need gradients
    (Kaplan et al., 2020), nothing below the lowest weight that learns. Attention adds 4 * width * hidden size a layer
    and token. The head, pooler, embeddings and norms are left out, so the share of the limit is understated.
    """
    return _weights(model) + _attention(model, width)


def attention_share(model: nn.Module, width: float) -> float:
    """Which share of that is attention itself: the products whose number grows with the width."""
    attention = _attention(model, width)
    return attention / max(1.0, _weights(model) + attention)


def _weights(model: nn.Module) -> float:
    weights = 0.0
    below = any(part.requires_grad for part in trunk(model).parameters())  # else what learns is put before the trunk
    for name, module in trunk(model).named_modules():
        below = below and not any(part is not None and part.requires_grad for part in module._parameters.values())
        frozen = 2 if below else 4
        weight = module._parameters.get("weight")  # peft's wrappers show the weight of the layer inside as theirs
        if weight is not None and weight.dim() == 2 and not isinstance(module, nn.Embedding) and "pooler" not in name:
            weights += weight.numel() * (6 if weight.requires_grad else frozen)
        weights += frozen * elements(module)
        if isinstance(module, nn.RNNBase):
            weights += sum(part.numel() * 6 for part in module.parameters() if part.dim() == 2)
    return weights


def _attention(model: nn.Module, width: float) -> float:
    below = trunk(model)
    if not isinstance(below, PreTrainedModel):  # features that were computed before stand in for the layers
        return 0.0
    if any(isinstance(module, nn.RNNBase) for module in below.modules()):  # nothing is attended to
        return 0.0
    config = text_config(unwrapped(model))
    config = getattr(config, "decoder", config)  # of an encoder and a decoder that have one each
    return 3 * 4.0 * width * getattr(config, "hidden_size", 0) * getattr(config, "num_hidden_layers", 0)
