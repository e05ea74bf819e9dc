"""What a stage of kind 'shards' has left, as the data of a training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from danlu.data.corpus.prepared import CLEANERS
from danlu.data.reading.format import Format
from danlu.data.record import Record
from danlu.language import translator
from danlu.refusal import Refusal
from danlu.stages.sources import Data
from danlu.stages.stage import Place
from danlu.task.task import Task
from danlu.text.batching import shards
from danlu.text.batching.depot import Depot, depot_of, is_streamed
from danlu.text.batching.encoded import Encoded
from danlu.text.batching.flat import FlatTokens
from danlu.text.batching.rows import Rows
from danlu.text.tokenizing.tokenizer import Tokenizer

SPLITS = ("validation.parquet", "test.parquet", CLEANERS)
"""What a stage of kind 'shards' takes over of prepared data, beside the shards and the tokenizer."""


@dataclass(frozen=True)
class Sharded:
    """Shards that were checked against their manifest; those of a `depot` come when their rows are read."""

    folder: Path
    manifest: shards.Manifest
    depot: Depot | None = None

    @property
    def records(self) -> int:
        """How many records they were written from."""
        return int(self.manifest.told("records"))

    @property
    def examples(self) -> list[Record]:
        """The first records."""
        return list(self.manifest.told("examples"))

    def task(self, asked: Task) -> Task:
        """The task with the labels that it had when the rows were written; flat tokens leave it as it is.

        Raises:
            Refusal: the rows were encoded for another task, or with other settings, or text is not enough for it.
        """
        if self.manifest.form == "tokens" and not asked.reads_tokens:
            raise Refusal(
                f"{self.folder}: the task '{asked.kind}' cannot learn from flat token files; "
                f"write 'task: {{kind: {asked.kind}}}' in the stage of kind 'shards' as well"
            )
        if self.manifest.form == "tokens":
            return asked
        try:
            written = Task.model_validate(self.manifest.told("task"))
        except ValidationError as error:
            raise Refusal(
                f"{self.folder}: the task of the shards cannot be read ({error.errors()[0]['msg']})"
            ) from None
        chosen = {name: getattr(asked, name) for name in asked.model_fields_set}
        if type(asked) is not type(written) or any(getattr(written, name) != chosen[name] for name in chosen):
            raise Refusal(
                f"{self.folder}: the rows were encoded for the task {self.manifest.about['task']!s:.400}; "
                "write the same 'task' in the stage that trains, or write the shards again"
            )
        return written

    def rows(self, task: Task, tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """The rows to train from, which stay on disk; those out of flat tokens are filled to `room` tokens at most.

        Raises:
            Refusal: another tokenizer made the numbers, or a side of a row is longer than `limit`.
        """
        if shards.tokenizer_hash(tokenizer) != self.manifest.tokenizer:
            raise Refusal(
                f"{self.folder}: the shards were written with another tokenizer; write 'tokenizer' as in the stage "
                "of kind 'shards', or write the shards again"
            )
        if self.manifest.form == "tokens":
            return task.rows(FlatTokens(self.folder, self.manifest, self.depot), tokenizer, limit, room)
        rows = Rows(self.folder, self.manifest, self.depot)
        sizes = task.sizes(rows, tokenizer)
        longest = int(max(sizes.widths.max(), 0 if sizes.targets is None else sizes.targets.max()))
        if longest > limit:
            raise Refusal(
                f"{self.folder}: a row has {longest:,} tokens and the model takes {limit:,}; "
                f"set 'longest: {limit}' in the stage of kind 'shards'"
            )
        return rows


def sharded(data: Data | Sequence[Data], place: Place) -> Sharded | None:
    """The shards that `data` names; None where it names records.

    Raises:
        Refusal: the shards are damaged, or named together with other data.
    """
    sources = [data] if isinstance(data, str | Format) else data
    folders = [place.path(source) / "shards" for source in sources if isinstance(source, str) and ":" not in source]
    found = [folder for folder in folders if folder.is_dir()]
    if not found:
        return None
    if len(sources) > 1:
        raise Refusal(f"{found[0]}: shards are trained from by themselves; name one '@stage' in 'data'")
    folder = found[0]
    manifest = shards.read(folder, whole=not is_streamed(folder))
    depot = depot_of(folder, manifest)
    if depot is not None:
        told = translator(place.language)("{why}; it is tried again in {seconds:.0f} s")
        depot.waits = lambda why, seconds: place.say(told.format(why=why, seconds=seconds))
    return Sharded(folder, manifest, depot)
