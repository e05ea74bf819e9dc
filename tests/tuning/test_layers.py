"""Layers are found in families that lay them out in every way there is."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
import transformers
from torch import nn
from transformers import PreTrainedModel

from danlu.refusal import Refusal
from danlu.tuning.layers import layers

SMALL = {"vocab_size": 60, "num_labels": 3, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
BERT = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
BART = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 2}
BART |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "max_position_embeddings": 32}
T5 = {"d_model": 16, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 2, "d_kv": 8, "d_ff": 24}
XLM = {"emb_dim": 16, "n_layers": 3, "n_heads": 2, "n_words": 60, "pad_index": 0}
GPT2 = {"n_embd": 16, "n_layer": 3, "n_head": 2, "n_positions": 32}
ALBERT = BERT | {"embedding_size": 8}
CLASSIFY, CAUSAL = "AutoModelForSequenceClassification", "AutoModelForCausalLM"
FAMILIES: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "bert": (CLASSIFY, BERT, 3, "classifier.weight"),
    "roberta": ("AutoModelForMaskedLM", BERT, 3, "lm_head.dense.weight"),
    "camembert": (CAUSAL, BERT, 3, "lm_head.dense.weight"),  # its head, which comes first, shares the embeddings
    "deberta-v2": (CLASSIFY, BERT | {"relative_attention": True, "position_biased_input": False}, 3, "classifier.bias"),
    "llama": (CAUSAL, BERT | {"tie_word_embeddings": False}, 3, "lm_head.weight"),
    "gpt2": (CLASSIFY, GPT2, 3, "score.weight"),
    "xlm": (CLASSIFY, XLM, 3, "sequence_summary.summary.weight"),  # attentions and feed-forward layers lie apart
    "albert": (CLASSIFY, ALBERT, 1, "classifier.weight"),  # all its layers are one
    "bart": (CLASSIFY, BART, 5, "classification_head.dense.weight"),
    "t5": (CLASSIFY, T5, 5, "classification_head.dense.weight"),  # its trunk has no name of its own
    "markuplm": (CLASSIFY, BERT, 3, "classifier.weight"),  # lists of tables in its embeddings
    "mamba": (CAUSAL, {"hidden_size": 16, "num_hidden_layers": 3, "state_size": 4}, 3, "backbone.norm_f.weight"),
}


def network(family: str) -> PreTrainedModel:
    auto_class, sizes, _, _ = FAMILIES[family]
    config = transformers.CONFIG_MAPPING[family](**(SMALL | sizes))
    torch.manual_seed(1)
    found: PreTrainedModel = getattr(transformers, auto_class).from_config(config)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_from_the_embeddings_up_to_the_head(family: str) -> None:
    model, (_, _, blocks, head) = network(family), FAMILIES[family]
    bottom, *found, top = layers(model).in_order()
    assert len(found) == blocks
    named = [name for names in layers(model).in_order() for name in names]
    assert sorted(named) == sorted(name for name, _ in model.named_parameters())
    table = model.get_input_embeddings().weight
    assert {name for name, parameter in model.named_parameters() if parameter is table} <= set(bottom)
    assert not any("attention" in name and "bias" not in name for name in (*bottom, *top))
    assert head in top
    sizes = [sum(model.get_parameter(name).numel() for name in names) for names in found]
    assert min(sizes) > max(sizes) / 3  # an encoder's blocks and a decoder's, or blocks of one size


def test_layers_are_in_the_order_in_which_the_text_goes_through_them() -> None:
    model = network("bert").eval()
    found = layers(model).in_order()
    seen: list[str] = []

    def hook(name: str) -> Callable[..., None]:
        return lambda *_: seen.append(name)

    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            module.register_forward_hook(hook(f"{name}.weight"))
    model(input_ids=torch.tensor([[5, 6, 7]]))
    places = [[seen.index(name) for name in names if name in seen] for names in found]
    assert all(max(below) < min(above) for below, above in pairwise(places))


def test_a_network_without_blocks_is_refused() -> None:
    model = network("bert")
    model.bert.encoder = nn.Identity()
    with pytest.raises(
        Refusal, match=r"'bert' do not tell their layers, .* use full without 'layer_decay' and 'unfreeze'"
    ):
        layers(model)
