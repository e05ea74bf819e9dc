"""GGUF files are read back by transformers, and their vocabulary by the rules of llama.cpp."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from in_proportion import BOUND, growth
from tokenizers import Tokenizer as Backend

import danlu
from danlu.bundle.bundle import save
from danlu.export.export import export
from danlu.export.gguf_words import CUTS, Words, _joining, words_of
from danlu.export.target import Target
from danlu.export.targets.gguf import turned
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.unigram import Unigram

gguf = pytest.importorskip("gguf")

TEXTS = ["the furnace is hot", "丹炉很热。", "don't! 12345 (a\n\nb)", "the cat sat", "猫坐着"] * 3


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama with heads that share keys."""
    tokenizer = Bpe(size=320).build(lambda: iter(TEXTS))
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer) + 3, num_key_value_heads=2, max_position_embeddings=64, **sizes, **ends
    )
    folder = tmp_path_factory.mktemp("gguf") / "bundle"
    examples = [{"text": text} for text in TEXTS[:3]]
    task = Task.model_validate("causal_lm")
    told = {"precision": "float32", "provenance": {}, "examples": examples}
    save(folder, transformers.LlamaForCausalLM(config), tokenizer, task, **told)
    return folder


@pytest.mark.parametrize(("precision", "share"), [("int8_weights", 0.3)])
def test_a_llama_says_the_same_once_its_file_is_read_back(
    bundle: Path, tmp_path: Path, precision: str, share: float
) -> None:
    chosen = Target.model_validate({"kind": "gguf", "precision": precision})
    found = export(bundle, tmp_path / "model.gguf", chosen)
    assert (found.opens, found.agreeing) == (False, found.asked)
    assert found.after < found.before * share + 30_000  # the vocabulary and its merges
    reader = gguf.GGUFReader(found.path)
    assert reader.get_field("general.architecture").contents() == "llama"
    kinds = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    assert kinds["blk.1.attn_q.weight"] == {"float32": "F32", "float16": "F16", "int8_weights": "Q8_0"}[precision]
    assert kinds["output_norm.weight"] == "F32"
    ids = torch.tensor([[5, 9, 270, 40, 41]])
    with danlu.load(bundle) as original:
        right = original.model(input_ids=ids).logits
    back = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf", dtype=torch.float32)
    assert (back(input_ids=ids).logits - right).abs().max() < (0.05 if precision == "int8_weights" else 2e-3)


def test_queries_are_turned_as_llama_cpp_does() -> None:
    weights, heads = np.arange(48, dtype=np.float32).reshape(16, 3), 2
    assert turned(weights, heads)[:4, 0].tolist() == [0, 12, 3, 15]


