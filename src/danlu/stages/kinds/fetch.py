"""Fetch shards that a stage of kind 'shards' has left elsewhere: on a web server, in a bucket, in another folder.

The manifest says what there is, how large, and with which SHA-256; nothing else is asked for, and no file is taken
that is not so. What has arrived whole is not fetched again.
"""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pydantic import Field

from danlu.language import translator
from danlu.machine.files import bytes_in_place, sha256, write_text
from danlu.machine.remote import RemoteFile, is_remote, shown
from danlu.refusal import Refusal
from danlu.stages.sharded import SPLITS
from danlu.stages.stage import Place, Stage
from danlu.text.batching import shards

AT_ONCE = 4  # files
PIECE = 2**20  # bytes that are read at a time
LONGEST = 2**26  # bytes of a manifest
OF_TOKENIZERS = (".json", ".txt", ".model", ".jinja")

Wanted = dict[str, dict[str, Any]]
"""Bytes and hash of each file, by its path in the folder of the stage."""


class Fetch(Stage):
    """Shards from elsewhere, with their tokenizer and splits, so that '@NAME' stands for them as if made here."""

    path: str = Field(
        description="folder of a stage of kind 'shards', here or as a URL: s3://bucket/runs/corpus/rows, https://...; "
        "keys of a bucket come from the environment"
    )

    def inputs(self) -> list[str]:
        """The manifest, which holds the hashes of all that is fetched."""
        return [self._at(f"shards/{shards.NAME}")]

    def run(self, place: Place) -> None:
        """Fetch what is not here yet; the manifest comes last. See `Stage.run`."""
        text, manifest = self._manifest()
        wanted = _checked(manifest, shown(self.path))
        missing = {name: facts for name, facts in wanted.items() if not _whole(place.folder / name, facts)}
        most = sum(int(facts["bytes"]) for facts in missing.values())
        place.folder.mkdir(parents=True, exist_ok=True)
        if most > (free := shutil.disk_usage(place.folder).free):
            raise Refusal(
                f"{place.folder}: {most / 2**30:,.1f} GiB are to be fetched and {free / 2**30:,.1f} GiB are free; free "
                "some space, or run the recipe in another folder"
            )
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for _ in threads.map(partial(self._fetch, place.folder), missing.items()):
                pass
        write_text(place.folder / "shards" / shards.NAME, text)
        said = translator(place.language)("shards: {tokens:,} tokens; files fetched: {count:,}, {size:,.1f} MiB")
        place.say(said.format(tokens=manifest.tokens, count=len(missing), size=most / 2**20))

    def _manifest(self) -> tuple[str, shards.Manifest]:
        name = f"shards/{shards.NAME}"
        with self._opened(name) as stream:
            data = stream.read(LONGEST + 1)
        if len(data) > LONGEST:
            raise Refusal(f"{shown(self._at(name))}: holds more than {LONGEST:,} bytes; it is no manifest of shards")
        text = data.decode("utf-8", "replace")
        return text, shards.parsed(text, shown(self._at(name)))

    def _fetch(self, folder: Path, item: tuple[str, dict[str, Any]]) -> None:
        """One file, which is in its place only once it is whole and has the hash that it should have."""
        name, facts = item
        size, rest = int(facts["bytes"]), int(facts["bytes"]) + 1
        with self._opened(name) as stream, bytes_in_place(folder / name) as file:
            while rest and (piece := stream.read(min(PIECE, rest))):
                file.write(piece)
                rest -= len(piece)
            file.flush()
            if rest != 1 or sha256(Path(file.name)) != facts["sha256"]:
                raise Refusal(
                    f"{shown(self._at(name))}: is not the file of {size:,} bytes that {shards.NAME} tells of (its "
                    "SHA-256 differs); copy or write the shards there again, then run the same command"
                )

    def _at(self, name: str) -> str:
        """The path or URL of a file; what follows a question mark, such as a signature, stays at the end."""
        if not is_remote(self.path):
            return str(Path(self.path) / name)
        before, mark, query = self.path.partition("?")
        return f"{before.rstrip('/')}/{name}{mark}{query}"

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        where = self._at(name)
        if is_remote(where):
            with RemoteFile(where).open() as stream:
                yield stream
            return
        if not Path(where).is_file():
            raise Refusal(f"{where}: there is no such file; give the folder of a finished stage of kind 'shards'")
        with Path(where).open("rb") as stream:
            yield stream


def _checked(manifest: shards.Manifest, place: str) -> Wanted:
    """The files to be fetched, none of which leads out of the folder or is of another sort.

    Raises:
        Refusal: one does, or the manifest does not tell what lies beside the shards.
    """
    beside, wanted = manifest.told("beside"), Wanted()
    try:
        told = {f"shards/{name}": facts for name, facts in shards.listed(manifest).items()} | beside
        for name, facts in told.items():
            wanted[name] = {"bytes": int(facts["bytes"]), "sha256": str(facts["sha256"])}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Refusal(f"{place}: the {shards.NAME} of the shards cannot be read; write the shards again") from None
    for name in wanted:
        if not _of_shards(name):
            raise Refusal(f"{place}: its {shards.NAME} names '{name:.200}', which no shards have; nothing was fetched")
    return wanted


def _of_shards(name: str) -> bool:
    """Whether a path is one of those that a stage of kind 'shards' leaves, below its folder."""
    path = PurePosixPath(name)
    first, *rest = name.split("/")
    if not rest:
        return name in SPLITS
    if path.as_posix() != name or ".." in rest or "\\" in name or ":" in name:
        return False
    return (first == "shards" and len(rest) == 1) or (first == "tokenizer" and path.suffix in OF_TOKENIZERS)


def _whole(path: Path, facts: dict[str, Any]) -> bool:
    return path.is_file() and path.stat().st_size == facts["bytes"] and sha256(path) == facts["sha256"]
