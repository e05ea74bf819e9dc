"""Records changed by what other floors have for it: an augmenter of training data, or a rewriter of texts."""

from collections.abc import Callable, Sequence

import numpy as np

from danlu.data.augmenting.augmenter import SOURCE_ROW, Augmenter
from danlu.data.characters.alignment import Alignment, Edit, aligned, applied
from danlu.data.cleaning.cleaner import Rewriter
from danlu.data.cleaning.rewriting import TOKENS, rewrite_texts, rewrite_tokens
from danlu.data.record import Record


class Spelled(Rewriter):
    """Texts after edits that a function finds in them; every character can be followed."""

    edits: Callable[[str], list[Edit]]

    def rewrite(self, texts: Sequence[str]) -> list[str]:
        """The texts after their edits."""
        return [applied(text, edits) if (edits := self.edits(text)) else text for text in texts]

    def trace(self, text: str) -> list[Alignment]:
        """One alignment."""
        return [aligned(self.edits(text))]


def by_augmenter(
    augmenter: Augmenter, records: Sequence[Record], column: str, rng: np.random.Generator
) -> list[Record]:
    """The records, of which each that the augmenter makes a new one of is that one."""
    found = list(records)
    rows = [row for row, record in enumerate(records) if _is_read(record, column)]
    own = {"copies": 1, "column": column}
    fields = {name: value for name, value in own.items() if name in type(augmenter).model_fields}
    once = augmenter.model_copy(update=fields)
    for new in once.augment([records[row] for row in rows], rng):
        row = rows[new[SOURCE_ROW]]
        if found[row] is records[row]:
            found[row] = {name: value for name, value in new.items() if name != SOURCE_ROW}
    return found


def by_rewriter(rewriter: Rewriter, records: Sequence[Record], column: str) -> list[Record]:
    """The records with a column rewritten, or their tokens where they have no text."""
    found = list(records)
    rewrite_texts(found, rewriter, {column}, column)
    if column == "text":
        rows = [row for row, record in enumerate(found) if column not in record]
        tokens = [found[row] for row in rows]
        rewrite_tokens(tokens, rewriter, TOKENS)
        for row, record in zip(rows, tokens, strict=True):
            found[row] = record
    return found


def by_character(change: Callable[[str], str]) -> Spelled:
    """A rewriter that changes each character by itself."""

    def edits(text: str) -> list[Edit]:
        pairs = ((place, each, change(each)) for place, each in enumerate(text))
        return [(place, place + 1, new) for place, old, new in pairs if new != old]

    return Spelled(edits=edits)


def _is_read(record: Record, column: str) -> bool:
    return isinstance(record.get(column), str) or (
        column == "text" and column not in record and isinstance(record.get("tokens"), list)
    )
