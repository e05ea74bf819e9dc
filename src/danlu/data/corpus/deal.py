"""Chunks on disk dealt out to the files of the splits, as a stream."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.data.corpus.executor import Executor
from danlu.data.corpus.prepared import Writers
from danlu.data.corpus.spool import Spool
from danlu.data.corpus.stored import conformed, one_schema, read_arrow
from danlu.data.labels import Spellings

DealtChunk = tuple[int, NDArray[np.int8], NDArray[np.uint16]]
"""A chunk's number, the split of each of its rows (-1 for none), and how often each is taken."""


@dataclass(frozen=True)
class Deal:
    """Takes the rows of each split from a chunk in `folder`, brought to the `schema` of that split.

    Labels are spelled as most rows have them; where they are `measured`, they are numbers.
    """

    folder: Path
    schemas: Mapping[str, Any]
    spelled: Spellings
    measured: bool

    def __call__(self, part: DealtChunk) -> dict[str, Any]:
        """An Arrow table for each split that has rows in the chunk."""
        number, split_of, copies = part
        table = self._labelled(read_arrow(self.folder / f"{number}.arrow"))
        found = {}
        for place, split in enumerate(self.schemas):
            rows = np.flatnonzero(split_of == place)
            taken = np.repeat(rows, copies[rows])
            if len(taken):
                found[split] = conformed(table.take(taken).combine_chunks(), self.schemas[split])
        return found

    def _labelled(self, table: Any) -> Any:
        import pyarrow as pa

        for name in ("label", "labels") if self.measured or self.spelled.merged else ():
            if name not in table.column_names:
                continue
            values = table.column(name).to_pylist()
            if name == "label" and self.measured:
                with suppress(ValueError):  # a text among numbers is refused where the table is brought to its schema
                    values = [None if value is None else float(value) for value in values]
            else:
                values = [self._spelled(value) for value in values]
            table = table.set_column(table.column_names.index(name), name, pa.array(values))
        return table

    def _spelled(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._spelled(item) for item in value]
        return self.spelled.of(value) if isinstance(value, str) else value


def deal(
    spool: Spool,
    splits: Sequence[str],
    split_of: NDArray[np.int8],
    copies: NDArray[np.uint16],
    executor: Executor,
    to: Path,
) -> Writers:
    """Write the rows of each split to its file in the folder `to`; gives the writers, for their counts.

    - `split_of`: each row's position in `splits`, -1 for none, (N,); `copies`: how often it is taken, (N,).

    Raises:
        Refusal: a column has values of different types; names it.
    """
    schemas, spelled = {}, spool.spellings()
    held = [(chunk, np.unique(part)) for chunk, part in spool.of_chunk(split_of)]
    for place, split in enumerate(splits):
        of_split = [chunk for chunk, places in held if place in places]
        if of_split:
            stored = [_measured(chunk.schema) if spool.measured else chunk.schema for chunk in of_split]
            schemas[split] = one_schema(stored, [chunk.name for chunk in of_split])
    places = np.full(len(splits) + 1, -1, np.int8)
    for place, split in enumerate(schemas):
        places[list(splits).index(split)] = place
    parts = (
        (chunk.number, places[part], copies[start : start + chunk.rows])
        for (chunk, part), start in zip(spool.of_chunk(split_of), spool.starts.tolist(), strict=False)
    )
    writers = Writers(to, schemas)
    for tables in executor.map(Deal(spool.folder, schemas, spelled, spool.measured), parts):
        for split, table in tables.items():
            writers.add(split, table)
    return writers


def _measured(schema: Any) -> Any:
    """The schema with numbers in the column `label`."""
    import pyarrow as pa

    place = schema.get_field_index("label")
    return schema if place < 0 else schema.set(place, pa.field("label", pa.float64()))