@pytest.mark.parametrize(("whole", "cut"), [(False, "qwen2"), (True, "llama-bpe")])
def test_of_two_programs_that_cut_alike_the_one_that_joins_alike_is_named(whole: bool, cut: str) -> None:
    """Of digits the two differ, but where no token has two of them that is not seen."""
    plain = json.loads(Bpe(size=300, min_frequency=1).build(lambda: iter(["x"])).backend_tokenizer.to_str())
    first = max(plain["model"]["vocab"].values()) + 1
    plain["model"] |= {"ignore_merges": whole, "merges": [*plain["model"]["merges"], ["(", "x"]]}
    plain["model"]["vocab"]["(x"] = first
    plain["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = CUTS[cut]
    assert words_of(Tokenizer(tokenizer_object=Backend.from_str(json.dumps(plain))), first + 1, ["(x 12345"]).cut == cut


def test_a_tokenizer_that_no_such_program_follows_is_refused() -> None:
    pieces = Unigram(size=400, min_frequency=1).build(lambda: iter(TEXTS))
    with pytest.raises(danlu.Refusal, match="of the kind Unigram, and programs that read GGUF join pieces"):
        words_of(pieces, len(pieces), TEXTS)


def test_a_text_that_would_be_cut_otherwise_is_named() -> None:
    tokenizer = Bpe(size=400, min_frequency=1).build(lambda: iter(["aa\n\n\n\nbb" * 5]))
    assert words_of(tokenizer, len(tokenizer), ["aa bb"]).model == "gpt2"
    from tokenizers import pre_tokenizers

    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("a", "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    with pytest.raises(danlu.Refusal, match="would cut 'xaay' into other tokens"):
        words_of(tokenizer, len(tokenizer), ["xaay"])


def test_words_that_such_programs_would_not_keep_whole_are_refused(tmp_path: Path) -> None:
    tokenizer = Bpe(size=400).build(lambda: iter(["हिन्दी में " * 20]))
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    task = Task.model_validate("causal_lm")
    told = {"precision": "float32", "provenance": {}, "examples": [{"text": "हि"}]}
    save(tmp_path / "bundle", transformers.LlamaForCausalLM(config), tokenizer, task, **told)
    with pytest.raises(danlu.Refusal, match="would cut 'हि"):
        export(tmp_path / "bundle", tmp_path / "out.gguf", Target.model_validate("gguf"))


def test_texts_within_messages_are_tried_too(bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tried: list[str] = []

    def looked_at(_tokenizer: object, _size: int, texts: list[str]) -> None:
        tried.extend(texts)
        raise danlu.Refusal("seen")

    monkeypatch.setattr("danlu.export.targets.gguf.words_of", looked_at)
    records = [{"text": "a", "messages": [{"role": "user", "content": "said"}, {"content": ["in", {"parts": "too"}]}]}]
    with pytest.raises(danlu.Refusal, match="seen"):
        export(bundle, tmp_path / "out.gguf", Target.model_validate("gguf"), records=records)
    assert {"a", "said", "in", "too"} <= set(tried)


def test_pieces_of_a_long_text_are_joined_by_score_and_then_from_the_left() -> None:
    tokens = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"abc", "ab", "bc", "abab", "▁a"]
    scores = {"bc": 2.0, "ab": 1.0, "abab": 1.0}
    words = Words("llama", "default", tokens, [1] * len(tokens), [scores.get(token, -9.0) for token in tokens], [])
    cut = _joining(words)
    assert [tokens[number] for number in cut("ababc ba")] == ["▁", "ab", "a", "bc", "▁", "b", "a"]
    assert [tokens[number] for number in cut("é")] == ["▁", "<0xC3>", "<0xA9>"]
    assert growth(partial(cut, "abab" * 500), partial(cut, "abab" * 2_000)) < BOUND


@pytest.mark.parametrize("count", [3, 4])
def test_as_many_ends_are_written_as_there_are_places_for(bundle: Path, tmp_path: Path, count: int) -> None:
    with danlu.load(bundle) as opened:
        model, tokenizer, task = opened.model, opened.tokenizer, opened.task
        own = tokenizer.eos_token_id
        model.config.eos_token_id = [own, *range(280, 279 + count)]
        tokenizer.chat_template = {"default": "{{ 'd' }}", "tool_use": "{{ 't' }}"}
        save(tmp_path / "many", model, tokenizer, task, precision="float32", provenance={}, examples=[{"text": "a"}])
    if count > 3:
        with pytest.raises(danlu.Refusal, match="ends with any of 4 tokens, and GGUF has places for 3; export to onnx"):
            export(tmp_path / "many", tmp_path / "model.gguf", Target.model_validate("gguf"))
        assert {path.name for path in tmp_path.iterdir()} == {"many"}
        return
    export(tmp_path / "many", tmp_path / "model.gguf", Target.model_validate("gguf"))
    reader = gguf.GGUFReader(tmp_path / "model.gguf")
    ends = [reader.get_field(f"tokenizer.ggml.{name}_token_id").contents() for name in ("eos", "eot", "eom")]
    assert ends == [own, 280, 281]
    templates = [reader.get_field(f"tokenizer.chat_template{name}").contents() for name in ("", ".tool_use")]
    assert templates == ["{{ 'd' }}", "{{ 't' }}"]


def test_an_encoder_is_no_gguf(tiny_bundle: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(danlu.Refusal, match="models that write on from a text, and this is an AutoModelForSequence"):
        export(tiny_bundle("classify"), tmp_path / "out.gguf", Target.model_validate("gguf"))
    assert list(tmp_path.iterdir()) == []
