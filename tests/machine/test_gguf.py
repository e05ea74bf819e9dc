"""GGUF files are compared with the model that they were written from."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

import danlu
from danlu.bundle.adapt import base_folder
from danlu.bundle.verify import verify
from danlu.machine import device
from danlu.machine.gguf import is_gguf
from danlu.machine.gguf_positions import LLAMA
from danlu.machine.hub import local_folder
from danlu.model.sources.pretrained import Pretrained
from danlu.refusal import Refusal
from danlu.stages.given import take
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.pretrained import Pretrained as PretrainedTokenizer

gguf = pytest.importorskip("gguf")

TEXTS = ["the furnace is hot", "丹炉很热。", "the cat sat", "猫坐着"] * 3
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
FILLERS = 5  # rows beyond the vocabulary, which other programs fill up with words


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    found = Bpe(size=300).build(lambda: iter(TEXTS))
    assert isinstance(found, PreTrainedTokenizerFast)
    return found


def network(tokenizer: PreTrainedTokenizerFast, *, tied: bool, **more: Any) -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4} | more
    config = Qwen2Config(vocab_size=len(tokenizer) + FILLERS, num_key_value_heads=2, tie_word_embeddings=tied, **sizes)
    return Qwen2ForCausalLM(config).eval()


def written(
    path: Path,
    model: Qwen2ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    kinds: dict[str, Any] | None = None,
    *,
    without: str = "nothing",
    more: Callable[[Any], None] = lambda writer: None,
) -> Path:
    """A file as llama.cpp's converter writes it; `kinds` of quantisation by the end of a tensor's name.

    Tensors whose names begin with `without` are left out, and `more` writes what else is to stand there.
    """
    writer, config = gguf.GGUFWriter(str(path), "qwen2"), model.config
    writer.add_context_length(64)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    plain = json.loads(tokenizer.backend_tokenizer.to_str())
    words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    special = {each["content"] for each in plain["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(words + [f"[PAD{len(words) + number}]" for number in range(FILLERS)])
    writer.add_token_types([3 if word in special else 1 for word in words] + [5] * FILLERS)
    writer.add_token_merges([" ".join(merge) for merge in plain["model"]["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        ours = name
        for theirs, short in NAMES.items():
            ours = ours.replace(theirs, short)
        ours = ours.replace("model.layers.", "blk.")
        values = tensor.numpy().astype(np.float32)
        if ours.startswith(without):
            continue
        kind = next((kind for end, kind in (kinds or {}).items() if ours.endswith(end)), None)
        if kind is None:
            writer.add_tensor(ours, values)
        else:
            packed = gguf.quants.quantize(values, kind)
            writer.add_tensor(ours, packed, raw_dtype=kind)
    more(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("tied", [True, False])
def test_a_file_gives_the_model_and_the_tokens_that_it_was_written_from(
    tied: bool, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    model = network(tokenizer, tied=tied)
    path = written(tmp_path / "tiny.gguf", model, tokenizer)
    assert is_gguf(path)
    read = PretrainedTokenizer(path=str(path)).build(lambda: iter(()))
    assert len(read) == len(tokenizer)  # without what fills the table up
    for text in [*TEXTS, "[PAD301] unknown 字", "cafe\u0301"]:
        composed = text.replace("e\u0301", "é")  # Qwen's own tokenizer composes, which the file does not say
        assert read(text)["input_ids"] == tokenizer(composed)["input_ids"]
    ids = torch.tensor([read(TEXTS[0])["input_ids"]])
    ours = Pretrained(path=str(path)).build("AutoModelForCausalLM", read, {}).eval()
    again = AutoModelForCausalLM.from_pretrained(local_folder(str(path), []), dtype=torch.float32)
    with torch.no_grad():
        expected = model(input_ids=ids).logits[..., : len(tokenizer)]
        for one in (ours, again):
            torch.testing.assert_close(one(input_ids=ids).logits[..., : len(tokenizer)], expected, rtol=1e-5, atol=1e-6)
    assert ours.config.tie_word_embeddings == tied


def test_one_matrix_that_was_quantised_twice_is_one_again(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    model = network(tokenizer, tied=False)
    model.lm_head.weight.data.copy_(model.model.embed_tokens.weight)
    kinds = {
        "output.weight": gguf.GGMLQuantizationType.Q8_0,
        "token_embd.weight": gguf.GGMLQuantizationType.Q5_0,
        "ffn_up.weight": gguf.GGMLQuantizationType.Q8_0,
    }
    path = written(tmp_path / "small.gguf", model, tokenizer, kinds)
    read = AutoModelForCausalLM.from_pretrained(local_folder(str(path), []), dtype=torch.float32)
    assert read.config.tie_word_embeddings
    assert read.lm_head.weight.data_ptr() == read.model.embed_tokens.weight.data_ptr()
    finer = gguf.quants.dequantize(
        gguf.quants.quantize(model.lm_head.weight.detach().numpy(), kinds["output.weight"]), kinds["output.weight"]
    )
    np.testing.assert_allclose(read.lm_head.weight.detach().numpy(), finer, rtol=1e-6)


def test_a_file_becomes_a_bundle_and_is_the_base_of_adapters(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    path = written(tmp_path / "given.gguf", network(tokenizer, tied=True), tokenizer)
    with pytest.raises(Refusal, match=r"given\.gguf: is a model and no bundle; make one of it with: danlu bundle"):
        danlu.load(path)
    assert base_folder(path) == local_folder(str(path), [])
    take(str(path), None, tmp_path / "taken", "float32", "en", lambda _: None)
    assert verify(tmp_path / "taken") == []
    with danlu.load(tmp_path / "taken") as bundle:
        assert bundle.task.kind == "causal_lm"
    assert "A model that others trained, `given.gguf`" in (tmp_path / "taken" / "README.md").read_text("utf-8")


@pytest.mark.parametrize("damage", ["cut", "header", "empty"])
def test_a_damaged_file_is_refused_and_leaves_nothing(
    damage: str, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    path = written(tmp_path / f"{damage}.gguf", network(tokenizer, tied=True), tokenizer)
    data = path.read_bytes()
    path.write_bytes({"cut": data[: len(data) // 2], "header": data[:4] + b"\xff" * 60, "empty": data[:4]}[damage])
    with pytest.raises(Refusal, match=rf"{damage}\.gguf: this GGUF file could not be read"):
        local_folder(str(path), [])
    kept = device.cache_folder() / "gguf"
    assert not any(each.name.startswith(damage) for each in kept.glob("*"))


def _linear(writer: Any) -> None:
    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(4.0)


def _yarn(writer: Any) -> None:
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(4.0)
    writer.add_rope_scaling_orig_ctx_len(16)


DIVISORS = [1.0, 1.0, 2.694530487060547, 8.0]  # of Llama 3.1, where the base is 500,000 and a head has 8 numbers


@pytest.mark.parametrize(
    ("told", "more"),
    [
        ({"rope_type": "linear", "factor": 4.0}, _linear),
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}, _yarn),
        (
            {"rope_type": "llama3", "factor": 8.0, **LLAMA},
            lambda writer: writer.add_tensor("rope_freqs.weight", np.array(DIVISORS, np.float32)),
        ),
    ],
)
def test_positions_are_scaled_as_the_file_says(
    told: dict[str, Any], more: Callable[[Any], None], tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    model = network(tokenizer, tied=True, rope_parameters={"rope_theta": 5e5, **told})
    path = written(tmp_path / f"{told['rope_type']}.gguf", model, tokenizer, more=more)
    read = AutoModelForCausalLM.from_pretrained(local_folder(str(path), []), dtype=torch.float32)
    ids = torch.arange(40)[None]
    with torch.no_grad():
        torch.testing.assert_close(read(input_ids=ids).logits, model(input_ids=ids).logits, rtol=1e-4, atol=1e-5)


def test_positions_that_are_scaled_in_an_unknown_way_are_refused(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    model = network(tokenizer, tied=True)

    def of_another_kind(writer: Any) -> None:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)

    path = written(tmp_path / "long.gguf", model, tokenizer, more=of_another_kind)
    with pytest.raises(Refusal, match=r"long\.gguf: its positions are scaled by 'longrope', which is not read"):
        local_folder(str(path), [])

    def by_other_numbers(writer: Any) -> None:
        writer.add_tensor("rope_freqs.weight", np.array([1, 2, 3, 4], np.float32))

    path = written(tmp_path / "other.gguf", model, tokenizer, more=by_other_numbers)
    with pytest.raises(Refusal, match=r"scaled by the tensor 'rope_freqs.*, and not as Llama"):
        local_folder(str(path), [])


def test_a_file_that_is_not_all_of_a_model_is_refused(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    model = network(tokenizer, tied=True)
    path = written(tmp_path / "lacking.gguf", model, tokenizer, without="blk.1.ffn")
    with pytest.raises(Refusal, match=r"holds no 'model\.layers\.1\.mlp\..*', and lacks 4 of the weights"):
        local_folder(str(path), [])
    path = written(tmp_path / "split.gguf", model, tokenizer, more=lambda writer: writer.add_uint16("split.count", 2))
    with pytest.raises(Refusal, match=r"is one of 2 files .* llama-gguf-split --merge"):
        local_folder(str(path), [])


def test_a_file_with_weights_that_would_be_passed_over_is_refused(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    def with_a_bias(writer: Any) -> None:
        writer.add_tensor("blk.0.attn_output.bias", np.ones(32, np.float32))

    path = written(tmp_path / "more.gguf", network(tokenizer, tied=True), tokenizer, more=with_a_bias)
    with pytest.raises(Refusal, match=r"holds 'blk\.0\.attn_output\.bias', which transformers does not read"):
        local_folder(str(path), [])


def test_what_sees_pictures_may_lie_beside_a_model_of_texts(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    def with_a_tower(writer: Any) -> None:
        for name in ("v.blk.0.attn_q.weight", "mm.input_projection.weight"):
            writer.add_tensor(name, np.ones((4, 4), np.float32))

    path = written(tmp_path / "seeing.gguf", network(tokenizer, tied=True), tokenizer, more=with_a_tower)
    assert (Path(local_folder(str(path), [])) / "model.safetensors").is_file()


def test_what_was_unpacked_by_an_older_way_is_made_anew_and_shows_no_bars(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    path = written(tmp_path / "kept.gguf", network(tokenizer, tied=True), tokenizer)
    kept = local_folder(str(path), [])
    assert local_folder(str(path), []) == kept
    monkeypatch.setattr("danlu.machine.gguf.UNPACKING", 10**6)
    assert local_folder(str(path), []) != kept
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("danlu.machine.gguf.UNPACKING", 10**6 + 1)
    monkeypatch.setattr("danlu.machine.gguf._refuse_piece", lambda _: print("of another thread", file=sys.stderr))
    local_folder(str(path), [])
    assert capsys.readouterr() == ("", "of another thread\n")


def test_another_file_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"GGML and more")
    with pytest.raises(Refusal, match="this is a file; give the folder that holds it"):
        local_folder(str(path), [])
