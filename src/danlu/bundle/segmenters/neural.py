"""Any bundle of the task tag: the spans that it finds are the words (character tagging; Xue, 2003).

It needs bundles, which lie on a higher floor than the other segmenters, and joins them through an entry point.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
from pydantic import Field

from danlu.bundle.bundle import Bundle, load
from danlu.data.characters.scripts import SPACE, kinds_of
from danlu.data.characters.side_by_side import Bools, Characters
from danlu.refusal import Refusal
from danlu.task.tagger import Tagger
from danlu.text.segmenting.segmenter import Segmenter, open_segmenter
from danlu.text.segmenting.segmenters.ngram import Ngram

Stretch = tuple[int, int]


class Neural(Segmenter):
    """A trained tagger; every span that it marks is a word, and so is what lies between two.

    A tagger knows what may be a word, an n-gram model what words there are: together they find more than each alone.
    On the held-out tenth of the People's Daily F1 is 0.953, 0.957 and 0.967 (2026-11, `benchmarks/segmentation.py`).
    """

    path: str = Field(description="folder of a bundle of the task tag")
    words: str | None = Field(
        default=None, description="folder of a trained segmenter of kind ngram, which has as much of a say"
    )
    precision: str | None = Field(default=None, description="auto, float32 or bfloat16; as the bundle says")

    def inputs(self) -> list[str]:
        """The bundle, and the other segmenter."""
        return [self.path] if self.words is None else [self.path, self.words]

    def begins(self, given: Characters) -> Bools:
        """Where a word begins; see `Segmenter.begins`."""
        space = kinds_of(given.codes) == SPACE
        stretches = list(pairwise(given.first.tolist()))
        filled = [(start, end) for start, end in stretches if not space[start:end].all()]
        if self._ngram is not None:
            return self._ngram.begins_with(given, self._shares(given, filled))
        found: Bools = space != np.roll(space, 1)
        form = self._bundle.task.form
        records = ({"text": given.whole[start:end]} for start, end in filled)
        for (start, end), prediction in zip(filled, self._bundle.predictor.stream(records), strict=True):
            edges = [edge for first, last, _ in form.value(prediction) for edge in (first, last)]
            inner = start + np.array(edges, np.int64)
            found[inner[inner < end]] = True
        return found

    def _shares(self, given: Characters, filled: Sequence[Stretch]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """The probability that a word begins at each character, (N,)."""
        task, found = self._bundle.task, np.zeros(len(given.codes))
        assert isinstance(task, Tagger)
        records = [{"text": given.whole[start:end]} for start, end in filled]
        every = zip(filled, records, self._bundle.predictor.outputs(records), strict=True)
        for (start, end), record, (outputs, windows) in every:
            found[start:end] = task.beginnings(outputs, windows, record)
        return found

    @cached_property
    def _bundle(self) -> Bundle:
        bundle = load(self.path, self.precision)
        if not isinstance(bundle.task, Tagger):
            raise Refusal(
                f"{bundle.folder}: is a bundle of the task '{bundle.task.kind}', which finds no words; give one of the "
                "task tag that was trained on segmented text"
            )
        if self.words is not None and bundle.predictor.rewriters:
            raise Refusal(
                f"{bundle.folder}: rewrites its texts ({', '.join(part.kind for part in bundle.predictor.rewriters)}), "
                "so that its characters are not those of 'words'; leave 'words' out, or train without cleaners"
            )
        return bundle

    @cached_property
    def _ngram(self) -> Ngram | None:
        if self.words is None:
            return None
        found = open_segmenter(self.words)
        if not isinstance(found, Ngram):
            raise Refusal(f"{self.words}: is a segmenter of kind '{found.kind}'; 'words' takes one of kind ngram")
        return found
