"""Augmenters that change some words of a text and leave the others."""

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
from pydantic import Field

from danlu.data.augmenting.augmenter import SOURCE_ROW, Augmenter
from danlu.data.augmenting.passage import Changes, Passage, changed, read_passages
from danlu.data.characters.word_cutting import Cut
from danlu.data.record import Record


class WordAugmenter(Augmenter):
    """Changes a share of the words of each text, at least one, outside of entities and other spans."""

    column: str = Field(default="text", description="column whose text is changed")
    copies: int = Field(default=1, ge=1, le=100, description="new rows that are tried for each row")
    share: float = Field(default=0.1, gt=0, le=1, description="share of the words that are changed; at least one is")
    words: Cut = Field(default="jieba", description="how Chinese is cut into words: by jieba, or each character is one")

    def augment(self, records: Sequence[Record], rng: np.random.Generator) -> list[Record]:
        """The new rows; see `Augmenter.augment`."""
        read = read_passages(records, self.column, self.words)
        rows = [row for row in range(len(records)) for _ in range(self.copies)]
        made: list[Record] = []
        seen: set[tuple[str, ...]] = set()
        last = -1
        for row, changes in zip(rows, self.changes([read[row] for row in rows], rng), strict=True):
            if row != last:
                seen, last = {tuple(read[row].words)}, row
            new = changed(records[row], self.column, read[row], changes)
            told = tuple(new["tokens"]) if read[row].tokens else (new[self.column],)
            if changes and told not in seen and told != (read[row].text,):
                seen.add(told)
                made.append(new | {SOURCE_ROW: row})
        return made

    @abstractmethod
    def changes(self, passages: Sequence[Passage], rng: np.random.Generator) -> list[Changes]:
        """What to change in each passage; nothing where nothing can be."""

    def count(self, passage: Passage) -> int:
        """How many words of a passage to change."""
        return max(1, round(self.share * len(passage.borders)))

    def replaced(
        self,
        passages: Sequence[Passage],
        rng: np.random.Generator,
        replacement: Callable[[str, np.random.Generator], str | None],
    ) -> list[Changes]:
        """Changes by a function that gives a word's replacement, or None for a word that has none."""
        found = []
        for passage in passages:
            words, changes = passage.words, Changes()
            for place in rng.permutation(passage.free).tolist():
                if len(changes) == self.count(passage):
                    break
                word = replacement(words[place], rng)
                if word is not None and word != words[place]:
                    changes[place] = [word]
            found.append(changes)
        return found
