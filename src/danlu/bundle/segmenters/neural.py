"""Any bundle of the task tag: the spans that it finds are the words (character tagging; Xue, 2003).

It needs bundles, which lie on a higher floor than the other segmenters, and joins them through an entry point.
"""

from functools import cached_property
from itertools import pairwise

import numpy as np
from pydantic import Field

from danlu.bundle.bundle import Bundle, load
from danlu.data.characters import Bools, Characters
from danlu.data.scripts import SPACE, kinds_of
from danlu.refusal import Refusal
from danlu.text.segmenter import Segmenter


class Neural(Segmenter):
    """A trained tagger; every span that it marks is a word, and so is what lies between two."""

    path: str = Field(description="folder of a bundle of the task tag")
    precision: str | None = Field(default=None, description="auto, float32 or bfloat16; as the bundle says")

    def begins(self, given: Characters) -> Bools:
        """Where a word begins; see `Segmenter.begins`."""
        space = kinds_of(given.codes) == SPACE
        found: Bools = space != np.roll(space, 1)
        borders = given.first.tolist()
        spans = list(pairwise(borders))
        filled = [(start, end) for start, end in spans if not space[start:end].all()]
        records = ({"text": given.whole[start:end]} for start, end in filled)
        for (start, end), prediction in zip(filled, self._bundle.predictor.stream(records), strict=True):
            edges = [edge for entity in prediction["entities"] for edge in (entity["start"], entity["end"])]
            inner = start + np.array(edges, np.int64)
            found[inner[inner < end]] = True
        return found

    @cached_property
    def _bundle(self) -> Bundle:
        bundle = load(self.path, self.precision)
        if bundle.task.kind != "tag":
            raise Refusal(
                f"{bundle.folder}: is a bundle of the task '{bundle.task.kind}', which finds no words; give one of the "
                "task tag that was trained on segmented text"
            )
        return bundle
