"""`danlu.json`: what a bundle is, and the hash of every file that is read from it."""

import json
from pathlib import Path
from typing import Any

from danlu.machine.files import sha256, write_text
from danlu.refusal import Refusal

NAME = "danlu.json"
CARD = "README.md"
FORMAT = 1  # a bundle of a higher format is refused

PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".h5", ".msgpack"}
"""Suffixes of weights that can run code when they are read, or that we never write."""


def write(folder: Path, facts: dict[str, Any]) -> None:
    """Write `danlu.json` with `facts` and the size in bytes and hash of every other file, the card aside."""
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (NAME, CARD)
    }
    text = json.dumps({"format": FORMAT, **facts, "files": files}, ensure_ascii=False, indent=1)
    write_text(folder / NAME, text + "\n")


def read(folder: Path) -> dict[str, Any]:
    """What `danlu.json` says, after every file was found to be as it was written.

    Raises:
        Refusal: this is no bundle, it was written by a newer danlu, or a file is missing, changed, added or unsafe.
    """
    facts = _read_facts(folder)
    _refuse_pickles(folder)
    for name, written in facts["files"].items():
        _check(folder, name, written)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        # transformers would read an added adapter or index without being asked to
        if path.suffix in {".safetensors", ".json"} and name not in (*facts["files"], NAME):
            raise Refusal(f"{path}: this file is not part of the bundle as it was saved; move it elsewhere")
    return facts


def _read_facts(folder: Path) -> dict[str, Any]:
    path = folder / NAME
    if not path.is_file():
        raise Refusal(
            f"{folder}: expected the folder of a bundle, but there is no {NAME} in it; "
            "give the bundle/ folder that a train stage has left"
        )
    try:
        facts = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise Refusal(f"{path}: cannot be read as json ({error}); copy or train the bundle again") from None
    if not isinstance(facts, dict) or not isinstance(facts.get("format"), int):
        raise Refusal(f"{path}: expected a 'format' number, so this is no bundle of danlu; train it again")
    if facts["format"] > FORMAT:
        raise Refusal(
            f"{path}: bundle format {facts['format']} is newer than {FORMAT}, which this danlu reads; "
            "upgrade with: pip install --upgrade danlu"
        )
    for key in ("files", "task"):
        if not isinstance(facts.get(key), dict):
            raise Refusal(f"{path}: the key '{key}' is missing or no mapping; copy or train the bundle again")
    return facts


def _refuse_pickles(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICKLES:
            raise Refusal(
                f"{path}: expected safetensors, and files of this kind can run code when they are opened; "
                "remove it, or convert the weights to safetensors"
            )


def _check(folder: Path, name: str, written: Any) -> None:
    path = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts or not isinstance(written, dict):
        raise Refusal(f"{folder / NAME}: the entry '{name}' names no file of this folder; copy the bundle again")
    if not path.is_file():
        raise Refusal(f"{path}: this file of the bundle is missing; copy or train the bundle again")
    if path.stat().st_size != written.get("bytes") or sha256(path) != written.get("sha256"):
        raise Refusal(
            f"{path}: the file has changed since the bundle was saved (its SHA-256 differs from {NAME}); "
            "copy or train the bundle again"
        )
