"""Conversations in a training: those that do not fit are counted, and a training of nothing does not begin."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import danlu
from danlu.refusal import Refusal


def stages(folder: Path, **task: Any) -> dict[str, Any]:
    """Twelve short conversations and four long ones."""
    long = "".join(np.random.default_rng(0).choice(list("abcdefghijklmnop"), 120))
    texts = [("one", f"{number} and {number}") for number in range(12)] + [("two", long)] * 4
    talks = [[{"role": "user", "content": one}, {"role": "assistant", "content": two}] for one, two in texts]
    (folder / "chat.jsonl").write_text("".join(json.dumps({"messages": talk}) + "\n" for talk in talks))
    data = {"kind": "chat", "path": str(folder / "chat.jsonl")}
    sizes = {"layers": 1, "width": 16, "heads": 2, "positions": 64}
    return {
        "vocab": {"kind": "tokenizer", "data": data, "tokenizer": {"kind": "bpe", "size": 280}},
        "model": {
            "kind": "train",
            "data": data,
            "tokenizer": "@vocab",
            "model": {"kind": "scratch", "architecture": "llama", **sizes},
            "task": {"kind": "chat", **task},
            "train": {"epochs": 1, "precision": "float32"},
        },
    }


@pytest.mark.parametrize("pack", [True, False])
def test_conversations_that_are_dropped_are_counted_packed_or_not(tmp_path: Path, pack: bool) -> None:
    said: list[str] = []
    recipe = {"name": "talk", "stages": stages(tmp_path, too_long="drop", pack=pack)}
    danlu.run(recipe, root=tmp_path / "runs", say=said.append)
    assert any("4 of 16 records are left out" in line for line in said), said


def test_what_is_cut_is_told_with_what_the_task_can_do(tmp_path: Path) -> None:
    said: list[str] = []
    recipe = {"name": "talk", "stages": stages(tmp_path, too_long="truncate", pack=False)}
    danlu.run(recipe, root=tmp_path / "runs", say=said.append)
    (line,) = [line for line in said if "are too long and lose" in line]
    assert "4 of 16 texts" in line
    assert "split" not in line
    assert not any("left out" in line for line in said)


def test_a_training_of_which_nothing_is_left_does_not_begin(tmp_path: Path) -> None:
    recipe = {"name": "talk", "stages": stages(tmp_path, too_long="drop", max_length=8)}
    with pytest.raises(Refusal, match=r"nothing of the 16 records is left to train on, .* in a row of 8 tokens; short"):
        danlu.run(recipe, root=tmp_path / "runs", say=lambda _line: None)
    assert not list(tmp_path.glob("runs/talk/model/bundle"))


def test_questions_that_do_not_fit_are_told_before_the_training_or_left_out_of_the_validation(tmp_path: Path) -> None:
    plain = stages(tmp_path, too_long="drop", policy={"kind": "greedy", "max_new_tokens": 4})
    asked = "".join(np.random.default_rng(0).choice(list("abcdefghijklmnop"), 120))
    talks = [[{"role": "user", "content": one}, {"role": "assistant", "content": "1"}] for one in ("one", asked)]
    (tmp_path / "held.jsonl").write_text("".join(json.dumps({"messages": talk}) + "\n" for talk in talks))
    plain["model"]["validation"] = {"kind": "chat", "path": str(tmp_path / "held.jsonl")}
    said: list[str] = []
    danlu.run({"name": "talk", "stages": plain}, root=tmp_path / "runs", say=said.append)
    assert any("validation: 1 of 2 records are left out" in line for line in said), said
    plain["model"]["task"]["too_long"] = "stop"
    plain["model"]["data"]["path"] = str(tmp_path / "short.jsonl")
    (tmp_path / "short.jsonl").write_text(json.dumps({"messages": talks[0]}) + "\n")
    with pytest.raises(Refusal, match=r"validation data, record 2: the conversation has .* a row takes 64; shorten"):
        danlu.run({"name": "stop", "stages": plain}, root=tmp_path / "runs", say=lambda _line: None)
    assert not list(tmp_path.glob("runs/stop/model/log.jsonl"))


def test_what_is_no_conversation_is_refused_and_not_left_out_of_the_validation(tmp_path: Path) -> None:
    plain = stages(tmp_path, too_long="drop")
    (tmp_path / "held.jsonl").write_text('{"messages": [{"role": "user", "content": "one"}]}\n')
    plain["model"]["validation"] = {"kind": "jsonl", "path": str(tmp_path / "held.jsonl")}
    with pytest.raises(Refusal, match=r"validation data, record 1: "):
        danlu.run({"name": "talk", "stages": plain}, root=tmp_path / "runs", say=lambda _line: None)
