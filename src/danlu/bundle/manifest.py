"""`danlu.json`: what a bundle is, and the hash of every file that is read from it.

Hashes prove that nothing was damaged or changed by mistake. They do not prove who made a bundle: whoever changes a
file can write its new hash. That is what a signature is for (`danlu.bundle.signature`), which covers `danlu.json` and
through it all files.
"""

import json
from pathlib import Path
from typing import Any

from danlu.bundle import signature
from danlu.machine.door import content_digest, file_inside, opened, parse_json, read_bytes
from danlu.machine.files import sha256, write_text
from danlu.refusal import Refusal

NAME = "danlu.json"
CARD = "README.md"
FORMAT = 3  # 2 has a digest of danlu.json itself, 3 names its engine; 1 and 2 are read as well, higher ones refused

PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".h5", ".msgpack"}
"""Suffixes of weights that can run code when they are read, or that we never write."""

_AGAIN = "copy or train the bundle again"


def find(path: str | Path) -> Path:
    """The folder of a bundle, given that or the folder of a stage. Raises `Refusal` where there is no folder."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise Refusal(f"{folder}: there is no such folder; give the bundle/ folder that a train stage has left")
    inside = folder / "bundle"
    return inside if not (folder / NAME).exists() and (inside / NAME).is_file() else folder


def write(folder: Path, facts: dict[str, Any]) -> None:
    """Write `danlu.json` with `facts`, the size and hash of every other file but the card, and a digest of all this.

    The card has none, because people are to write in it; nothing reads it.
    """
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (NAME, CARD)
    }
    whole = {"format": FORMAT, **facts, "files": files}
    text = json.dumps(whole | {"digest": content_digest(whole)}, ensure_ascii=False, indent=1)
    write_text(folder / NAME, text + "\n")


def read(folder: Path, key: str | Path | None = None) -> dict[str, Any]:
    """What `danlu.json` says, after every file was found to be as it was written.

    `key` is the file of a public key, with which the bundle must be signed.

    Raises:
        Refusal: this is no bundle, it was written by a newer danlu, or a file is missing, changed, added or unsafe;
            or the signature is missing or by another key.
    """
    facts = _read_facts(folder, key)
    with opened(folder, "the bundle cannot be read", _AGAIN):
        _refuse_pickles(folder)
        for name, written in facts["files"].items():
            _check(folder, name, written)
        _refuse_added(folder, {*facts["files"], NAME, signature.NAME})
    return facts


def sign(path: str | Path, private: str | Path) -> str:
    """Sign the bundle in a folder, once it was found to be whole; the fingerprint of the key.

    Raises:
        Refusal: as `read` does, and where the file `private` holds no private key.
    """
    folder = find(path)
    read(folder)
    return signature.sign(folder, read_bytes(file_inside(folder, NAME), _AGAIN), private)


def _read_facts(folder: Path, key: str | Path | None) -> dict[str, Any]:
    path = folder / NAME
    if not path.is_file():
        raise Refusal(
            f"{folder}: expected the folder of a bundle, but there is no {NAME} in it; "
            "give the bundle/ folder that a train stage has left"
        )
    data = read_bytes(file_inside(folder, NAME), _AGAIN)
    if key is not None:
        signature.check(folder, data, key)
    facts = parse_json(data, path, _AGAIN)
    if not isinstance(facts.get("format"), int) or facts["format"] < 1:
        raise Refusal(f"{path}: expected a 'format' number, so this is no bundle of danlu; train it again")
    if facts["format"] > FORMAT:
        raise Refusal(
            f"{path}: bundle format {facts['format']:.3g} is newer than {FORMAT}, which this danlu reads; "
            "upgrade with: pip install --upgrade danlu"
        )
    for name in ("files", "task", *(["engine"] if facts["format"] > 2 else [])):
        if not isinstance(facts.get(name), dict):
            raise Refusal(f"{path}: the key '{name}' is missing or no mapping; {_AGAIN}")
    if facts["format"] > 1 and facts.get("digest") != content_digest(facts):
        raise Refusal(
            f"{path}: the file has changed since the bundle was saved (its digest is another); {_AGAIN}, and do not "
            "write in it: notes belong into README.md"
        )
    if facts["format"] < 3:
        facts["engine"] = {"kind": "torch", "precision": facts.pop("precision", "auto")}
    return facts


def _refuse_pickles(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICKLES:
            raise Refusal(
                f"{path}: expected safetensors, and files of this kind can run code when they are opened; "
                "remove it, or convert the weights to safetensors"
            )


def _refuse_added(folder: Path, known: set[str]) -> None:
    """Refuse what transformers might take up by itself: adapters, templates, vocabularies; notes may lie there."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        note = path.suffix == ".md" or name.startswith((".", "LICENSE", "NOTICE"))
        if name not in known and not note and (path.is_symlink() or not path.is_dir()):
            raise Refusal(
                f"{path}: this file is not part of the bundle as it was saved; move it elsewhere (notes may lie there "
                "as .md files)"
            )


def _check(folder: Path, name: str, written: Any) -> None:
    path = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts or not isinstance(written, dict):
        raise Refusal(f"{folder / NAME}: the entry '{name:.200}' names no file of this folder; copy the bundle again")
    if not path.is_file():
        raise Refusal(f"{path}: this file of the bundle is missing; {_AGAIN}")
    file_inside(folder, name)
    if path.stat().st_size != written.get("bytes") or sha256(path) != written.get("sha256"):
        raise Refusal(
            f"{path}: the file has changed since the bundle was saved (its SHA-256 differs from {NAME}); {_AGAIN}"
        )
