"""Augmented rows beside the rows that they are made of: for training alone, and never across a split."""

from collections.abc import Iterable, Iterator, Sequence, Set

from danlu.data.augmenting.augmenter import SOURCE_ROW, Augmenter
from danlu.data.record import Record
from danlu.machine.seed import generator
from danlu.refusal import Refusal


def new_rows(records: Sequence[Record], augmenters: Sequence[Augmenter], seed: int) -> list[list[Record]]:
    """The new rows of each augmenter in turn, for behind the training records.

    Every augmenter sees the given records alone. `source_row` of a new row is the position of its source here, and
    so in the file of the training split; given rows have none. The result depends on the records, the augmenters
    with their order, and the seed alone. Raises `Refusal` for records that an augmenter made, and what the
    augmenters refuse.
    """
    given = list(without_augmented(records, "data to augment"))
    return [augmenter.augment(given, generator(seed, "augment", place)) for place, augmenter in enumerate(augmenters)]


def without_augmented(records: Iterable[Record], name: str) -> Iterator[Record]:
    """The records, of which none may be augmented where they are split, tested on, or augmented once more.

    Raises:
        Refusal: at the first such record; names it.
    """
    for number, record in enumerate(records, 1):
        if SOURCE_ROW in record:
            raise Refusal(
                f"{name}, record {number:,}: this row was made by an augmenter (column '{SOURCE_ROW}'), and beside its "
                "source in another split it would leak; give the data as it was before"
            )
        yield record


def given(records: Iterable[Record]) -> list[Record]:
    """The records that no augmenter made, at the places that they have in the training split."""
    return [record for record in records if SOURCE_ROW not in record]


def without_rows(records: Sequence[Record], left_out: Set[int]) -> list[Record]:
    """The records of a training split without the given ones at these places, from 0, and without their copies."""
    kept = [place for place in range(len(given(records))) if place not in left_out]
    moved = {old: new for new, old in enumerate(kept)}
    copies = [record for record in records if record.get(SOURCE_ROW) in moved]
    return [
        *(records[place] for place in kept),
        *(record | {SOURCE_ROW: moved[record[SOURCE_ROW]]} for record in copies),
    ]
