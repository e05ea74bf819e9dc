"""Tiny networks of the families that transformers users have, with weights that are the same at every call."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor
from transformers import BertConfig, BertForMaskedLM, PreTrainedModel

from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

VOCABULARY = 48
COMMON = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
BERT_LIKE = COMMON | {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
}
CONFIGS: dict[str, tuple[str, dict[str, object]]] = {
    "bert": ("BertConfig", BERT_LIKE),
    "roberta": ("RobertaConfig", BERT_LIKE),
    "electra": ("ElectraConfig", BERT_LIKE | {"embedding_size": 8}),
    "ernie": ("ErnieConfig", BERT_LIKE),
    "albert": ("AlbertConfig", BERT_LIKE | {"embedding_size": 8}),
    "distilbert": ("DistilBertConfig", COMMON | {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24}),
    "modernbert": ("ModernBertConfig", BERT_LIKE | {"cls_token_id": 1, "sep_token_id": 2}),
    "gpt2": ("GPT2Config", COMMON | {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 40}),
    "llama": ("LlamaConfig", BERT_LIKE | {"num_attention_heads": 4, "num_key_value_heads": 2}),
    "gemma2": (
        "Gemma2Config",
        BERT_LIKE | {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "final_logit_softcapping": 0.5},
    ),
    "bart": (
        "BartConfig",
        COMMON
        | {"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
        | {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 40},
    ),
    "t5": ("T5Config", COMMON | {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}),
}
CAUSAL = {"gpt2", "llama", "gemma2"}
TWO_SIDED = {"bart", "t5"}


def _build(family: str) -> PreTrainedModel:
    name, fields = CONFIGS[family]
    head = "CausalLM" if family in CAUSAL else "Seq2SeqLM" if family in TWO_SIDED else "MaskedLM"
    torch.manual_seed(5)
    model: PreTrainedModel = getattr(transformers, f"AutoModelFor{head}").from_config(
        getattr(transformers, name)(**fields)
    )
    with torch.no_grad():  # fresh weights of deviation 0.02 make attention all but uniform: nothing would be seen
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.15)
    return model.eval()


def _inputs(family: str) -> dict[str, Tensor]:
    """Three rows of 9, 6 and 4 tokens."""
    generator = torch.Generator().manual_seed(3)
    mask = torch.arange(9) < torch.tensor([9, 6, 4])[:, None]
    ids = torch.randint(3, VOCABULARY, mask.shape, generator=generator).masked_fill(~mask, 0)
    inputs = {"input_ids": ids, "attention_mask": mask.long()}
    if family in TWO_SIDED:
        inputs["decoder_input_ids"] = torch.randint(3, VOCABULARY, (3, 5), generator=generator)
    return inputs


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return WordPiece(size=60, min_frequency=1).build(lambda: iter(["the cat sat on the mat", "北京是中国的首都"]))


@pytest.fixture
def folder(tmp_path: Path, tokenizer: Tokenizer) -> Path:
    """A tiny masked language model as transformers saves it."""
    torch.manual_seed(1)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=32, pad_token_id=0, **sizes)
    BertForMaskedLM(config).save_pretrained(tmp_path / "weights")
    return tmp_path / "weights"


@pytest.fixture
def network() -> Callable[[str], PreTrainedModel]:
    return _build


@pytest.fixture
def rows() -> Callable[[str], dict[str, Tensor]]:
    return _inputs
