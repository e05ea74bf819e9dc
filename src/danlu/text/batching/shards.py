"""A folder of shards: files that are read by mapping them into memory, and `manifest.json`.

The manifest tells what the shards hold, and the size, SHA-256 and counts of each.
"""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from operator import index
from pathlib import Path
from typing import Any, Literal, TypeVar

from danlu.machine.files import sha256, write_text
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer, fingerprint

NAME = "manifest.json"
FORMAT = 1

Item = TypeVar("Item")

Form = Literal["rows", "tokens"]
"""`rows`: encoded examples of a task; `tokens`: whole documents one after the other."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One file, and its index beside it if it has one: rows or documents, tokens, bytes and hash of each file."""

    file: str
    count: int
    tokens: int
    files: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a folder of shards holds.

    - `tokenizer`: hash of the tokenizer whose numbers these are, see `tokenizer_hash`.
    - `about`: what the one who wrote them wants to find again, such as the task.
    """

    form: Form
    tokenizer: str
    shards: tuple[Shard, ...]
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Rows, or documents."""
        return sum(shard.count for shard in self.shards)

    @property
    def tokens(self) -> int:
        """Tokens of all."""
        return sum(shard.tokens for shard in self.shards)

    @property
    def data_files(self) -> set[str]:
        """The files of the rows or tokens themselves, without what tells where they are in them."""
        return {shard.file for shard in self.shards}

    def told(self, what: str) -> Any:
        """What stands in `about` under a name.

        Raises:
            Refusal: nothing does.
        """
        if what not in self.about:
            raise Refusal(f"the {NAME} of the shards does not tell '{what}'; write the shards again")
        return self.about[what]


def pieces(chunk: Sequence[Item], sizes: Sequence[int], shard: int) -> Iterator[Sequence[Item]]:
    """A chunk of items of so many tokens each, in pieces so small that files of about `shard` tokens come of them."""
    most = max(1, shard // 8)
    begun = tokens = 0
    for place, size in enumerate(sizes):
        if tokens and tokens + size > most:
            yield chunk[begun:place]
            begun, tokens = place, 0
        tokens += size
    if begun < len(chunk):
        yield chunk[begun:]


def shard_of(folder: Path, names: Sequence[str], count: int, tokens: int) -> Shard:
    """The entry of a shard whose files have been written; the first name is the data."""
    files = {name: facts_of(folder / name) for name in names}
    return Shard(names[0], count, tokens, files)


def write(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`."""
    plain = {"format": FORMAT, "count": manifest.count, "tokens": manifest.tokens, **asdict(manifest)}
    write_text(folder / NAME, json.dumps(plain, ensure_ascii=False, indent=1) + "\n")


def read(folder: Path, *, check: bool = True, whole: bool = True) -> Manifest:
    """The manifest of a folder, after every file was found to be as it was written; `check` looks at hashes too.

    Where it is not `whole`, the data itself may come later, and is looked at then.

    Raises:
        Refusal: there is no manifest, or one that cannot be read; a file is missing, has changed, or is empty.
    """
    path = folder / NAME
    if not path.is_file():
        raise Refusal(f"{folder}: there is no {NAME}; run the stage of kind 'shards' that writes it")
    manifest = parsed(path.read_text("utf-8", errors="replace"), str(path))
    for shard in manifest.shards:
        if not shard.count or not shard.tokens:
            raise Refusal(f"{folder / shard.file}: this shard is empty; write the shards again")
    later = set() if whole else manifest.data_files
    here = [item for item in listed(manifest).items() if item[0] not in later]
    with ThreadPoolExecutor() as threads:
        for _ in threads.map(lambda item: _check(folder, *item, hashes=check), here):
            pass
    return manifest


def parsed(text: str, place: str) -> Manifest:
    """The manifest in a text, which lies at `place`.

    Raises:
        Refusal: it is none that danlu wrote, of another format, or of nothing.
    """
    try:
        plain = json.loads(text)
        if plain["format"] != FORMAT:
            raise Refusal(f"{place}: format {plain['format']} is not {FORMAT}, which this danlu reads; upgrade danlu")
        shards = tuple(Shard(**shard) for shard in plain["shards"])
        manifest = Manifest(plain["form"], plain["tokenizer"], shards, dict(plain["about"]))
        for shard in shards:
            _ = index(shard.count) + index(shard.tokens)  # raises TypeError for what is no whole number
        _ = listed(manifest)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(f"{place}: this is no manifest that danlu wrote ({error!r}); write the shards again") from None
    if not manifest.count:
        raise Refusal(f"{place}: the shards hold nothing; give the stage that writes them data")
    return manifest


def listed(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """The files of all shards by their names, each with its bytes and hash."""
    return {name: dict(wanted) for shard in manifest.shards for name, wanted in shard.files.items()}


def facts_of(path: Path) -> dict[str, Any]:
    """Bytes and hash of a file, as a manifest has them."""
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def tokenizer_hash(tokenizer: Tokenizer) -> str:
    """SHA-256 of what decides which numbers a text becomes."""
    return fingerprint(tokenizer, without=("truncation", "padding"))


def _check(folder: Path, name: str, wanted: dict[str, Any], *, hashes: bool) -> None:
    path = folder / name
    if Path(name).name != name:
        raise Refusal(f"{folder / NAME}: the entry '{name}' names no file of this folder; write the shards again")
    if not path.is_file():
        raise Refusal(f"{path}: this shard is missing; write the shards again")
    size = path.stat().st_size
    if not size:
        raise Refusal(f"{path}: this shard is empty; write the shards again")
    if size != wanted.get("bytes") or (hashes and sha256(path) != wanted.get("sha256")):
        raise Refusal(
            f"{path}: the shard has changed since it was written (its SHA-256 differs from {NAME}); "
            "copy or write the shards again"
        )
