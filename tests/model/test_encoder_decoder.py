import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from danlu.model.positions import longest_row
from danlu.model.source import Source
from danlu.model.sources.pretrained import Pretrained
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.extended import Extended

QUERY = "bert.encoder.layer.1.attention.self.query.weight"


@pytest.mark.parametrize("decoder", ["fresh", "its own weights", "gpt2"])
def test_an_encoder_gets_a_decoder_and_both_are_saved(
    tmp_path: Path, folder: Path, tokenizer: Tokenizer, decoder: str
) -> None:
    fields: dict[str, Any] = {"its own weights": {"decoder": str(folder)}, "fresh": {"layers": 1}}.get(decoder, {})
    if decoder == "gpt2":
        sizes = {"n_embd": 24, "n_layer": 1, "n_head": 2, "vocab_size": len(tokenizer), "n_positions": 16}
        GPT2LMHeadModel(GPT2Config(**sizes)).save_pretrained(tmp_path / "gpt2")
        fields = {"decoder": str(tmp_path / "gpt2")}
    said: list[str] = []
    source = Source.model_validate({"kind": "encoder_decoder", "path": str(folder), **fields})
    model = source.build("AutoModelForSeq2SeqLM", tokenizer, {}, said.append).eval()
    assert said
    assert (source.shape(), source.tokenizer_path()) == ("encoder_decoder", str(folder))
    saved = load_file(folder / "model.safetensors")
    assert torch.equal(model.state_dict()[QUERY.replace("bert.", "encoder.", 1)], saved[QUERY])
    if decoder == "its own weights":
        assert torch.equal(model.state_dict()["decoder." + QUERY], saved[QUERY])
    assert longest_row(model) == (16 if decoder == "gpt2" else 32)
    model.save_pretrained(tmp_path / "both")
    again = Pretrained(path=str(tmp_path / "both"))
    assert again.shape() == "encoder_decoder"
    reopened = again.build("AutoModelForSeq2SeqLM", tokenizer, {}).eval()
    inputs = {"input_ids": torch.tensor([[2, 7, 8, 3]]), "decoder_input_ids": torch.tensor([[2, 9, 10]])}
    torch.testing.assert_close(reopened(**inputs).logits, model(**inputs).logits)
    ends = {"decoder_start_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id}
    assert {name: getattr(reopened.config, name) for name in ends} == ends
    assert {name: getattr(reopened.generation_config, name) for name in ends} == ends


def test_a_decoder_that_cannot_read_an_encoder_is_refused(tmp_path: Path, folder: Path, tokenizer: Tokenizer) -> None:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(tmp_path / "llama")
    source = Source.model_validate({"kind": "encoder_decoder", "path": str(folder), "decoder": str(tmp_path / "llama")})
    with pytest.raises(Refusal, match=r"no decoder of LlamaConfig that reads an encoder"):
        source.build("AutoModelForSeq2SeqLM", tokenizer, {})
    with pytest.raises(Refusal, match=r"kind: encoder_decoder: transformers has no model"):
        source.build("AutoModelForTokenClassification", tokenizer, {})
    with pytest.raises(ValueError, match="'layers' is for a fresh decoder"):
        Source.model_validate({"kind": "encoder_decoder", "path": "a", "decoder": "b", "layers": 2})


@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_a_damaged_half_is_refused(tmp_path: Path, folder: Path, tokenizer: Tokenizer, half: str) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    kept = {name: value for name, value in load_file(folder / "model.safetensors").items() if ".layer.1." not in name}
    save_file(kept, damaged / "model.safetensors", metadata={"format": "pt"})
    paths = {"path": str(folder), "decoder": str(folder)} | {"path" if half == "encoder" else half: str(damaged)}
    source = Source.model_validate({"kind": "encoder_decoder", **paths})
    with pytest.raises(Refusal, match=r"damaged: \d+ tensors of the trunk are missing .*encoder\.layer\.1\.attention"):
        source.build("AutoModelForSeq2SeqLM", tokenizer, {})


def test_a_decoder_of_another_vocabulary_is_refused(tmp_path: Path, folder: Path, tokenizer: Tokenizer) -> None:
    other = Bpe(size=300).build(lambda: iter(["the cat sat on the mat"]))
    sizes = {"n_embd": 24, "n_layer": 1, "n_head": 2, "vocab_size": len(other), "n_positions": 16}
    GPT2LMHeadModel(GPT2Config(**sizes)).save_pretrained(tmp_path / "gpt2")
    other.save_pretrained(tmp_path / "gpt2")
    source = Source.model_validate({"kind": "encoder_decoder", "path": str(folder), "decoder": str(tmp_path / "gpt2")})
    with pytest.raises(Refusal, match=r"gpt2: of \d+ tokens of the tokenizer its own has \d+ under the same"):
        source.build("AutoModelForSeq2SeqLM", tokenizer, {})


def test_what_it_depends_on_is_both_folders() -> None:
    both = Source.model_validate({"kind": "encoder_decoder", "path": "one", "decoder": "two"})
    assert both.inputs() == ["one", "two"]
    assert Source.model_validate({"kind": "encoder_decoder", "path": "one"}).inputs() == ["one"]


@pytest.mark.parametrize("decoder", [False, True])
def test_an_outline_has_rows_for_the_tokens_that_were_added(folder: Path, tokenizer: Tokenizer, decoder: bool) -> None:
    tokenizer.save_pretrained(folder)
    longer = Extended(base={"kind": "pretrained", "path": str(folder)}, special=("[A]", "[B]")).build(lambda: iter(()))
    fields = {"decoder": str(folder)} if decoder else {}
    source = Source.model_validate({"kind": "encoder_decoder", "path": str(folder), **fields})
    bare, built = source.outline("AutoModelForSeq2SeqLM", longer, {}), source.build("AutoModelForSeq2SeqLM", longer, {})
    shapes = [{name: value.shape for name, value in each.named_parameters()} for each in (bare, built)]
    assert shapes[0] == shapes[1]
    assert bare.config.vocab_size == built.config.vocab_size == len(longer)
