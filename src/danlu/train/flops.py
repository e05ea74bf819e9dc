"""How much arithmetic a model needs, to compare its speed with the measured limit of the machine."""

from torch import nn

from danlu.model.heads import plain, trunk


def flops_a_token(model: nn.Module, width: float) -> float:
    """Matrix-product operations a token of the trunk, forward and backward, in rows of `width` tokens.

    2 operations a weight and token forward; twice that backward where weights and inputs need gradients
    (Kaplan et al., 2020). Attention adds 4 * width * hidden size a layer and token. The head, embeddings, norms
    and the recomputation of anything are left out, so the share of the limit is understated.
    """
    weights = 0.0
    for module in trunk(model).modules():
        weight = getattr(module, "weight", None)
        if weight is not None and weight.dim() == 2 and not isinstance(module, nn.Embedding):
            weights += weight.numel() * (6 if weight.requires_grad else 4)
    config = plain(model).config
    attention = 4.0 * width * int(config.hidden_size) * int(config.num_hidden_layers)
    return float(weights + 3 * attention)
