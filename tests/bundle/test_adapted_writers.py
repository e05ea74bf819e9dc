"""An adapter of a model that writes, learnt in bfloat16, on the folder and on the bundle of its base."""

from pathlib import Path
from typing import Any

import pytest

import danlu
from danlu.bundle.adapt import adapt
from danlu.bundle.golden import _differences
from danlu.bundle.verify import verify

TURNS = [("hello", "good day to you"), ("what is your name", "my name is danlu"), ("bye", "see you")]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_was_learnt_in_few_digits_is_put_beside_others_on_its_own_base(tmp_path: Path, precision: str) -> None:
    def chat(*turns: tuple[str, str]) -> str:
        return "".join(f'{{"instruction": "{asked}", "output": "{answer}"}}\n' for asked, answer in turns)

    (tmp_path / "chat.jsonl").write_text(chat(*TURNS * 8), encoding="utf-8")
    data = {"kind": "chat", "path": str(tmp_path / "chat.jsonl")}
    train: dict[str, Any] = {"batch_examples": 8, "precision": precision}
    base = {
        "kind": "train",
        "data": data,
        "tokenizer": "@vocab",
        "model": {"kind": "scratch", "architecture": "llama", "layers": 2, "width": 32, "heads": 2, "positions": 64},
        "task": {"kind": "chat", "policy": {"kind": "greedy", "max_new_tokens": 24}},
        "train": train | {"steps": 30, "rate": 3e-3},
    }
    tuned = base | {
        "model": {"kind": "pretrained", "path": "@base"},
        "tuning": {"kind": "lora", "rank": 4},
        "train": train | {"steps": 12, "rate": 5e-3},
    }
    del tuned["tokenizer"]
    vocab = {"kind": "tokenizer", "data": data, "tokenizer": {"kind": "bpe", "size": 300, "end": "</s>"}}
    recipe = {"name": "talk", "stages": {"vocab": vocab, "base": base, "tuned": tuned}}
    run = danlu.run(recipe, root=tmp_path / "runs", say=lambda _: None)
    folder = adapt(run["base"] / "bundle", run["tuned"] / "adapter", "mine", tmp_path / "both")
    asked = [{"text": question} for question, _ in TURNS]
    with danlu.load(folder, precision) as both, danlu.load(run["tuned"] / "bundle", precision) as alone:
        found, right = both.predict(asked, "mine"), alone.predict(asked)
        assert [each["text"][:4] for each in found] == [each["text"][:4] for each in right]
    assert verify(folder) == []


@pytest.mark.parametrize(
    ("before", "after", "beginning", "alike"),
    [
        ("a red ball..", "a red ball!!", 0.25, True),
        ("a red ball..", "a red ball!!", 1.0, False),
        ("a red ball", "no red ball", 0.25, False),
        ("", "", 0.25, True),
        ("", "a", 0.25, False),
    ],
)
def test_a_text_may_go_on_otherwise_only_where_that_is_allowed(
    before: str, after: str, beginning: float, alike: bool
) -> None:
    assert (_differences([{"text": before}], [{"text": after}], "example", 0.1, beginning) == []) == alike
