"""Continued pretraining: tokens of a domain, a share of what was known, and what of both is told."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import danlu
from danlu.machine.seed import generator

SIZES = {"layers": 1, "width": 32, "heads": 2, "positions": 64, "dropout": 0.0}
TRAIN = {"rate": 5e-3, "batch_examples": 8, "precision": "float32"}
FAMILIES: dict[str, dict[str, Any]] = {
    "encoder": {
        "tokenizer": {"kind": "wordpiece", "size": 200, "min_frequency": 1},
        "architecture": "bert",
        "task": "masked_lm",
        "auto": "AutoModelForMaskedLM",
    },
    "decoder": {
        "tokenizer": {"kind": "bpe", "size": 300},
        "architecture": "llama",
        "task": {"kind": "causal_lm", "pack": False},
        "auto": "AutoModelForCausalLM",
    },
}


def written(folder: Path, name: str, words: list[str]) -> dict[str, Any]:
    rng = generator(0, name)
    texts = [" ".join(rng.choice(words, 6)) for _ in range(48)]
    (folder / f"{name}.txt").write_text("\n".join(texts), "utf-8")
    split = {"validation": 0.25, "test": 0.0}
    return {
        "kind": "prepare",
        "data": {"kind": "text", "path": f"{folder}/{name}.txt"},
        "dedup": "none",
        "split": split,
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_learns_a_domain_with_tokens_of_its_own_and_a_share_of_what_it_knew(
    family: str, tmp_path: Path
) -> None:
    parts = FAMILIES[family]
    fit = {
        "kind": "train",
        "data": "@domain",
        "tokenizer": "@words",
        "model": {"kind": "pretrained", "path": "@base"},
        "task": parts["task"],
        "train": TRAIN | {"steps": 30},
        "retain": {"general": {"data": "@general", "share": 0.4}, "domain": {"data": "@domain"}},
    }
    extended = {"kind": "extended", "base": {"kind": "pretrained", "path": "@base"}, "learn": 6, "min_frequency": 4}
    stages = {
        "general": written(tmp_path, "general", ["the", "weather", "park", "today", "walk", "今天", "公园"]),
        "domain": written(tmp_path, "domain", ["metformin", "insulin", "twice", "二甲双胍", "胰岛素"]),
        "vocab": {"kind": "tokenizer", "data": "@general", "tokenizer": parts["tokenizer"]},
        "base": {
            "kind": "train",
            "data": "@general",
            "tokenizer": "@vocab",
            "model": {"kind": "scratch", "architecture": parts["architecture"], **SIZES},
            "task": parts["task"],
            "train": TRAIN | {"steps": 10},
        },
        "words": {"kind": "tokenizer", "data": "@domain", "tokenizer": extended},
        "fit": fit,
    }
    said: list[str] = []
    run = danlu.run({"name": "continued", "stages": stages}, root=tmp_path / "runs", say=said.append)
    told = json.loads((run["fit"] / "retained.json").read_text("utf-8"))
    assert told["domain"]["after"] < 0.8 * told["domain"]["before"]
    assert told["general"].keys() == {"metric", "before", "after", "forgetting"}
    assert any("retain.general" in line and "learnt once more" in line for line in said)
    assert any(line.startswith("retain.domain: perplexity") for line in said)
    bundle = run["fit"] / "bundle"
    old, new = (transformers.AutoTokenizer.from_pretrained(path) for path in (run["base"] / "bundle", bundle))
    assert {name: new.get_vocab()[name] for name in old.get_vocab()} == old.get_vocab()
    assert len(old) < len(new) <= len(old) + 6
    plain = getattr(transformers, parts["auto"]).from_pretrained(bundle)
    assert plain.get_input_embeddings().num_embeddings == len(new)
    assert torch.equal(plain.get_input_embeddings().weight, plain.get_output_embeddings().weight) == (
        plain.config.tie_word_embeddings
    )
