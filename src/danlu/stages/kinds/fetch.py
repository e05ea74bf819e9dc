"""Fetch shards that a stage of kind 'shards' has left elsewhere: on a web server, in a bucket, in another folder.

The manifest says what there is, how large, and with which SHA-256; nothing else is asked for, and no file is taken
that is not so. What has arrived whole is not fetched again.
"""

import shutil
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from operator import index
from pathlib import PurePosixPath
from threading import Event, Lock

from pydantic import Field

from danlu.language import translator
from danlu.machine.files import write_text
from danlu.machine.remote import is_remote, shown
from danlu.refusal import Refusal
from danlu.stages.sharded import SPLITS
from danlu.stages.stage import Place, Stage
from danlu.text.batching import depot, shards
from danlu.text.batching.origin import Facts, Origin

AT_ONCE = 4  # files
LONGEST = 2**26  # bytes of a manifest
MEBIBYTE = 2**20
QUIET_SECONDS = 30.0  # between two lines for who waits
OF_TOKENIZERS = (".json", ".txt", ".model", ".jinja")

Wanted = dict[str, Facts]
"""The files, by their paths in the folder of the stage."""


@dataclass
class _Going:
    """How many bytes have come by now, and whether they are wanted any longer."""

    come: int = 0
    stopped: Event = field(default_factory=Event)
    _lock: Lock = field(default_factory=Lock)

    def take(self, size: int) -> None:
        """So many have come; raises CancelledError where they are wanted no more."""
        if self.stopped.is_set():
            raise CancelledError
        with self._lock:
            self.come += size


class Fetch(Stage):
    """Shards from elsewhere, with their tokenizer and splits, so that '@NAME' stands for them as if made here.

    With `held` the shards themselves stay there, and come while they are trained from.
    """

    path: str = Field(
        description="folder of a stage of kind 'shards', here or as a URL: s3://bucket/runs/corpus/rows, https://...; "
        "keys of a bucket come from the environment"
    )

    held: float | None = Field(
        default=None,
        gt=0,
        description="GiB of shards that lie here at once: they come while they are trained from, and go again, so that "
        "rows are read file by file, in an order of files drawn anew for each epoch; None: all are fetched before",
    )

    def inputs(self) -> list[str]:
        """The manifest, which holds the hashes of all that is fetched."""
        return [Origin(self.path).at(f"shards/{shards.NAME}")]

    def run(self, place: Place) -> None:
        """Fetch what is not here yet; the manifest comes last. See `Stage.run`."""
        text, manifest = self._manifest()
        wanted = _checked(manifest, shown(self.path))
        if self.held is not None:
            if is_remote(self.path) and "?" in self.path:
                raise Refusal(
                    "held: what follows the question mark in 'path' may end before the training does, and would lie in "
                    "clear beside the shards; leave 'held' out, or give the key in the environment"
                )
            held = int(self.held * 2**30)
            depot.grouped(manifest, held)
            wanted = _without(wanted, {f"shards/{name}" for name in manifest.data_files})
        missing = {name: facts for name, facts in wanted.items() if not facts.hold_of(place.folder / name)}
        most = sum(facts.size for facts in missing.values())
        place.folder.mkdir(parents=True, exist_ok=True)
        if most > (free := shutil.disk_usage(place.folder).free):
            raise Refusal(
                f"{place.folder}: {most / 2**30:,.1f} GiB are to be fetched and {free / 2**30:,.1f} GiB are free; free "
                "some space, or run the recipe in another folder"
            )
        self._fetch_all(missing, most, place)
        if self.held is not None:
            depot.write(place.folder / "shards", self.path, held)
        write_text(place.folder / "shards" / shards.NAME, text)
        said = translator(place.language)("shards: {tokens:,} tokens; files fetched: {count:,}, {size:,.1f} MiB")
        place.say(said.format(tokens=manifest.tokens, count=len(missing), size=most / MEBIBYTE))

    def _fetch_all(self, missing: Wanted, most: int, place: Place) -> None:
        """Several files at a time, with a line now and then; one that fails, or Ctrl-C, ends the others."""
        told, going = translator(place.language)("{name}: {come:,.0f} of {size:,.0f} MiB are here"), _Going()
        origin = Origin(self.path)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            jobs = [
                threads.submit(origin.bring, name, facts, place.folder / name, going.take)
                for name, facts in missing.items()
            ]
            try:
                left = set(jobs)
                while left:
                    done, left = wait(left, QUIET_SECONDS, FIRST_EXCEPTION)
                    for job in done:
                        job.result()
                    if left:
                        place.say(told.format(name=place.name, come=going.come / MEBIBYTE, size=most / MEBIBYTE))
            except BaseException:
                going.stopped.set()
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def _manifest(self) -> tuple[str, shards.Manifest]:
        name, origin = f"shards/{shards.NAME}", Origin(self.path)
        with origin.opened(name) as stream:
            data = stream.read(LONGEST + 1)
        if len(data) > LONGEST:
            raise Refusal(f"{origin.shown(name)}: holds more than {LONGEST:,} bytes; it is no manifest of shards")
        text = data.decode("utf-8", "replace")
        return text, shards.parsed(text, origin.shown(name))


def _checked(manifest: shards.Manifest, place: str) -> Wanted:
    """The files to be fetched, none of which leads out of the folder or is of another sort.

    Raises:
        Refusal: one does, or the manifest does not tell what lies beside the shards.
    """
    beside, wanted = manifest.told("beside"), Wanted()
    try:
        told = {f"shards/{name}": facts for name, facts in shards.listed(manifest).items()} | beside
        for name, facts in told.items():
            wanted[name] = Facts(index(facts["bytes"]), str(facts["sha256"]))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Refusal(f"{place}: the {shards.NAME} of the shards cannot be read; write the shards again") from None
    for name, facts in wanted.items():
        if not _of_shards(name) or facts.size < 0:
            raise Refusal(f"{place}: its {shards.NAME} names '{name:.200}', which no shards have; nothing was fetched")
    return wanted


def _of_shards(name: str) -> bool:
    """Whether a path is one of those that a stage of kind 'shards' leaves, below its folder."""
    path = PurePosixPath(name)
    first, *rest = name.split("/")
    if not rest:
        return name in SPLITS
    if path.as_posix() != name or ".." in rest or "\\" in name or ":" in name or not name.isprintable():
        return False
    return (first == "shards" and len(rest) == 1 and rest[0] != shards.NAME) or (
        first == "tokenizer" and path.suffix in OF_TOKENIZERS
    )


def _without(wanted: Wanted, later: set[str]) -> Wanted:
    return {name: facts for name, facts in wanted.items() if name not in later}
