"""A writer to try, learnt in a minute from some dozens of made-up descriptions of things in both languages."""

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import danlu
from danlu.apps.write.brief import brief
from danlu.apps.write.wish import Wish
from danlu.data.characters.languages import language_of
from danlu.machine.files import write_text
from danlu.machine.seed import generator
from danlu.model.must_have import units_of

TIMES = 3
"""Conversations of each description, each with other keywords in another order."""
_ROOM = {"characters": 20, "words": 12}
"""Units around the length of a description, in which it is asked for."""


def trained(folder: Path, say: Callable[[str], None]) -> tuple[Path, Path]:
    """Bundles of a writer and of a judge of tones, trained in a folder unless they lie there.

    Raises:
        Refusal: the folder cannot be written to.
    """
    written = list(_conversations())
    write_text(folder / "conversations.jsonl", "".join(json.dumps({"messages": each}) + "\n" for each in written))
    tones = ({"text": each["text"], "label": each["tone"]} for each in descriptions())
    write_text(folder / "tones.jsonl", "".join(json.dumps(each) + "\n" for each in tones))
    writer = danlu.run(_writer(folder), root=folder / "runs", say=say)["model"]
    judge = danlu.run(_judge(folder), root=folder / "runs", say=say)["model"]
    return writer / "bundle", judge / "bundle"


def descriptions() -> list[dict[str, Any]]:
    """The descriptions, each with keywords and a tone."""
    file = files("danlu.apps.write") / "sample" / "descriptions.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _conversations() -> Iterator[list[dict[str, str]]]:
    for number, each in enumerate(descriptions()):
        for time in range(TIMES):
            random = generator("sample of the writer", number, time)
            keywords = random.permutation(each["keywords"])[: max(1, int(random.integers(1, 4)))].tolist()
            wish = Wish(keywords=tuple(keywords), tone=each["tone"], language=language_of(each["text"]))
            size, room = units_of(each["text"], wish.unit), _ROOM[wish.unit]
            if time % 2:
                low = max(1, size - int(random.integers(0, room)))
                wish = Wish(
                    keywords=wish.keywords, tone=wish.tone, language=wish.language, at_least=low, at_most=low + room
                )
            yield [{"role": "user", "content": brief(wish)}, {"role": "assistant", "content": each["text"]}]


def _writer(folder: Path) -> dict[str, Any]:
    model = {"kind": "scratch", "architecture": "llama", "size": "tiny", "positions": 512, "dropout": 0.0}
    task = {"kind": "chat", "template": {"kind": "plain", "language": "zh"}}
    return {
        "name": "writer",
        "stages": {
            "clean": {
                "kind": "prepare",
                "data": {"kind": "chat", "path": str(folder / "conversations.jsonl")},
                "text": "messages",
                "dedup": "none",
                "split": {"validation": 0.02, "test": 0.0},
            },
            "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "bpe", "size": 1500}},
            "model": {"kind": "train", "data": "@clean", "tokenizer": "@vocab", "model": model, "task": task}
            | {"train": {"epochs": 16, "rate": 3e-3, "schedule": "cosine", "batch_tokens": 2048, "evaluate": 1000}},
        },
    }


def _judge(folder: Path) -> dict[str, Any]:
    model = {"kind": "scratch", "architecture": "bert", "size": "tiny", "positions": 128}
    return {
        "name": "tones",
        "stages": {
            "clean": {
                "kind": "prepare",
                "data": {"kind": "jsonl", "path": str(folder / "tones.jsonl")},
                "dedup": "none",
                "split": {"validation": 0.1, "test": 0.0},
            },
            "vocab": {
                "kind": "tokenizer",
                "data": "@clean",
                "tokenizer": {"kind": "wordpiece", "size": 1000, "min_frequency": 1},
            },
            "model": {"kind": "train", "data": "@clean", "tokenizer": "@vocab", "model": model, "task": "classify"}
            | {"train": {"epochs": 12, "rate": 1e-3, "batch_tokens": 512}},
        },
    }
