"""A step of the plainest decoders in a handful of operations: Llama (Touvron et al., 2023) and its nearest kin.

In small models most of a step is Python going through modules, and small operations; here there are fewer of both. It
reads the model's own weights, and is used where it gives the model's own logits.

Legend: B rows, H heads, G key-value heads, D width of a head, E width of the model, P positions, S columns.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from danlu.model.cached import Cached
from danlu.model.heads import unwrapped
from danlu.model.read_before import ReadBefore

PLAIN = {"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"}
FIXED = {"default", "linear", "llama3"}
"""Ways to turn positions into angles that do not depend on how long the row is."""


def is_plain(model: nn.Module) -> bool:
    """Whether a model may be read so: by its class, and for attention that sees all that is before."""
    inner: Any = unwrapped(model)
    if type(inner).__name__ not in PLAIN or next(inner.parameters()).device.type != "cpu":
        return False
    layers = getattr(inner.config, "layer_types", None) or ["full_attention"]
    windowed = getattr(inner.config, "sliding_window", None) and type(inner).__name__ == "MistralForCausalLM"
    return inner.model.rotary_emb.rope_type in FIXED and set(layers) == {"full_attention"} and not windowed


class Lean(Cached):
    """Reads each token once, as `Cached` does, by the formula itself."""

    def __init__(self, model: nn.Module, padding: int, *, before: ReadBefore | None = None) -> None:
        super().__init__(model, padding, before=before)
        self._inner: Any = unwrapped(model)
        self._angles: tuple[Tensor, Tensor] | None = None

    def read(self, ids_B1: Tensor, lengths_B1: Tensor, mask: Tensor | None) -> Tensor:
        """See `Cached.read`."""
        lengths_B = lengths_B1[:, 0]
        hidden_BE = self._inner.model.embed_tokens(ids_B1[:, 0])
        turn = self._turn(lengths_B, hidden_BE)
        bias = None if mask is None else mask[:, None, None, :].bool()
        for number, layer in enumerate(self._inner.model.layers):
            normed_BE = _norm(layer.input_layernorm, hidden_BE)
            hidden_BE = hidden_BE + self._attended(layer.self_attn, normed_BE, turn, bias, number)
            normed_BE, feed = _norm(layer.post_attention_layernorm, hidden_BE), layer.mlp
            wide = feed.act_fn(_linear(feed.gate_proj, normed_BE)) * _linear(feed.up_proj, normed_BE)
            hidden_BE = hidden_BE + _linear(feed.down_proj, wide)
        logits: Tensor = _linear(self._inner.lm_head, _norm(self._inner.model.norm, hidden_BE)).float()
        return logits

    def _attended(
        self, attention: Any, hidden_BE: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None, number: int
    ) -> Tensor:
        rows, width = len(hidden_BE), attention.head_dim
        query, key, value = (
            _linear(each, hidden_BE).view(rows, -1, width)
            for each in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        if hasattr(attention, "q_norm"):
            query, key = _norm(attention.q_norm, query), _norm(attention.k_norm, key)
        both = torch.cat([query, key], 1)
        cos, sin = turn
        both = torch.addcmul(both * cos, both.roll(width // 2, -1), sin)
        heads = query.shape[1]
        keys, values = self.kept.update(both[:, heads:, None], value[:, :, None], number)
        context = functional.scaled_dot_product_attention(
            both[:, :heads, None], keys, values, mask, scale=attention.scaling, enable_gqa=heads != value.shape[1]
        )
        return _linear(attention.o_proj, context.view(rows, -1))

    def _turn(self, lengths_B: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines (B, 1, D) by which queries and keys are turned; the first half of the sines negative."""
        if self._angles is None or len(self._angles[0]) <= self.kept.window.width:
            places = torch.arange(2 * self.kept.window.width + 256, device=like.device)[None]
            cos, sin = self._inner.model.rotary_emb(like, places)
            sin = sin.clone()
            sin[..., : sin.shape[-1] // 2].neg_()
            self._angles = cos[0, :, None], sin[0, :, None]
        return self._angles[0][lengths_B], self._angles[1][lengths_B]


def _linear(layer: nn.Module, hidden: Tensor) -> Tensor:
    if type(layer) is nn.Linear:
        return functional.linear(hidden, layer.weight, layer.bias)
    return layer(hidden)  # type: ignore[no-any-return]


def _norm(layer: Any, hidden: Tensor) -> Tensor:
    return functional.rms_norm(hidden, layer.weight.shape, layer.weight, layer.variance_epsilon)
