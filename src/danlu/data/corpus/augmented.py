"""New rows beside those of a training split on disk, none of which stands in what is held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from danlu.data.augmenting.augment import new_rows
from danlu.data.augmenting.augmenter import Augmenter
from danlu.data.corpus.ingest import folded_keys
from danlu.data.corpus.prepared import load, save_split
from danlu.data.record import Columns, text_of
from danlu.language import translator


@dataclass(frozen=True)
class Augmented:
    """What augmenters made of a training split.

    - `rows`: that the split then has; `made`: new ones by augmenter, in order; `idle`: augmenters that made none.
    - `held`: new ones that were left out, for their text is held out.
    """

    rows: int
    made: list[tuple[str, int]]
    idle: list[str]
    held: int

    def in_words(self, language: str = "en") -> list[str]:
        """What was made, and left out of it, in English or Chinese."""
        _ = translator(language)
        counts = ", ".join(f"{kind} {count:,}" for kind, count in self.made)
        told = [_("new rows for training: {counts}").format(counts=counts)]
        if self.held:
            told.append(_("{count:,} more are left out, for validation or test has their text").format(count=self.held))
        nothing = _("! the augmenter {kind} made no new row of these records")
        return told + [nothing.format(kind=kind) for kind in self.idle]


def augment_train(
    folder: Path, augmenters: Sequence[Augmenter], seed: int, held: NDArray[np.uint64], column: Columns
) -> Augmented:
    """Add rows to the training split in a folder; none has a text of the rows that are held out.

    - `held`: keys of their texts, (M, 2), as `folded_keys` gives them; `column`: what is compared.
    """
    records = load(folder, "train")
    made = new_rows(records, augmenters, seed)
    added = [record for rows in made for record in rows]
    kept = ~np.isin(folded_keys([text_of(record, column) for record in added])[:, 0], held[:, 0])
    records += [record for record, stays in zip(added, kept.tolist(), strict=True) if stays]
    save_split(folder, "train", records)
    ends = np.cumsum([len(rows) for rows in made])
    parts = np.split(kept, ends[:-1])
    counts = [(part.kind, int(own.sum())) for part, own in zip(augmenters, parts, strict=True)]
    idle = [part.kind for part, rows in zip(augmenters, made, strict=True) if not rows]
    return Augmented(len(records), counts, idle, int((~kept).sum()))
