"""A hidden Markov model of the places of characters in words (Xue, 2003; Wang, Zong and Su, 2010).

F1 of the held-out tenth of the People's Daily by the length of the context: 0.816 without one, 0.952 with one
character, 0.955 with two (2026-11, `benchmarks/segmentation.py`).
"""

from collections.abc import Sequence
from functools import cached_property

from pydantic import Field

from danlu.data.characters.side_by_side import Bools, Characters
from danlu.text.segmenting.character_model import CharacterModel, learn_characters
from danlu.text.segmenting.character_path import word_begins
from danlu.text.segmenting.pieces import cut_pieces, within_runs
from danlu.text.segmenting.segmenter import Arrays, Learner


class Hmm(Learner):
    """Begin, middle, end or single: the likeliest places of all characters, learnt from segmented text."""

    context: int = Field(
        default=2, ge=0, le=2, description="characters before one that it depends on; 0: the textbook's model"
    )

    def learn(self, sentences: Sequence[Sequence[str]]) -> Arrays:
        """The probabilities of characters and states; see `Learner.learn`."""
        return learn_characters(sentences, self.context).to_arrays()

    def begins(self, given: Characters) -> Bools:
        """Where a word begins; see `Segmenter.begins`."""
        pieces = cut_pieces(given, self._model.alone_table)
        scores_N8 = self._model.scores(given.codes, pieces.fresh)
        return word_begins(scores_N8, pieces) & ~within_runs(given)

    @cached_property
    def _model(self) -> CharacterModel:
        return self.known_as(CharacterModel.from_arrays)
