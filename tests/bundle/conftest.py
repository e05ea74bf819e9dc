"""Tiny bundles of every task and architecture, made once."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers
from transformers import BertConfig, GPT2Config, LlamaConfig, PreTrainedConfig, PreTrainedModel

import danlu
from danlu.bundle.adapt import adapt
from danlu.bundle.bundle import save
from danlu.model.gru import GruConfig
from danlu.stages.run import Run
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource

TASKS = {
    "classify": {"kind": "classify", "labels": ["negative", "positive"]},
    "tag": {"kind": "tag", "labels": ["person", "place"]},
    "masked_lm": {"kind": "masked_lm"},
    "causal_lm": {"kind": "causal_lm"},
}
TEXTS = ["这本书写得很好，值得再读一遍。", "物流太慢", "The screen broke after two days.", "江泽民在北京", "好"]
PROVENANCE = {
    "recipe": "reviews",
    "stage": "finetune",
    "fingerprint": "1f2e3d",
    "records": {"train": 12000, "validation": 1500},
    "scores": {"macro_f1": {"value": 0.8312, "low": 0.81, "high": 0.85}},
}


def config_of(architecture: str, tokenizer: Tokenizer) -> PreTrainedConfig:
    words = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    if architecture == "gpt2":
        return GPT2Config(**words, **ends, n_embd=32, n_layer=2, n_head=2, n_positions=48)
    if architecture == "gru":
        return GruConfig(**words, **ends, hidden_size=32, num_hidden_layers=2, max_position_embeddings=48)
    if architecture == "llama":
        return LlamaConfig(**words, **ends, **sizes, num_key_value_heads=1, max_position_embeddings=48)
    return BertConfig(**words, **sizes, max_position_embeddings=48)


def parts(architecture: str, kind: str) -> tuple[PreTrainedModel, Tokenizer, Task]:
    """A model with weights far from zero, so that answers differ from text to text."""
    source = {"kind": "wordpiece" if architecture == "bert" else "bpe", "size": 300, "min_frequency": 1}
    tokenizer = TokenizerSource.model_validate(source).build(lambda: iter(TEXTS))
    task = Task.model_validate(TASKS[kind])
    config = config_of(architecture, tokenizer)
    config.update(task.config())
    torch.manual_seed(5)
    model = getattr(transformers, task.auto_class).from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model, tokenizer, task


def save_with(folder: Path, model: PreTrainedModel, tokenizer: Tokenizer, task: Task, **changes: object) -> None:
    save(folder, model, tokenizer, task, **{"precision": "float32", "provenance": PROVENANCE} | changes)


def write(folder: Path, architecture: str = "bert", kind: str = "classify", **changes: object) -> Path:
    model, tokenizer, task = parts(architecture, kind)
    given = {"precision": "float32", "provenance": PROVENANCE, "examples": [{"text": text} for text in TEXTS]}
    save(folder, model, tokenizer, task, **given | changes)
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The folder of a bundle by architecture and task; only to be read."""
    folders: dict[tuple[str, str], Path] = {}

    def get(architecture: str, kind: str) -> Path:
        key = (architecture, kind)
        if key not in folders:
            folders[key] = write(tmp_path_factory.mktemp("bundles") / f"{architecture}-{kind}", architecture, kind)
        return folders[key]

    return get


@pytest.fixture(scope="session")
def tiny() -> SimpleNamespace:
    """The functions above, for test files, which cannot import this one."""
    return SimpleNamespace(parts=parts, write=write, save=save_with, texts=TEXTS, provenance=PROVENANCE)


LETTERS = "这家店的东西我昨天收到看了一下觉得真是喜欢失望"
TRAIN = {"rate": 2e-2, "batch_tokens": 128, "threads": 1, "precision": "float32", "evaluate": 4, "steps": 8}
ADAPTERS = ("liked", "length", "words")


def rows(path: Path) -> Path:
    """Texts with two labels: what they say, and how long they are."""
    dice = random.Random(4)
    lines = []
    for _ in range(40):
        liked, size = dice.choice("喜失"), dice.choice([3, 8, 13])
        letters = [*dice.choices(LETTERS[:-4], k=size - 2), liked, "欢" if liked == "喜" else "望"]
        lines.append({"text": "".join(letters), "label": liked, "length": f"{size} long"})
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A base that fills gaps, and three trainings on it: another task by lora, another by its head, its own by lora."""
    root = tmp_path_factory.mktemp("trained")
    data = {"kind": "jsonl", "path": str(rows(root / "rows.jsonl"))}
    split = {"validation": 0.2, "test": 0.0}
    liked = {"kind": "prepare", "data": data, "dedup": "none", "split": split}
    length = liked | {"data": data | {"columns": {"label": "length"}}}
    model = {"kind": "scratch", "layers": 2, "width": 32, "heads": 2, "positions": 48, "dropout": 0.1}
    base = {"kind": "train", "data": "@clean", "task": "masked_lm", "train": TRAIN, "model": model}
    tuned = {"kind": "train", "data": "@clean", "train": TRAIN, "model": {"kind": "pretrained", "path": "@base"}}
    stages = {"clean": liked, "other": length}
    stages |= {
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "char", "size": 100}},
        "base": base | {"tokenizer": "@vocab"},
        "liked": tuned | {"task": "classify", "tuning": "lora"},
        "length": tuned | {"task": "classify", "tuning": "head", "data": "@other"},
        "words": tuned | {"task": "masked_lm", "tuning": {"kind": "lora", "rank": 2}},
    }
    return danlu.run({"name": "adapters", "stages": stages}, root=root, say=lambda line: None)


@pytest.fixture(scope="session")
def adapted(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the base with all three; only to be read."""
    folder = tmp_path_factory.mktemp("adapted") / "bundle"
    adapt(trained["base"], trained[ADAPTERS[0]], ADAPTERS[0], folder)
    adapt(folder, trained[ADAPTERS[1]] / "adapter", ADAPTERS[1])
    return adapt(folder, trained[ADAPTERS[2]], ADAPTERS[2])
