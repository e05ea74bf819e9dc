"""Tasks that write, from records to scores: they learn a language of some words, and their bundles say the same."""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import started
import torch
import yaml
from transformers import BartConfig, BertConfig, BertModel, LlamaConfig, T5Config

import danlu
from danlu.bundle.bundle import load, save
from danlu.engine.engines.torch import TorchNetwork
from danlu.model.source import Source
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource

ENGLISH = "sky earth man hill water fire sun moon star wind rain snow"
LEXICON = dict(zip("天地人山水火日月星风雨雪", ENGLISH.split(" "), strict=True))


def pairs(count: int, seed: int, words: int = len(LEXICON)) -> list[dict[str, str]]:
    rng = np.random.default_rng(seed)
    texts = [rng.choice([*LEXICON][:words], rng.integers(1, 5)).tolist() for _ in range(count)]
    return [{"text": "".join(text), "translation": " ".join(LEXICON[word] for word in text)} for text in texts]


def recipe(folder: Path, model: dict[str, Any], epochs: int, words: int = len(LEXICON), **task: Any) -> Path:
    lines = [json.dumps(record, ensure_ascii=False) for record in pairs(1000, 0, words)]
    (folder / "pairs.jsonl").write_text("\n".join(lines), "utf-8")
    tokenizer = {"kind": "wordpiece", "size": 100, "min_frequency": 1}
    train = {"epochs": epochs, "rate": 2e-3, "batch_examples": 32, "precision": "float32", "threads": 1}
    data = {"kind": "jsonl", "path": "pairs.jsonl"}
    stages = {
        "clean": {"kind": "prepare", "data": data, "dedup": "none", "split": {"validation": 0, "test": 0.04}},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": tokenizer},
        "model": {"kind": "train", "data": "@clean", "tokenizer": "@vocab", "model": {"kind": "scratch", **model}}
        | {"task": {"kind": "translate", **task}, "train": train},
        "test": {"kind": "evaluate", "bundle": "@model", "data": "@clean:test"}
        | {"baseline": {"kind": "word_by_word", "words": "character"}},
    }
    (folder / "toy.yaml").write_text(yaml.safe_dump({"name": "toy", "stages": stages}, sort_keys=False), "utf-8")
    return folder / "toy.yaml"


SIZE = {"layers": 1, "width": 128, "heads": 4, "dropout": 0.0, "positions": 32}


@pytest.mark.parametrize(("architecture", "epochs", "words"), [("marian", 7, 6), ("llama", 8, 12)])
def test_a_small_language_is_learnt_from_scratch_and_written(
    tmp_path: Path, architecture: str, epochs: int, words: int
) -> None:
    said: list[str] = []
    with contextlib.chdir(tmp_path):
        run = danlu.run(recipe(tmp_path, {"architecture": architecture, **SIZE}, epochs, words), say=said.append)
    scores = json.loads((tmp_path / run["test"] / "scores.json").read_text("utf-8"))
    values = {name: each["value"] for name, each in scores["metrics"].items()}
    assert values["exact_match"] > 0.95
    assert min(values["bleu"], values["chrf"]) > 95
    assert any("BLEU (sacreBLEU, 13a)" in line for line in said)
    assert scores["baseline"]["metrics"]["exact_match"]["value"] > 0.9
    assert scores["metrics"]["length_ratio"]["definition"] == "word, 1 is best"


