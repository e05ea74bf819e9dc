"""GGUF files of models of two sides are compared with the model that they were written from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, T5Config, T5ForConditionalGeneration

from danlu.machine.hub import local_folder

gguf = pytest.importorskip("gguf")

WORDS = ["<pad>", "</s>", "<unk>", "▁", "▁the", "▁cat", "a", "b", "c", "▁sat"]
SIZES = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}


def written(path: Path, model: T5ForConditionalGeneration, *, tied: bool) -> None:
    """A file as llama.cpp's converter writes it."""
    writer = gguf.GGUFWriter(str(path), "t5")
    writer.add_context_length(64)
    writer.add_embedding_length(SIZES["d_model"])
    writer.add_block_count(SIZES["num_layers"])
    writer.add_feed_forward_length(SIZES["d_ff"])
    writer.add_head_count(SIZES["num_heads"])
    writer.add_key_length(SIZES["d_kv"])
    writer.add_relative_attn_buckets_count(32)
    writer.add_layer_norm_eps(1e-6)
    writer.add_decoder_start_token_id(0)
    writer.add_tokenizer_model("t5")
    writer.add_token_list(WORDS)
    writer.add_token_scores([-float(number) for number in range(len(WORDS))])
    writer.add_token_types([3, 3, 2] + [1] * (len(WORDS) - 3))
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(2)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.T5, SIZES["num_layers"])
    for name, tensor in model.state_dict().items():
        ours = names.get_name(name, try_suffixes=(".weight",))
        if ours is not None and not (tied and name == "lm_head.weight"):
            writer.add_tensor(ours, tensor.numpy().astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize(("gate", "tied"), [("gated-gelu", False), ("gated-gelu", True), ("relu", True)])
def test_a_file_gives_the_model_of_two_sides_that_it_was_written_from(
    gate: str, tied: bool, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    torch.manual_seed(0)
    told = {"feed_forward_proj": gate, "tie_word_embeddings": tied, "decoder_start_token_id": 0}
    model = T5ForConditionalGeneration(T5Config(vocab_size=len(WORDS), **SIZES, **told)).eval()
    if not tied:
        model.lm_head.weight = torch.nn.Parameter(torch.randn(len(WORDS), SIZES["d_model"]))
    written(tmp_path / "t5.gguf", model, tied=tied)
    folder = local_folder(str(tmp_path / "t5.gguf"), [])
    again = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32).eval()
    asked = AutoTokenizer.from_pretrained(folder)("the cat", return_tensors="pt")
    assert asked["input_ids"].tolist() == [[4, 5, 1]]
    with torch.no_grad():
        one, other = (each(**asked, decoder_input_ids=torch.tensor([[0, 9]])).logits for each in (model, again))
    torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-6)
