"""Where transformers keeps the units of a network that can be taken out of it, and which settings count them.

A plain folder has one width between, and one number of heads, for all layers; so as many units go from each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from danlu.refusal import Refusal
from danlu.tuning.layers import blocks_of


@dataclass(frozen=True)
class Family:
    """How the blocks of a family are laid out; linear layers are named from their block on.

    - `layers`, `between`: the settings that say how many blocks there are, and how wide they are between.
    - `into`, `out_of`: what makes the values between, and what reads them.
    - `query`, `remembered`, `attended`: what makes queries, keys and values of heads, and what reads these. Empty
      where a head is as wide as the network divided by the number of heads, so that no head can go by itself.
    """

    layers: str
    between: str
    into: tuple[str, ...]
    out_of: str
    query: str = ""
    remembered: tuple[str, ...] = ()
    attended: str = ""


_BERT = Family("num_hidden_layers", "intermediate_size", ("intermediate.dense",), "output.dense")

_LLAMA = Family(
    "num_hidden_layers",
    "intermediate_size",
    ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.down_proj",
    "self_attn.q_proj",
    ("self_attn.k_proj", "self_attn.v_proj"),
    "self_attn.o_proj",
)

FAMILIES: dict[str, Family] = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "electra": _BERT,
    "distilbert": Family("n_layers", "hidden_dim", ("ffn.lin1",), "ffn.lin2"),
    "gpt2": Family("n_layer", "n_inner", ("mlp.c_fc",), "mlp.c_proj"),
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
}
"""By the name that config.json has for a family."""


@dataclass(frozen=True)
class Block:
    """One block of a network: its place in the order of the text, its name, and its module."""

    number: int
    name: str
    module: nn.Module

    def linear(self, name: str) -> nn.Module:
        """A linear layer of it."""
        return self.module.get_submodule(name)


def family_of(model: PreTrainedModel, what: str) -> Family:
    """How a network is laid out; `what` is to be taken out of it.

    Raises:
        Refusal: its family is not known here; names those that are.
    """
    kind = model.config.model_type
    if kind not in FAMILIES:
        raise Refusal(
            f"{what} cannot be taken out of a network of the family '{kind}' ({_layers_in_words(model)}), for it is "
            f"not known here which settings then have to follow; families that can be pruned so: {', '.join(FAMILIES)}"
        )
    return FAMILIES[kind]


def blocks(model: PreTrainedModel) -> list[Block]:
    """The blocks of a network, from the embeddings up."""
    found = sorted((number, prefix.rstrip(".")) for prefix, number in blocks_of(model).items())
    return [Block(number, name, model.get_submodule(name)) for number, name in found]


def rows_first(linear: nn.Module) -> bool:
    """Whether what a linear layer gives are the rows of its weights; GPT-2 keeps the weights of its own transposed."""
    return not isinstance(linear, Conv1D)


def head_width(model: PreTrainedModel) -> int:
    """Values of one head."""
    config = model.config
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _layers_in_words(model: PreTrainedModel) -> str:
    try:
        names: Sequence[str] = [name.rstrip(".") for name in blocks_of(model)]
    except Refusal:
        return "it tells no layers"
    return names[0] if len(names) == 1 else f"layers {names[0]} to {names[-1]}"
