import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from danlu.model.architecture import Architecture
from danlu.model.positions import longest_row
from danlu.model.source import Source
from danlu.model.sources.pretrained import Pretrained
from danlu.model.sources.scratch import SIZES
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

ARCHITECTURES = get_args(Architecture)
WRITERS = {
    "encoder": "AutoModelForMaskedLM",
    "decoder": "AutoModelForCausalLM",
    "encoder_decoder": "AutoModelForSeq2SeqLM",
}
LABELS = {"id2label": {0: "bad", 1: "good"}, "label2id": {"bad": 0, "good": 1}}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return WordPiece(size=60, min_frequency=1).build(lambda: iter(["the cat sat on the mat", "北京是中国的首都"]))


def scratch(**fields: Any) -> Source:
    return Source.model_validate({"kind": "scratch", **fields})


def language_model(architecture: str, tokenizer: Tokenizer, **fields: Any) -> PreTrainedModel:
    """A tiny network of an architecture that gives tokens."""
    source = scratch(architecture=architecture, layers=1, width=16, **heads(architecture), **fields)
    kind = "AutoModelForCausalLM" if architecture == "xlnet" else WRITERS[source.shape()]
    return source.build(kind, tokenizer, {})


def heads(architecture: str) -> dict[str, int]:
    return {} if architecture == "gru" else {"heads": 2}


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("size", ["tiny", "mini"])
def test_sizes_by_name_have_the_number_of_weights_that_the_papers_give(tokenizer: Tokenizer, size: str) -> None:
    layers, h, _ = SIZES[size]
    V, P, f = len(tokenizer), 512, 4 * h
    bert = scratch(architecture="bert", size=size).build("AutoModelForMaskedLM", tokenizer, {})
    block = 4 * (h * h + h) + (h * f + f) + (f * h + h) + 4 * h
    assert count(bert) == V * h + P * h + 2 * h + 2 * h + layers * block + (h * h + h + 2 * h + V)
    gpt2 = scratch(architecture="gpt2", size=size).build("AutoModelForCausalLM", tokenizer, {})
    assert count(gpt2) == V * h + P * h + layers * block + 2 * h
    llama = scratch(architecture="llama", size=size).build("AutoModelForCausalLM", tokenizer, {})
    f = -(-8 * h // 3 // 32) * 32
    assert count(llama) == V * h + layers * (4 * h * h + 3 * h * f + 2 * h) + h


def test_fields_override_the_size(tokenizer: Tokenizer) -> None:
    fields = {"layers": 3, "width": 24, "heads": 6, "feed_forward": 40, "positions": 64, "dropout": 0.25}
    model = scratch(size="base", **fields).build("AutoModelForSequenceClassification", tokenizer, LABELS)
    config = model.config
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (3, 24, 6)
    assert (config.intermediate_size, config.max_position_embeddings) == (40, 64)
    assert (config.hidden_dropout_prob, config.attention_probs_dropout_prob) == (0.25, 0.25)
    assert config.id2label == {0: "bad", 1: "good"}
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)
    assert next(model.parameters()).dtype == torch.float32


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_seed_decides_the_weights_and_leaves_the_worlds_dice_alone(tokenizer: Tokenizer, architecture: str) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    fields = {"architecture": architecture, "layers": 1, "width": 16, **heads(architecture)}
    others = {"marian": WRITERS["encoder_decoder"], "gru": WRITERS["decoder"]}
    auto_class = others.get(architecture, "AutoModelForSequenceClassification")
    models = [scratch(**fields, seed=seed).build(auto_class, tokenizer, LABELS) for seed in (3, 3, 4)]
    assert torch.equal(torch.rand(1), expected)
    states = [list(model.state_dict().values()) for model in models]
    assert all(torch.equal(a, b) for a, b in zip(states[0], states[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(states[0], states[2], strict=True))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_language_models_share_embeddings_with_their_head(tokenizer: Tokenizer, architecture: str) -> None:
    model = language_model(architecture, tokenizer)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("tokens", ["encoder", "decoder"])
def test_an_architecture_keeps_its_shape_its_ends_and_its_longest_row(
    tmp_path: Path, architecture: str, tokens: str, tokenizer: Tokenizer
) -> None:
    words = tokenizer if tokens == "encoder" else Bpe(size=264).build(lambda: iter(["the cat sat"]))
    source = scratch(architecture=architecture)
    model = language_model(architecture, words, positions=40).eval()
    model.save_pretrained(tmp_path)
    again = Pretrained(path=str(tmp_path))
    assert again.shape() == source.shape()
    assert longest_row(model) == longest_row(again.build(_class_of(model), words, {})) == 40
    begin, end = (words.cls_token_id, words.sep_token_id) if tokens == "encoder" else (words.bos_token_id,) * 2
    settings = json.loads((tmp_path / "config.json").read_text())
    known = {key: settings.get(key) for key in settings if key.endswith("token_id") and settings[key] is not None}
    if source.shape() == "encoder_decoder":
        start = begin if architecture == "bart" else words.pad_token_id
        ends = {"pad_token_id": words.pad_token_id, "bos_token_id": begin, "eos_token_id": end}
        assert {key: known[key] for key in known if key != "decoder_start_token_id"} == ends
        assert model.generation_config.decoder_start_token_id == known["decoder_start_token_id"] == start
    row = torch.randint(4, len(words), (2, 40), generator=torch.Generator().manual_seed(0))
    two = {"decoder_input_ids": row} if source.shape() == "encoder_decoder" else {}
    assert model(input_ids=row, **two).logits.shape == (2, 40, len(words))


def _class_of(model: PreTrainedModel) -> str:
    name = type(model).__name__
    two_sided = "AutoModelForSeq2SeqLM" if model.config.is_encoder_decoder else "AutoModelForCausalLM"
    return "AutoModelForMaskedLM" if "MaskedLM" in name else two_sided


def test_marian_has_the_positions_of_the_original_transformer(tokenizer: Tokenizer) -> None:
    model = language_model("marian", tokenizer, positions=40)
    (position, width) = np.mgrid[0:40, 0:8]
    angles = position / 10000 ** (2 * width / 16)
    table = model.get_encoder().embed_positions.weight.detach().numpy()
    np.testing.assert_allclose(np.sort(table), np.sort(np.hstack([np.sin(angles), np.cos(angles)])), atol=1e-6)
    assert not model.get_encoder().embed_positions.weight.requires_grad


@pytest.mark.parametrize(("width", "heads"), [(30, 4), (20, 4)])
def test_heads_that_do_not_divide_the_width_are_refused(width: int, heads: int) -> None:
    with pytest.raises(ValueError, match=rf"width {width} must be an even multiple of heads {heads}"):
        scratch(width=width, heads=heads)
