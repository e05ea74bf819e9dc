"""Chunks on disk dealt out to the files of the splits, as a stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.data.engine import Engine
from danlu.data.prepared import Writers
from danlu.data.spool import Spool
from danlu.data.stored import conformed, one_schema, read_arrow

Part = tuple[int, NDArray[np.int8], NDArray[np.uint16]]
"""A chunk's number, the split of each of its rows (-1 for none), and how often each is taken."""


@dataclass(frozen=True)
class Deal:
    """Takes the rows of each split from a chunk in `folder`, brought to the `schema` of that split."""

    folder: Path
    schemas: Mapping[str, Any]

    def __call__(self, part: Part) -> dict[str, Any]:
        """An Arrow table for each split that has rows in the chunk."""
        number, split_of, copies = part
        table = read_arrow(self.folder / f"{number}.arrow")
        found = {}
        for place, split in enumerate(self.schemas):
            rows = np.flatnonzero(split_of == place)
            taken = np.repeat(rows, copies[rows])
            if len(taken):
                found[split] = conformed(table.take(taken).combine_chunks(), self.schemas[split])
        return found


def deal(
    spool: Spool,
    splits: Sequence[str],
    split_of: NDArray[np.int8],
    copies: NDArray[np.uint16],
    engine: Engine,
    to: Path,
) -> Writers:
    """Write the rows of each split to its file in the folder `to`; gives the writers, for their counts.

    - `split_of`: each row's position in `splits`, -1 for none, (N,); `copies`: how often it is taken, (N,).

    Raises:
        Refusal: a column has values of different types; names it.
    """
    schemas = {}
    held = [(chunk, np.unique(part)) for chunk, part in spool.of_chunk(split_of)]
    for place, split in enumerate(splits):
        of_split = [chunk for chunk, places in held if place in places]
        if of_split:
            schemas[split] = one_schema([chunk.schema for chunk in of_split], [chunk.name for chunk in of_split])
    places = np.full(len(splits) + 1, -1, np.int8)
    for place, split in enumerate(schemas):
        places[list(splits).index(split)] = place
    parts = (
        (chunk.number, places[part], copies[start : start + chunk.rows])
        for (chunk, part), start in zip(spool.of_chunk(split_of), spool.starts.tolist(), strict=False)
    )
    writers = Writers(to, schemas)
    for tables in engine.map(Deal(spool.folder, schemas), parts):
        for split, table in tables.items():
            writers.add(split, table)
    return writers
