"""The architectures of `scratch`: what each calls its sizes, and its choices that no size tells.

Widths between are 4 times the width, and 8/3 of it where there are three matrices instead of two (Shazeer, 2020).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from transformers import AutoConfig, PreTrainedConfig

import danlu.model.gru  # noqa: F401 - which transformers knows then
from danlu.model.shape import Shape
from danlu.text.tokenizing.special import begin_id, end_id, padding_id
from danlu.text.tokenizing.tokenizer import Tokenizer

Architecture = Literal["bert", "roberta", "electra", "xlnet", "gpt2", "llama", "qwen3", "gru", "bart", "t5", "marian"]


@dataclass(frozen=True)
class Sizes:
    """What all architectures have; `layers` are those of each side, `feed_forward` is the width between.

    `embedding` is the width of word embeddings where they may have one of their own.
    """

    layers: int
    width: int
    heads: int
    feed_forward: int | None
    positions: int
    dropout: float
    embedding: int | None = None

    @property
    def between(self) -> int:
        """The width between."""
        return self.feed_forward or 4 * self.width

    @property
    def gated(self) -> int:
        """The width between where it is gated, a multiple of 32."""
        return self.feed_forward or -(-8 * self.width // 3 // 32) * 32


def shape_of_architecture(name: Architecture) -> Shape:
    """Its shape, known without a network."""
    return _TABLE[name][0]


def configuration(name: Architecture, sizes: Sizes, tokenizer: Tokenizer, task: dict[str, Any]) -> PreTrainedConfig:
    """The configuration of a fresh network for a tokenizer; `task` is what the task says of its head.

    Its special tokens are those of the tokenizer, whatever the published ones had.
    """
    shape, fields = _TABLE[name]
    named = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    if shape != "encoder" or name in ("roberta", "xlnet"):  # whose published numbers would stay
        named |= {"bos_token_id": begin_id(tokenizer), "eos_token_id": end_id(tokenizer)}
    if shape == "encoder_decoder":
        named |= {"forced_bos_token_id": None, "forced_eos_token_id": None}
        named |= {"decoder_start_token_id": _start(name, tokenizer)}
    made: PreTrainedConfig = AutoConfig.for_model(name, **{**named, **fields(sizes, tokenizer), **task})
    return made


def _start(name: Architecture, tokenizer: Tokenizer) -> int:
    """What a decoder reads before its first token: the begin token, or padding as T5 and Marian were published."""
    begin = begin_id(tokenizer)
    return padding_id(tokenizer) if begin is None or name != "bart" else begin


def _bert(sizes: Sizes, _: Tokenizer) -> dict[str, Any]:
    return {
        "hidden_size": sizes.width,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.between,
        "max_position_embeddings": sizes.positions,
        "hidden_dropout_prob": sizes.dropout,
        "attention_probs_dropout_prob": sizes.dropout,
    }


def _roberta(sizes: Sizes, tokenizer: Tokenizer) -> dict[str, Any]:
    """Positions are counted from the padding token's number + 1; there is one type of text."""
    rows = sizes.positions + padding_id(tokenizer) + 1
    return _bert(sizes, tokenizer) | {"max_position_embeddings": rows, "type_vocab_size": 1}


def _electra(sizes: Sizes, tokenizer: Tokenizer) -> dict[str, Any]:
    return _bert(sizes, tokenizer) | {"embedding_size": sizes.embedding or sizes.width}


def _xlnet(sizes: Sizes, _: Tokenizer) -> dict[str, Any]:
    """Positions are relative, so `n_positions` is for us alone to read."""
    return {
        "d_model": sizes.width,
        "n_layer": sizes.layers,
        "n_head": sizes.heads,
        "d_inner": sizes.between,
        "dropout": sizes.dropout,
        "n_positions": sizes.positions,
    }


def _gpt2(sizes: Sizes, _: Tokenizer) -> dict[str, Any]:
    return {
        "n_embd": sizes.width,
        "n_layer": sizes.layers,
        "n_head": sizes.heads,
        "n_inner": sizes.feed_forward,
        "n_positions": sizes.positions,
        "resid_pdrop": sizes.dropout,
        "embd_pdrop": sizes.dropout,
        "attn_pdrop": sizes.dropout,
    }


def _llama(sizes: Sizes, _: Tokenizer) -> dict[str, Any]:
    return {
        "hidden_size": sizes.width,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.gated,
        "max_position_embeddings": sizes.positions,
        "attention_dropout": sizes.dropout,
        "tie_word_embeddings": True,
    }


def _qwen3(sizes: Sizes, tokenizer: Tokenizer) -> dict[str, Any]:
    heads = {"num_key_value_heads": sizes.heads, "head_dim": sizes.width // sizes.heads}
    return _llama(sizes, tokenizer) | heads


def _gru(sizes: Sizes, _: Tokenizer) -> dict[str, Any]:
    return {
        "hidden_size": sizes.width,
        "num_hidden_layers": sizes.layers,
        "max_position_embeddings": sizes.positions,
        "dropout": sizes.dropout,
    }


def _bart(sizes: Sizes, _: Tokenizer) -> dict[str, Any]:
    return {
        "d_model": sizes.width,
        "max_position_embeddings": sizes.positions,
        "dropout": sizes.dropout,
        "attention_dropout": sizes.dropout,
        **{f"{side}_layers": sizes.layers for side in ("encoder", "decoder")},
        **{f"{side}_attention_heads": sizes.heads for side in ("encoder", "decoder")},
        **{f"{side}_ffn_dim": sizes.between for side in ("encoder", "decoder")},
    }


def _t5(sizes: Sizes, _: Tokenizer) -> dict[str, Any]:
    """Positions are relative, so `n_positions` is for us alone to read."""
    return {
        "d_model": sizes.width,
        "d_kv": sizes.width // sizes.heads,
        "d_ff": sizes.between,
        "num_layers": sizes.layers,
        "num_decoder_layers": sizes.layers,
        "num_heads": sizes.heads,
        "dropout_rate": sizes.dropout,
        "n_positions": sizes.positions,
    }


def _marian(sizes: Sizes, tokenizer: Tokenizer) -> dict[str, Any]:
    """As the original Transformer: sinusoidal positions, one table for all words, scaled by the root of the width."""
    return _bart(sizes, tokenizer) | {
        "decoder_vocab_size": len(tokenizer),
        "scale_embedding": True,
        "activation_function": "relu",
    }


_Fields = Callable[[Sizes, Tokenizer], dict[str, Any]]
_TABLE: dict[Architecture, tuple[Shape, _Fields]] = {
    "bert": ("encoder", _bert),
    "roberta": ("encoder", _roberta),
    "electra": ("encoder", _electra),
    "xlnet": ("encoder", _xlnet),
    "gpt2": ("decoder", _gpt2),
    "llama": ("decoder", _llama),
    "qwen3": ("decoder", _qwen3),
    "gru": ("decoder", _gru),
    "bart": ("encoder_decoder", _bart),
    "t5": ("encoder_decoder", _t5),
    "marian": ("encoder_decoder", _marian),
}
