"""Tiny models of the families that write, and what they write, by danlu and by transformers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers
from transformers import PreTrainedModel

from danlu.model.ends import Endings
from danlu.model.generate import Session, Wanted
from danlu.model.gru import GruConfig
from danlu.model.heads import unwrapped
from danlu.model.policy import Policy
from danlu.model.positions import longest_row
from danlu.model.readers import reader_for
from danlu.model.written import Written
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.tokenizing.tokenizer import Tokenizer

VOCABULARY = 48
COMMON = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
PLAIN = COMMON | {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 96,
}
SIDES = COMMON | {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "max_position_embeddings": 96,
}
GROUPED = {"num_key_value_heads": 2, "head_dim": 8}
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", PLAIN | GROUPED),
    "gpt2": ("GPT2Config", COMMON | {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 96}),
    "qwen3": ("Qwen3Config", PLAIN | GROUPED),
    "opt": (
        "OPTConfig",
        COMMON | SMALL | {"ffn_dim": 24, "max_position_embeddings": 96, "word_embed_proj_dim": 16},
    ),
    "bloom": ("BloomConfig", COMMON | {"hidden_size": 16, "n_layer": 2, "n_head": 2}),
    "gemma2": ("Gemma2Config", PLAIN | GROUPED | {"sliding_window": 8, "final_logit_softcapping": 0.5}),
    "mistral": ("MistralConfig", PLAIN | GROUPED | {"sliding_window": 8}),
    "falcon": ("FalconConfig", COMMON | SMALL),
    "falcon_alibi": ("FalconConfig", COMMON | SMALL | {"alibi": True}),
    "gpt_neox": ("GPTNeoXConfig", PLAIN),
    "mpt": (
        "MptConfig",
        COMMON | {"d_model": 16, "n_layers": 2, "n_heads": 2, "max_seq_len": 96, "expansion_ratio": 2},
    ),
    "mamba": ("MambaConfig", COMMON | {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}),
    "gru": ("GruConfig", COMMON | {"hidden_size": 16, "num_hidden_layers": 2, "max_position_embeddings": 96}),
    "bart": (
        "BartConfig",
        SIDES | {"decoder_start_token_id": 2, "forced_eos_token_id": None, "forced_bos_token_id": 5},
    ),
    "marian": ("MarianConfig", SIDES | {"decoder_start_token_id": 0, "forced_eos_token_id": None}),
    "m2m_100": ("M2M100Config", SIDES | {"decoder_start_token_id": 2}),
    "t5": (
        "T5Config",
        COMMON | {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0},
    ),
}
TWO_SIDED = {"bart", "marian", "m2m_100", "t5"}


def built(family: str) -> PreTrainedModel:
    name, fields = FAMILIES[family]
    torch.manual_seed(5)
    config = GruConfig(**fields) if family == "gru" else getattr(transformers, name)(**fields)
    head = "Seq2SeqLM" if family in TWO_SIDED else "CausalLM"
    model = getattr(transformers, f"AutoModelFor{head}").from_config(config)
    with torch.no_grad():  # fresh weights of deviation 0.02 make attention all but uniform: nothing would be seen
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.15)
    return model.eval()  # type: ignore[no-any-return]


def word_tokenizer() -> Tokenizer:
    backend = Backend(models.WordLevel({f"w{number}": number for number in range(VOCABULARY)}, unk_token="w3"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    named = {"pad_token": "w0", "bos_token": "w1", "eos_token": "w2", "unk_token": "w3"}
    return Tokenizer(tokenizer_object=backend, **named)


def policy(kind: str, **fields: Any) -> Policy:
    return Policy.model_validate({"kind": kind, "max_new_tokens": 12} | fields)


def examples(rows: Sequence[Sequence[int]]) -> list[Encoded]:
    return [Encoded(number, (Row(np.array(row, np.int32)),)) for number, row in enumerate(rows)]


def write(
    model: PreTrainedModel, tokenizer: Tokenizer, policy: Policy, rows: Sequence[Sequence[int]], slots: int = 32
) -> list[list[Written]]:
    limit = longest_row(unwrapped(model))
    session = Session(reader_for(model, 0)(), Endings(model, tokenizer, limit), slots)
    found: dict[int, list[Written]] = {}
    session.ask(Wanted(policy, session.endings.prompts(examples(rows)), found.__setitem__))
    while session.busy:
        session.step()
    return [found[number] for number in range(len(rows))]


def by_transformers(model: PreTrainedModel, row: Sequence[int], **fields: Any) -> list[int]:
    names = {"no_repeat_ngram": "no_repeat_ngram_size", "beams": "num_beams"}
    given = {names.get(name, name): value for name, value in fields.items()}
    ids = torch.tensor([row])
    found = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, pad_token_id=0, **{"max_new_tokens": 12} | given
    )[0].tolist()
    start = 1 if model.config.is_encoder_decoder else len(row)
    forced = getattr(model.generation_config, "forced_bos_token_id", None) if start == 1 else None
    written = found[start + (forced is not None) :]
    return written[: written.index(2)] if 2 in written else written


def random_rows(*lengths: int, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(3, VOCABULARY, length).tolist() for length in lengths]
