"""Word bigrams over a lattice of known words; what is unknown is spelt by the model of characters.

Bigrams: Kneser and Ney (1995). The lattice and its best path: Viterbi (1967). Unknown words are those that the hidden
Markov model of characters proposes, with the probability that it spells them with.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from pydantic import Field

from danlu.data.characters.scripts import plain_forms
from danlu.data.characters.side_by_side import Bools, Characters, Numbers, characters
from danlu.text.segmenting.character_model import CharacterModel, Floats, Reals, learn_characters
from danlu.text.segmenting.character_path import word_begins
from danlu.text.segmenting.lattice import Lattice, best_begins, lattice
from danlu.text.segmenting.lexicon import Lexicon, lexicon
from danlu.text.segmenting.pieces import Pieces, cut_pieces, within_runs
from danlu.text.segmenting.segmenter import Arrays, Learner
from danlu.text.segmenting.word_model import BORDER, UNKNOWN, WordModel, learn_words

_FIRST_WORD = UNKNOWN + 1
_DOUBT = 1e-4  # no other model is surer than that: it may never have seen the word that is meant


class Ngram(Learner):
    """The likeliest sequence of words by how often each follows another, learnt from segmented text."""

    spelling: float = Field(
        default=0.8, gt=0, le=2, description="weight of an unknown word's characters; less finds more unknown words"
    )

    def learn(self, sentences: Sequence[Sequence[str]]) -> Arrays:
        """Words, pairs of words, and characters; see `Learner.learn`."""
        counts = Counter(word for sentence in sentences for word in sentence)
        alike = dict(zip(counts, _folded(list(counts)), strict=True))
        number = {word: place for place, word in enumerate(sorted(set(alike.values())), _FIRST_WORD)}
        numbered = [[number[alike[word]] for word in sentence] for sentence in sentences]
        words = learn_words(numbered, len(number) + _FIRST_WORD)
        tree = lexicon(list(number))
        return tree.to_arrays() | words.to_arrays() | learn_characters(sentences).to_arrays()

    def begins(self, given: Characters) -> Bools:
        """Where a word begins; see `Segmenter.begins`."""
        return self.begins_with(given, None)

    def begins_with(self, given: Characters, shares_N: Reals | None) -> Bools:
        """Where a word begins, if another model gives each character the probability `shares_N` to begin one.

        Both models count alike, their log-probabilities added (products of experts: Hinton, 2002).
        """
        model = self._model
        pieces = cut_pieces(given, model.characters.alone_table)
        scores_N8 = model.characters.scores(given.codes, pieces.fresh)
        inside = within_runs(given)
        proposed = word_begins(scores_N8, pieces) & ~inside
        proposals = [proposed] if shares_N is None else [proposed, (shares_N > 0.5) & ~inside]
        ways = _lattice(model.tree, given, pieces, proposals, ~inside)
        edge_E = np.where(
            ways.word == UNKNOWN, np.float32(self.trained.spelling) * _spelt(ways, scores_N8), np.float32(0)
        )
        if shares_N is not None:
            edge_E += _shared(ways, shares_N)
        before_P, after_P = self._around(given, pieces)
        first_E = np.full(len(edge_E), -np.inf, np.float32)
        firsts = np.flatnonzero(ways.place == 0)
        first_E[firsts] = model.words.scores(before_P[ways.start[firsts]], ways.word[firsts])
        last_E = np.full(len(edge_E), -np.inf, np.float32)
        lasts = np.flatnonzero(np.isin(ways.end, pieces.end))
        last_E[lasts] = model.words.scores(ways.word[lasts], after_P[ways.end[lasts]])
        pair_M = model.words.scores(ways.word[ways.before], ways.word[ways.after])
        found = pieces.begins.copy()
        best_begins(ways, edge_E, first_E, pair_M, last_E, found)
        return found & ~inside

    def _around(self, given: Characters, pieces: Pieces) -> tuple[Numbers, Numbers]:
        """The word before a piece that begins in a place, and after one that ends there, (N + 1,) each."""
        alone = self._model.alone[given.codes]
        before, after = np.full(len(alone) + 1, BORDER), np.full(len(alone) + 1, BORDER)
        before[1:] = alone
        before[:-1][pieces.fresh] = BORDER
        after[:-1] = np.where(pieces.fresh, BORDER, alone)
        return before, after

    @cached_property
    def _model(self) -> "_Model":
        return self.known_as(_model_of)


@dataclass(frozen=True)
class _Model:
    """What was learnt, and the word that a character is by itself where it always is, by code point."""

    tree: Lexicon
    characters: CharacterModel
    words: WordModel
    alone: Numbers


def _model_of(arrays: Arrays) -> _Model:
    tree, words = Lexicon.from_arrays(arrays), CharacterModel.from_arrays(arrays)
    model = WordModel.from_arrays(arrays)
    if int(tree.words.max(initial=0)) + _FIRST_WORD >= len(model.single):
        raise ValueError("the array 'lexicon_words' points outside of the model")
    alone = np.full(len(plain_forms()), UNKNOWN)
    places = np.arange(len(words.alone))
    singles = tree.matches(words.alone, places + 1, places)
    alone[words.alone[singles.start]] = singles.word + _FIRST_WORD
    return _Model(tree, words, model, alone[plain_forms()])


def _folded(words: list[str]) -> list[str]:
    """Words as `danlu.data.characters.scripts.plain_forms` takes their characters."""
    given = characters(words)
    whole = plain_forms()[given.codes].tobytes().decode("utf-32-le", "surrogatepass")
    borders = given.first.tolist()
    return [whole[start:end] for start, end in pairwise(borders)]


def _lattice(tree: Lexicon, given: Characters, pieces: Pieces, proposals: Sequence[Bools], may_begin: Bools) -> Lattice:
    """Known words, those of proposals where words begin, and the smallest ones that there can be."""
    size = len(given.codes)
    end_N = np.zeros(size, np.int64)
    inside = np.zeros(size + 1, np.int64)
    end_N[pieces.first] = pieces.end
    end_N = np.maximum.accumulate(end_N)
    np.add.at(inside, pieces.first, 1)
    np.add.at(inside, pieces.end, -1)
    within = np.cumsum(inside[:-1]) > 0
    borders = np.append(may_begin | pieces.begins, True)
    known = tree.matches(plain_forms()[given.codes], end_N, np.flatnonzero(borders[:-1] & within))
    fits = borders[known.start + known.length]
    start, length = [known.start[fits]], [known.length[fits]]
    for begins in (*(proposed | pieces.begins for proposed in proposals), borders[:-1]):
        places = np.flatnonzero(begins)
        lengths = np.diff(places, append=size)
        start.append(places[within[places]])
        length.append(lengths[within[places]])
    unknown = np.full(sum(map(len, start[1:])), UNKNOWN)
    words = np.concatenate([known.word[fits] + _FIRST_WORD, unknown])
    return lattice(np.concatenate(start), np.concatenate(length), words, pieces, size)


def _shared(ways: Lattice, shares_N: Reals) -> Floats:
    """Log-probability that each edge's first character begins a word and none after it does, (E,)."""
    sure_N = np.clip(shares_N, _DOUBT, 1 - _DOUBT)
    goes_on = np.concatenate([[0.0], np.cumsum(np.log1p(-sure_N))])
    found: Floats = (np.log(sure_N)[ways.start] + goes_on[ways.end] - goes_on[ways.start + 1]).astype(np.float32)
    return found


def _spelt(ways: Lattice, scores_N8: Floats) -> Floats:
    """Log-probability that the characters of each edge are a word, after the end of another, (E,)."""
    start, last = ways.start, ways.end - 1
    length = ways.end - ways.start
    middles = np.concatenate([[0.0], np.cumsum(scores_N8[:, 6], dtype=np.float64)])
    second, end = np.minimum(start + 1, last), scores_N8[last]
    inner = scores_N8[second, 4] + middles[last] - middles[np.minimum(start + 2, last)] + end[:, 7]
    rest = np.select([length == 1, length == 2], [0.0, end[:, 5]], inner)
    found: Floats = (np.where(length == 1, scores_N8[start, 1], scores_N8[start, 0]) + rest).astype(np.float32)
    return found
