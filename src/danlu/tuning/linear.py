"""The linear layers of a trunk that updates are learnt beside."""

from collections.abc import Mapping, Sequence

from torch import nn
from transformers import PreTrainedModel

from danlu.recipe.part import nearest
from danlu.refusal import Refusal


def linear_layers(model: PreTrainedModel, targets: str | Sequence[str], kind: str) -> list[str]:
    """Whole names of the linear layers of the trunk that `targets` says; `kind` is the method that asks.

    `targets`: all-linear, auto for peft's choice, or ends of names.

    Raises:
        Refusal: there are none, none is called as `targets` says, or peft has no choice for the family.
    """
    from peft.utils import constants
    from transformers.pytorch_utils import Conv1D

    usual: Mapping[str, Sequence[str]] = constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    trunk: nn.Module = model.base_model
    prefix = "" if trunk is model else f"{model.base_model_prefix}."
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    layers = [
        f"{prefix}{name}"
        for name, module in trunk.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and not name.startswith("pooler.") and module is not head
    ]
    if not layers:
        raise Refusal(
            f"tuning '{kind}' finds no linear layer in models of the family '{model.config.model_type}'; "
            "use full or head"
        )
    if targets == "all-linear":
        return layers
    family = model.config.model_type
    if targets == "auto" and family not in usual:
        raise Refusal(f"tuning.targets: 'auto' knows no layers for the family '{family}'; use all-linear")
    wanted = usual[family] if targets == "auto" else targets
    found = [name for name in layers if any(f".{name}".endswith(f".{end}") for end in wanted)]
    missing = [end for end in wanted if not any(f".{name}".endswith(f".{end}") for name in layers)]
    if missing:
        known = sorted({name.rpartition(".")[2] for name in layers})
        close = nearest(missing[0], known)
        raise Refusal(f"tuning.targets: no linear layer is called '{missing[0]}'{close}; there are: {', '.join(known)}")
    return found
