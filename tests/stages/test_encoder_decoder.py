"""An encoder that gets a decoder, from nothing to a text that is written."""

from pathlib import Path
from typing import Any

import pytest

import danlu


@pytest.mark.parametrize("task", ["rewrite", "denoise"])
def test_an_encoder_with_a_fresh_decoder_is_trained_and_writes(tmp_path: Path, task: str) -> None:
    texts = [f"the cat number {row} sees a dog and goes home" for row in range(24)]
    lines = "".join(f'{{"text": "{text}", "target": "{text}"}}\n' for text in texts)
    (tmp_path / "a.jsonl").write_text(lines, encoding="utf-8")
    data = {"kind": "jsonl", "path": str(tmp_path / "a.jsonl")}
    brief = {"steps": 12, "batch_examples": 4, "rate": 1e-3}
    base: dict[str, Any] = {
        "kind": "train",
        "data": data,
        "tokenizer": "@vocab",
        "model": {"kind": "scratch", "architecture": "bert", "layers": 1, "width": 16, "heads": 2, "positions": 64},
        "task": {"kind": "masked_lm"},
        "train": brief | {"steps": 1},
    }
    both = {
        "kind": "train",
        "data": data,
        "model": {"kind": "encoder_decoder", "path": "@base", "layers": 1},
        "task": {"kind": task} | ({"policy": {"kind": "beam", "beams": 2}} if task == "rewrite" else {}),
        "train": brief,
    }
    vocab = {"kind": "tokenizer", "data": data, "tokenizer": {"kind": "wordpiece", "size": 120, "min_frequency": 1}}
    recipe = {"name": "both", "stages": {"vocab": vocab, "base": base, "both": both}}
    run = danlu.run(recipe, root=tmp_path / "runs", say=lambda _: None)
    assert "share_of_limit" in (run["both"] / "log.jsonl").read_text(encoding="utf-8")
    with danlu.load(run["both"] / "bundle") as bundle:
        written = bundle.predict([{"text": texts[0]}]) if task == "rewrite" else [{"text": ""}]
        assert isinstance(written[0]["text"], str)