TEXTS = ["天地人山", "水火", "日月星"]
BERT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
BART = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
BART |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 48}
MODELS = {
    "bart": (BartConfig, BART | {"decoder_start_token_id": 2, "forced_eos_token_id": None}),
    "t5": (T5Config, {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 1, "num_heads": 2}),
    "llama": (LlamaConfig, BERT),
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    source = TokenizerSource.model_validate({"kind": "wordpiece", "size": 100, "min_frequency": 1})
    made = source.build(lambda: iter([" ".join([*LEXICON, *LEXICON.values()])]))
    made.add_special_tokens({"additional_special_tokens": ["zh_CN", "en_XX"]})
    return made


def written(folder: Path, family: str, tied: str, tokenizer: Tokenizer) -> Path:
    """A bundle of random weights, which writes for all that: 12 tokens a text."""
    ends = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": 2, "eos_token_id": 3}
    plain = folder / f"{family}-{tied}-plain"
    torch.manual_seed(4)
    fields: dict[str, Any] = {}
    if family == "encoder_decoder":
        BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=48, **BERT)).save_pretrained(plain)
        source = Source.model_validate({"kind": "encoder_decoder", "path": str(plain)})
    else:
        config, sizes = MODELS[family]
        start = {"decoder_start_token_id": 0} if family == "t5" else {}
        made = config(vocab_size=len(tokenizer), tie_word_embeddings=tied == "tied", **{**ends, **start, **sizes})
        kind = "LlamaForCausalLM" if family == "llama" else f"{family.capitalize()}ForConditionalGeneration"
        import transformers

        getattr(transformers, kind)(made).save_pretrained(plain)
        source = Source.model_validate({"kind": "pretrained", "path": str(plain)})
        fields = {} if family == "llama" else {"source_language": "zh_CN", "target_language": "en_XX"}
    policy = {"kind": "beam", "beams": 2, "max_new_tokens": 12, "min_new_tokens": 4}
    task = Task.model_validate({"kind": "translate", "policy": policy, **fields}).shaped(source.shape())
    model = source.build(task.auto_class, tokenizer, task.config()).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    task = task.suited(model, tokenizer, print)
    bundle = folder / f"{family}-{tied}"
    save(bundle, model, tokenizer, task, precision="float32", provenance={}, examples=pairs(2, 5))
    with load(bundle) as opened:
        live = TorchNetwork(model).generate(
            task.encode([{"text": text} for text in TEXTS], tokenizer, 40, labelled=False), tokenizer, task.policy
        )
        assert [each["text"] for each in opened.predict(TEXTS)] == [texts[0].text.strip() for texts in live]
        assert opened.task == task
    return bundle


CASES = [("bart", "tied"), ("t5", "untied"), ("llama", "untied"), ("encoder_decoder", "untied")]


def test_a_fresh_process_writes_what_the_model_wrote(tmp_path: Path, tokenizer: Tokenizer) -> None:
    """Tied and untied embeddings, tokens of languages, an encoder with a decoder."""
    folders = [written(tmp_path, family, tied, tokenizer) for family, tied in CASES]
    code = "import sys, json, danlu; texts = json.loads(sys.argv[1])\n"
    code += "found = [danlu.load(path).generate(texts) for path in sys.argv[2:]]\n"
    code += "print(json.dumps([[text[0].ids.tolist() for text in texts] for texts in found]))"
    done = started.run(
        [sys.executable, "-c", code, json.dumps(TEXTS), *map(str, folders)], capture_output=True, check=True, text=True
    )
    for folder, found in zip(folders, json.loads(done.stdout.splitlines()[-1]), strict=True):
        with load(folder) as bundle:
            expected = [texts[0].ids.tolist() for texts in bundle.generate(TEXTS)]
        assert found == expected, folder.name
        assert all(len(ids) >= 4 for ids in found), folder.name


def test_an_encoder_is_refused_with_what_gives_it_a_decoder(tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path), pytest.raises(Refusal, match="the encoder under 'kind: encoder_decoder'"):
        danlu.run(recipe(tmp_path, {"architecture": "bert", **SIZE}, 1), say=lambda _: None)


def test_records_whose_target_does_not_fit_are_counted(tmp_path: Path) -> None:
    said: list[str] = []
    path = recipe(tmp_path, {"architecture": "gpt2", **SIZE, "width": 16}, 1, max_target=4, target_too_long="drop")
    with contextlib.chdir(tmp_path):
        danlu.run(path, only=["clean", "vocab", "model"], say=said.append)
    assert any("of 960 records are left out, for what is to be written of them" in line for line in said), said
