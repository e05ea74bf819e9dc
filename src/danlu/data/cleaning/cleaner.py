"""The promise of a cleaner: it rewrites texts, or says which of them to drop."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

from danlu.data.characters.alignment import Alignment, Edit, aligned, applied, differences
from danlu.recipe.part import Part

_PASSES = 8
"""Rewritings after one another; what markup within markup of real pages needs is 2."""


class Cleaner(Part):
    """What makes texts better before a model learns from them: a `Rewriter` or a `Filter`."""

    folder: ClassVar[str] = "danlu.data.cleaning.cleaners"

    def fitted(self, texts: Sequence[str]) -> Self:
        """This cleaner with what it learns from the first texts of the data; most learn nothing."""
        return self


class Rewriter(Cleaner):
    """Gives texts another form. Rewriting twice is rewriting once.

    A bundle rewrites what it is asked about as its training data was.
    """

    sample: ClassVar[tuple[str, ...]]
    """Texts that it changes, for the contract suite and for the golden outputs of bundles."""

    @abstractmethod
    def rewrite(self, texts: Sequence[str]) -> list[str]:
        """The texts in their new form, in order; one that needs no change is given back itself."""

    @abstractmethod
    def trace(self, text: str) -> list[Alignment]:
        """Where the characters of a text go, by one alignment for each pass over it."""


class Editor(Rewriter):
    """A rewriter that knows its edits, so that every character can be followed."""

    @abstractmethod
    def suspects(self, text: str) -> bool:
        """Whether the text may need edits: a quick look that spares most texts the careful one."""

    @abstractmethod
    def edits(self, text: str) -> list[Edit]:
        """What one pass over a text replaces, in order."""

    def settled(self, text: str) -> list[Edit]:
        """What the pass after the last one replaces, so that nothing is left to edit; most need none."""
        return []

    def rewrite(self, texts: Sequence[str]) -> list[str]:
        """The texts after as many passes as they need; see `Rewriter`."""
        return [self._passed(text, [])[0] if self.suspects(text) else text for text in texts]

    def trace(self, text: str) -> list[Alignment]:
        """One alignment for each pass; see `Rewriter`."""
        return [aligned(edits) for edits in self._passed(text, [])[1]]

    def _passed(self, text: str, passes: list[list[Edit]]) -> tuple[str, list[list[Edit]]]:
        while self.suspects(text):
            edits = self.edits(text) if len(passes) < _PASSES else self.settled(text)
            if not edits:
                break
            passes.append(edits)
            text = applied(text, edits)
        return text, passes


class Converter(Rewriter):
    """A rewriter that knows nothing but the text it makes; characters are followed by comparing the two."""

    def trace(self, text: str) -> list[Alignment]:
        """One alignment; see `Rewriter`."""
        (new,) = self.rewrite([text])
        return [] if new == text else [aligned(differences(text, new))]


class Filter(Cleaner):
    """Says which texts to drop."""

    @abstractmethod
    def reasons(self, texts: Sequence[str]) -> list[str | None]:
        """For each text why it is to be dropped, in a few words that many texts share; None for one that stays."""
