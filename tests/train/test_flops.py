"""Against the formula of Kaplan et al. (2020), written out for BERT, and against torch's own counter."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
)

from danlu.train.flops import flops_a_token
from danlu.tuning.features import cached_trunk
from danlu.tuning.methods.head import Head
from danlu.tuning.methods.lora import Lora

H, F, L, WIDTH = 16, 40, 2, 12
LAYERS = L * (4 * H * H + 2 * H * F)


@pytest.fixture
def model() -> BertForSequenceClassification:
    sizes = {"hidden_size": H, "num_hidden_layers": L, "num_attention_heads": 2, "intermediate_size": F}
    return BertForSequenceClassification(BertConfig(vocab_size=30, max_position_embeddings=16, **sizes))


def test_all_weights_cost_six_operations_and_attention_twelve(model: BertForSequenceClassification) -> None:
    assert flops_a_token(model, WIDTH) == 6 * LAYERS + 12 * WIDTH * H * L


def test_it_agrees_with_a_counter_of_the_operations_that_run(model: BertForSequenceClassification) -> None:
    model.set_attn_implementation("eager")
    ids = torch.randint(3, 30, (1, WIDTH))
    with FlopCounterMode(display=False) as counter:
        model.bert(ids).last_hidden_state.sum().backward()
    assert flops_a_token(model, WIDTH) * WIDTH == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_frozen_weights_cost_four_and_those_of_lora_are_counted_once(model: BertForSequenceClassification) -> None:
    added = L * 2 * (4 * (H + H) + 2 * (H + F))
    first = 2 * H * H  # below the lowest that learns nothing goes backward
    assert flops_a_token(Lora(rank=2).apply(model), WIDTH) == 4 * LAYERS - first + 6 * added + 12 * WIDTH * H * L


def test_layers_below_those_that_learn_cost_two_operations(model: BertForSequenceClassification) -> None:
    model.bert.embeddings.requires_grad_(requires_grad=False)
    model.bert.encoder.layer[0].requires_grad_(requires_grad=False)
    assert flops_a_token(model, WIDTH) == (2 + 6) * LAYERS / L + 12 * WIDTH * H * L


def test_features_that_are_kept_cost_nothing(model: BertForSequenceClassification, tmp_path: Path) -> None:
    with cached_trunk(Head().apply(model), [], tmp_path):
        assert flops_a_token(model, WIDTH) == 0


def test_a_network_in_parts_of_their_own_is_counted_too() -> None:
    sizes = {"hidden_size": H, "num_hidden_layers": L, "num_attention_heads": 2, "intermediate_size": F}
    bert = {"vocab_size": 30, "max_position_embeddings": 16, **sizes}
    sides = BertConfig(**bert), BertConfig(**bert, is_decoder=True, add_cross_attention=True)
    pair = EncoderDecoderModel(EncoderDecoderConfig.from_encoder_decoder_configs(*sides))
    assert flops_a_token(pair, WIDTH) >= 6 * LAYERS + 12 * WIDTH * H * L
    llama = {"vocab_size": 30, "head_dim": 8, **sizes}
    seen = Gemma3Config(text_config=llama, vision_config={**sizes, "image_size": 8, "patch_size": 4})
    assert flops_a_token(Gemma3ForConditionalGeneration(seen), WIDTH) > 12 * WIDTH * H * L
