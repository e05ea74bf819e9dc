"""What a stage was run with: the resolved section, hashes of all that it reads, and the versions.

Two runs whose fingerprints agree would do the same work, so the second is not done.
"""

import glob
import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from danlu.machine.files import sha256, write_text
from danlu.machine.located import located, matching
from danlu.machine.remote import find_remote, is_remote
from danlu.recipe.part import Part
from danlu.recipe.yaml_text import dump, parse
from danlu.refusal import Refusal, without_secrets

NAME = "recipe.lock.yaml"

_LONGEST = 2**22  # characters of a lock
_LARGE = 2**26  # bytes; a file of 64 MiB takes some 60 ms to be hashed
_MANY = 200  # files of a folder that are named one by one
_MOST = 200_000  # files of a folder that is an input

SHOWN = 12  # digits of a fingerprint in a folder's name: 48 bits, and short enough for the paths of Windows

NOT_RESULTS = ("checkpoints", "returns", "bad-batches", NAME)
OF_RANKS = "kernels-rank-"
"""What a stage has in its folder that nobody misses once it is done, beside files of ranks but the first."""


@dataclass(frozen=True)
class Lock:
    """What stands in `recipe.lock.yaml`.

    - `section`: the stage's section with every default filled in.
    - `inputs`: SHA-256 of each file or folder that the section names and that is there.
    - `stages`: fingerprint of each stage that the section refers to.
    - `fingerprint`: SHA-256 of all of the above and danlu's version.
    - `seconds`: how long the call that finished the stage took.
    - `files`: what it had left then, but for checkpoints, which only an unfinished stage needs; of a folder with
      very many files its name alone.

    Secrets in web addresses are left out, so a signature that was renewed changes nothing.
    """

    stage: str
    state: Literal["running", "done"]
    fingerprint: str
    seed: int
    section: dict[str, Any]
    inputs: dict[str, str]
    stages: dict[str, str]
    versions: dict[str, str]
    seconds: float | None = None
    files: list[str] = field(default_factory=list)

    def done(self, seconds: float, folder: Path) -> "Lock":
        """This lock for a stage that has finished and left its results in `folder`."""
        left: list[Path] = []
        for path in folder.iterdir():
            inside = [item for item in path.rglob("*") if item.is_file()]
            left += inside if len(inside) in range(1, _MANY) else [path]
        names = sorted(path.relative_to(folder).as_posix() for path in left)
        kept = [
            name for name in names if name.partition("/")[0] not in NOT_RESULTS and not name.startswith((".", OF_RANKS))
        ]
        return replace(self, state="done", seconds=round(seconds, 1), files=kept)

    def missing(self, folder: Path) -> list[str]:
        """What the finished stage left and is there no more."""
        return [name for name in self.files if not (folder / name).exists()]


_LOCK = TypeAdapter(Lock)


def lock(stage: str, section: Part, seed: int, stages: Mapping[str, str]) -> Lock:
    """The lock of a stage that begins now; `stages` maps the stages it refers to to their fingerprints."""
    plain, inputs = _without_secrets(section.to_plain()), input_hashes(section)
    versions = _versions()
    depends = {"section": plain, "seed": seed, "inputs": inputs, "stages": dict(stages), "danlu": versions["danlu"]}
    text = json.dumps(depends, sort_keys=True, ensure_ascii=False)
    fingerprint = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return Lock(stage, "running", fingerprint, seed, plain, inputs, dict(stages), dict(versions))


@cache
def _versions() -> dict[str, str]:
    """Of what the results depend on; looking them up takes longer than all else of a lock."""
    versions = {"danlu": version("danlu"), "python": platform.python_version()}
    for package in ("torch", "transformers"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def save(folder: Path, value: Lock) -> None:
    """Write the lock into a stage's folder, as a whole."""
    write_text(folder / NAME, dump(asdict(value)))


def load(folder: Path) -> Lock | None:
    """The lock in a stage's folder; None where there is none.

    Raises:
        Refusal: the file is damaged.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""  # no pipe is waited for
        return _LOCK.validate_python(parse(text, str(path), _LONGEST)[0])
    except (Refusal, ValidationError) as error:
        raise Refusal(
            f"{path}: this is not a lock that danlu wrote; move the folder away to run the stage anew"
        ) from error


def folders_of(current: Path, fingerprint: str) -> Iterator[Path]:
    """Where results of this fingerprint may lie; `current` has the stage's own name.

    Earlier versions numbered what they moved aside.
    """
    yield current
    for end in (fingerprint[:SHOWN], "older-"):
        yield from sorted(current.parent.glob(f"{glob.escape(current.name)}.{end}*"))


def input_hashes(section: Part) -> dict[str, str]:
    """SHA-256 of every file and folder that a section and the parts in it name, where they are there.

    A folder's is that of its files' names and hashes; what is not found (a model's name on the hub) is left out.
    Of a remote file it is a hash of its size, time and tag, for reading it twice may take hours.
    """
    names = sorted({name for part in _parts(section) for name in part.inputs() if not name.startswith("@")})
    remote = {without_secrets(name): _remote_hash(name) for name in names if is_remote(name)}
    found = {name: _located(name) for name in names if not is_remote(name)}
    return remote | {name: _hash(paths) for name, paths in found.items() if paths}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return without_secrets(value) if isinstance(value, str) else value


def _parts(value: Any) -> Iterator[Part]:
    if isinstance(value, Part):
        yield value
        for name in type(value).model_fields:
            yield from _parts(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _parts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)


def _located(name: str) -> list[Path]:
    try:
        return [path for found in matching(name) if (path := located(found)).exists()]
    except Refusal:  # a package that is not installed: the stage says so when it reads
        return []


def _inside(item: Path, path: Path) -> str:
    """The name of a file in what is read; of one that a pattern has found its own, by which records may be grouped."""
    return item.name if item == path else item.relative_to(path).as_posix()


def _sha256(path: Path) -> str:
    """The hash of a file; of a large one it is read once a process as long as its time and size stay."""
    told = path.stat()
    if told.st_size < _LARGE:
        return sha256(path)
    return _sha256_of(path, told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256_of(path: Path, *_: int) -> str:
    return sha256(path)


def _remote_hash(name: str) -> str:
    told = [file.fingerprint() for file in find_remote(name)]
    return hashlib.sha256("".join(told).encode("utf-8")).hexdigest()


def _hash(paths: list[Path]) -> str:
    if len(paths) == 1 and paths[0].is_file():
        return _sha256(paths[0])
    lines = []
    for path in paths:
        inside = list(islice(path.rglob("*"), _MOST + 1)) if path.is_dir() else [path]
        if len(inside) > _MOST:
            raise Refusal(f"{path}: holds more than {_MOST:,} files, all of which would be read; name a smaller folder")
        inside.sort()
        lines += [f"{_inside(item, path)} {_sha256(item)}\n" for item in inside if item.is_file()]
    named = "".join(lines).encode("utf-8", "surrogateescape")  # names of files are bytes, in UTF-8 or not
    return hashlib.sha256(named).hexdigest()
