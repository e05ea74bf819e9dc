"""Make a segmenter from segmented text, and score it on what was held out."""

import json

from pydantic import Field

from danlu.data.record import Record
from danlu.evaluate.scoring.segmentation import score_segmenter
from danlu.language import translator
from danlu.machine.files import write_text
from danlu.refusal import Refusal
from danlu.stages.sources import Data, bundle_folder, has_split, records_of
from danlu.stages.stage import Place, Stage
from danlu.text.segmenting import segmenter as segmenters
from danlu.text.segmenting.segmented import read_words

SCORES = "words.json"


class SegmenterStage(Stage):
    """Segmented text to a folder `segmenter`, and its scores to `words.json` where there is text to test it on."""

    data: Data | list[Data] = Field(description="segmented text; of prepared data the training split")
    test: Data | list[Data] | None = Field(
        default=None, description="segmented text to score it on; None: the test split of 'data', if it has one"
    )
    segmenter: segmenters.Segmenter

    def run(self, place: Place) -> None:
        """Train, save and score the segmenter; see `Stage.run`. It is saved as a whole, so nothing is resumed."""
        sentences = _sentences(records_of(self.data, "train", place))
        if not sentences:
            raise Refusal("the data has no sentences to learn words from; look at the paths in 'data'")
        folder = place.folder / "segmenter"
        segmenters.save(folder, self._resolved(place), sentences)
        _ = translator(place.language)
        words = sum(map(len, sentences))
        told = _("segmenter {kind}: {words:,} words in {sentences:,} sentences")
        place.say(told.format(kind=self.segmenter.kind, words=words, sentences=len(sentences)))
        held_out = self._held_out(place)
        if not held_out:
            return
        known = {word for sentence in sentences for word in sentence}
        scores = score_segmenter(segmenters.open_segmenter(folder), held_out, known)
        write_text(place.folder / SCORES, json.dumps(scores.to_plain(), indent=1) + "\n")
        place.say(_("words found: F1 {f1:.4f} of {words:,}").format(f1=scores.f1, words=scores.words))

    def _resolved(self, place: Place) -> segmenters.Segmenter:
        """The segmenter with its folders, where those are earlier stages, as paths."""
        folders = {}
        for name in ("path", "words"):
            value = getattr(self.segmenter, name, None)
            if isinstance(value, str) and value.startswith("@"):
                folder = bundle_folder(value, place) if name == "path" else place.path(value)
                folders[name] = str(folder.absolute())
        return self.segmenter.model_copy(update=folders)

    def _held_out(self, place: Place) -> list[list[str]]:
        if self.test is not None:
            sources = self.test if isinstance(self.test, list) else [self.test]
            prepared = [source for source in sources if isinstance(source, str) and ":" not in source]
            records = records_of(prepared, "test", place)
            return _sentences(records + records_of([one for one in sources if one not in prepared], "train", place))
        return _sentences(records_of(self.data, "test", place)) if has_split(self.data, "test", place) else []


def _sentences(records: list[Record]) -> list[list[str]]:
    return [read_words(record, number) for number, record in enumerate(records)]
