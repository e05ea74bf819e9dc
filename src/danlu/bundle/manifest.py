"""`danlu.json`: what a bundle is, and the hash of every file that is read from it.

Hashes prove that nothing was damaged or changed by mistake. They do not prove who made a bundle: whoever changes a
file can write its new hash. That is what a signature is for (`danlu.bundle.signature`), which covers `danlu.json` and
through it all files.
"""

import json
import shutil
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from danlu.bundle import signature
from danlu.machine.door import content_digest, file_inside, opened, parse_json, read_bytes
from danlu.machine.files import sha256, write_text
from danlu.machine.gguf import is_gguf
from danlu.machine.located import at_home
from danlu.recipe.part import Part
from danlu.refusal import Refusal

NAME = "danlu.json"
CARD = "README.md"
FORMAT = 3  # 2 has a digest of danlu.json itself, 3 names engine and adapters; 1 and 2 are read too, higher ones not
OWN = ("format", "files", "digest")
"""What this file writes and reads by itself, beside the facts that it is given."""

GOLDEN = "golden.json"
"""What no folder of another program has: a bundle that lost `danlu.json` is damaged, and no model of others."""

PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".h5", ".msgpack"}
"""Suffixes of weights that can run code when they are read, or that we never write."""

_AGAIN = "copy or train the bundle again"

Kept = TypeVar("Kept", bound=Part)


def find(path: str | Path) -> Path:
    """The folder of a bundle, given that or the folder of a stage. Raises `Refusal` where there is no folder."""
    folder = at_home(path)
    if is_gguf(folder):
        raise Refusal(_no_bundle(folder))
    if not folder.is_dir():
        raise Refusal(f"{folder}: there is no such folder; give the bundle/ folder that a train stage has left")
    inside = folder / "bundle"
    return inside if not (folder / NAME).exists() and (inside / NAME).is_file() else folder


def _no_bundle(model: Path) -> str:
    return f"{model}: is a model and no bundle; make one of it with: danlu bundle {model} FOLDER"


def write(folder: Path, facts: dict[str, Any], name: str = NAME) -> None:
    """Write `danlu.json` with `facts`, the size and hash of every other file but the card, and a digest of all this.

    The card has none, because people are to write in it; nothing reads it.
    """
    told = {key: value for key, value in facts.items() if key not in OWN}
    whole = {"format": FORMAT, **told, "files": hashes(folder)}
    text = json.dumps(whole | {"digest": content_digest(whole)}, ensure_ascii=False, indent=1)
    write_text(folder / name, text + "\n")


