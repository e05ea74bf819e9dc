"""Data sets of the Hugging Face hub by name, and folders that its `datasets` library has written."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pydantic import Field

from danlu.data.arrow_rows import BATCH, records_of
from danlu.data.bad_rows import BadRows
from danlu.data.format import Format
from danlu.data.record import Record
from danlu.machine.hub import first_line, local_folder
from danlu.recipe.part import nearest
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from pyarrow import Table


class Hub(Format):
    """One split of a data set: `path` is its name on the hub, a folder of `save_to_disk`, or one with data files.

    What was fetched once is read from this machine's cache. No code of a data set is run.
    """

    counted_in: ClassVar[str] = "record"

    split: str = Field(default="train", description="name of the split")
    subset: str | None = Field(default=None, description="name of the configuration, where there are several")
    revision: str | None = Field(default=None, description="branch, tag or commit on the hub")
    files: list[str] = Field(default=["*"], description="patterns of the files to fetch from the hub")

    def shards(self) -> list[str]:
        """The data set itself; see `Format.shards`."""
        return [self.path]

    def rows_of(self, shard: str, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the rows of the split; see `Format.rows_of`."""
        folder = local_folder(shard, [*self.files, "README.md"], "dataset", self.revision)
        number = 0
        try:
            for table in self._tables(folder):
                for batch in table.to_batches(max_chunksize=BATCH):
                    yield from enumerate(records_of(batch), number + 1)
                    number += len(batch)
        except (Refusal, GeneratorExit):
            raise
        except Exception as error:  # the library raises errors of many libraries below it
            raise Refusal(
                f"{shard}: cannot be read as a data set after {number} records ({first_line(error)}); check 'split', "
                "'subset' and 'files', or read its files with their own kind"
            ) from error

    def _tables(self, folder: Path) -> "Iterable[Table]":
        try:
            import datasets
        except ImportError as error:
            raise Refusal(f"{self.path}: data sets of the hub need datasets; run: pip install 'danlu[hub]'") from error
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            stored: Any = datasets.load_from_disk(str(folder), keep_in_memory=False)
            found = stored if isinstance(stored, datasets.Dataset) else stored.get(self.split)
            there = [] if isinstance(stored, datasets.Dataset) else list(stored)
        else:
            splits = datasets.load_dataset(str(folder), self.subset, streaming=True)
            found, there = splits.get(self.split), list(splits)
        if found is None:
            raise Refusal(
                f"{self.path}: there is no split '{self.split}'{nearest(self.split, there)}; there are: "
                f"{', '.join(map(str, there))}; name one in 'split'"
            )
        return cast("Iterable[Table]", found.with_format("arrow").iter(batch_size=BATCH))
