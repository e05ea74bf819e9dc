"""Data sets of the Hugging Face hub by name, and folders that its `datasets` library has written."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from danlu.data.reading.arrow_rows import BATCH, numbered_records
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.dataset_folder import CARD, data_files, is_saved, refuse_split, saved_batches
from danlu.data.reading.format import Format
from danlu.data.record import Record
from danlu.machine.door import opened
from danlu.machine.hub import local_folder
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from pyarrow import RecordBatch


class Hub(Format):
    """One split of a data set: `path` is its name on the hub, a folder of `save_to_disk`, or one with data files.

    What was fetched once is read from this machine's cache. No code of a data set is run, and nothing outside of its
    folder is read, whatever its README names.
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
        folder = local_folder(shard, [*self.files, CARD], "dataset", self.revision)
        remedy = "check 'split', 'subset' and 'files', or read its files with their own kind"
        with opened(shard, "cannot be read as a data set", remedy):
            batches = saved_batches(folder, self.split, shard) if is_saved(folder) else self._batches(folder)
            yield from numbered_records(batches)

    def _batches(self, folder: Path) -> "Iterator[RecordBatch]":
        """The rows of data files, as the datasets library reads them from a folder that holds nothing else."""
        try:
            import datasets
        except ImportError as error:
            raise Refusal(f"{self.path}: data sets of the hub need datasets; run: pip install 'danlu[hub]'") from error
        with data_files(folder) as stage:
            splits = datasets.load_dataset(str(stage), self.subset, streaming=True)
            refuse_split(self.split, list(map(str, splits)), self.path)
            for table in splits[self.split].with_format("arrow").iter(batch_size=BATCH):
                table.validate(full=True)  # offsets that point elsewhere would end the process
                yield from table.to_batches(max_chunksize=BATCH)
