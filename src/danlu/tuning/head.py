"""Which modules of a model are its head: what stands above the trunk, and the trunk's pooler."""

from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.refusal import Refusal


def above_trunk(model: PreTrainedModel) -> list[str]:
    """Names of the head's modules; a pooler belongs to it, since only the head reads it; none where there is no head.

    Raises:
        Refusal: the architecture has no trunk of its own.
    """
    trunk = model.base_model
    if trunk is model and not model.config.is_encoder_decoder:
        return []
    if model.config.is_encoder_decoder:
        raise Refusal(f"{type(model).__name__} does not tell its trunk from its head; use tuning: full")
    names = [name for name, child in model.named_children() if child is not trunk and has_parameters(child)]
    pooler = getattr(trunk, "pooler", None)
    if isinstance(pooler, nn.Module) and has_parameters(pooler):
        names.append(f"{model.base_model_prefix}.pooler")
    return names


def fresh_heads(model: PreTrainedModel) -> list[str]:
    """Names of the modules of a head that begins fresh, which every method has to train.

    A language model's head is no fresh one, and shares its weights with the embeddings as a rule: there are none.

    Raises:
        Refusal: as `above_trunk`.
    """
    if model.base_model is model or model.get_output_embeddings() is not None:  # type: ignore[no-untyped-call]
        return []
    return above_trunk(model)


def pooled(trunk: nn.Module, hidden_BTD: Tensor) -> Tensor | None:
    """What the pooler of a trunk makes of hidden states, (B, D); None where it has none."""
    pooler, activation = getattr(trunk, "pooler", None), getattr(trunk, "pooler_activation", None)
    if pooler is None:
        return None
    found: Tensor = pooler(hidden_BTD) if activation is None else activation(pooler(hidden_BTD[:, 0]))
    return found  # ALBERT's pooler is in two parts


def has_parameters(module: nn.Module) -> bool:
    """Whether a module or one of those inside has any."""
    return next(module.parameters(), None) is not None