def hashes(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and hash of every file in a folder that is read from it."""
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (NAME, CARD)
    }


def copy(source: Path, name: str, target: Path) -> None:
    """Copy a file that is sure to lie in `source` to the same place in `target`."""
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file_inside(source, name), target / name)


def part(promise: type[Kept], plain: Any, where: Path, key: str) -> Kept:
    """A part that was written down with `to_plain`. Raises `Refusal` for one that is not known here."""
    try:
        return promise.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, (key, *first["loc"])))
        raise Refusal(f"{where}: '{place}' cannot be read ({first['msg']}); upgrade danlu") from None


def read(folder: Path, key: str | Path | None = None) -> dict[str, Any]:
    """What `danlu.json` says, after every file was found to be as it was written.

    `key` is the file of a public key, with which the bundle must be signed.

    Raises:
        Refusal: this is no bundle, it was written by a newer danlu, or a file is missing, changed, added or unsafe;
            or the signature is missing or by another key.
    """
    if (folder / "config.json").is_file() and not (folder / NAME).exists() and not (folder / GOLDEN).exists():
        raise Refusal(_no_bundle(folder))
    facts = facts_in(folder, NAME, "bundle", "the bundle/ folder that a train stage has left", key)
    if facts["format"] > 2 and not isinstance(facts.get("engine"), dict):
        raise Refusal(f"{folder / NAME}: the key 'engine' is missing or no mapping; {_AGAIN}")
    if facts["format"] < 3:
        facts["engine"] = {"kind": "torch", "precision": facts.pop("precision", "auto")}
    with opened(folder, "the bundle cannot be read", _AGAIN):
        refuse_pickles(folder)
        check_files(folder, facts["files"], NAME)
        _refuse_added(folder, {*facts["files"], NAME, signature.NAME})
    return facts


def served_by(path: str | Path) -> str | None:
    """The name of the adapter that serves the bundle in a folder; None where it is the model itself, or no bundle."""
    folder = at_home(path)
    if not (folder / NAME).is_file():
        return None
    served = _plain(folder).get("serves")
    return None if served is None else str(served)


def digest_of(folder: Path) -> str | None:
    """The digest that `danlu.json` has now, with nothing checked; None where an older danlu has written it."""
    return _plain(folder).get("digest")


def _plain(folder: Path) -> dict[str, Any]:
    return parse_json(read_bytes(file_inside(folder, NAME), _AGAIN), folder / NAME, _AGAIN)


def sign(path: str | Path, private: str | Path) -> str:
    """Sign the bundle in a folder, once it was found to be whole; the fingerprint of the key.

    Raises:
        Refusal: as `read` does, and where the file `private` holds no private key.
    """
    folder = find(path)
    read(folder)
    return signature.sign(folder, read_bytes(file_inside(folder, NAME), _AGAIN), private)


def facts_in(folder: Path, name: str, sort: str, right: str, key: str | Path | None = None) -> dict[str, Any]:
    """What the file `name` that `write` has written says; `sort` and `right` tell people what it should be.

    Raises:
        Refusal: there is none, it has changed, a newer danlu has written it, or the signature is not by `key`.
    """
    path = folder / name
    if not path.is_file():
        raise Refusal(f"{folder}: is no {sort}, for there is no {name} in it; give {right}")
    data = read_bytes(file_inside(folder, name), _AGAIN)
    if key is not None:
        signature.check(folder, data, key)
    facts = parse_json(data, path, _AGAIN)
    if not isinstance(facts.get("format"), int) or facts["format"] < 1:
        raise Refusal(f"{path}: expected a 'format' number, so this is no {sort} of danlu; train it again")
    if facts["format"] > FORMAT:
        raise Refusal(
            f"{path}: format {facts['format']:.3g} is newer than {FORMAT}, which this danlu reads; "
            "upgrade with: pip install --upgrade danlu"
        )
    for needed in ("files", "task"):
        if not isinstance(facts.get(needed), dict):
            raise Refusal(f"{path}: the key '{needed}' is missing or no mapping; {_AGAIN}")
    drift = facts.get("tolerances", {})
    if not isinstance(drift, dict) or not all(isinstance(value, float) and 0 <= value < 1 for value in drift.values()):
        raise Refusal(f"{path}: 'tolerances' must be a number below 1 for each number format; {_AGAIN}")
    if facts["format"] > 1 and facts.get("digest") != content_digest(facts):
        raise Refusal(
            f"{path}: the file has changed since the {sort} was saved (its digest is another); {_AGAIN}, and do not "
            "write in it: notes belong into README.md"
        )
    return facts


def check_files(folder: Path, files: dict[str, Any], named_in: str) -> None:
    """Refuse a folder in which a file is missing, lies elsewhere, or is not as the file `named_in` says."""
    for name, written in files.items():
        _check(folder, name, written, named_in)


def refuse_pickles(folder: Path) -> None:
    """Refuse a folder that holds files which can run code when they are opened, or that we never write."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICKLES:
            raise Refusal(
                f"{path}: expected safetensors, and files of this kind can run code when they are opened; "
                "remove it, or convert the weights to safetensors"
            )


def _refuse_added(folder: Path, known: set[str]) -> None:
    """Refuse what transformers might take up by itself: adapters, templates, vocabularies; notes may lie there."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        name, hidden = inside.as_posix(), any(part.startswith(".") for part in inside.parts)
        note = path.suffix == ".md" or hidden or name.startswith(("LICENSE", "NOTICE"))
        if name not in known and not note and (path.is_symlink() or not path.is_dir()):
            raise Refusal(
                f"{path}: this file is not part of the bundle as it was saved; move it elsewhere (notes may lie there "
                "as .md files)"
            )


def _check(folder: Path, name: str, written: Any, named_in: str) -> None:
    path = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts or not isinstance(written, dict):
        raise Refusal(f"{folder / named_in}: the entry '{name:.200}' names no file of this folder; copy it again")
    if not path.is_file():
        raise Refusal(f"{path}: this file of the bundle is missing; {_AGAIN}")
    file_inside(folder, name)
    if path.stat().st_size != written.get("bytes") or sha256(path) != written.get("sha256"):
        raise Refusal(
            f"{path}: the file has changed since the bundle was saved (its SHA-256 differs from {named_in}); {_AGAIN}"
        )
