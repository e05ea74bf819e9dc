"""Word by word: each by its likeliest translation, which the training pairs tell (IBM model 1: Brown et al., 1993)."""

import importlib.util
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from danlu.data.characters.word_cutting import Cut, with_spaces, word_borders
from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.refusal import Refusal
from danlu.task.columns import text_in
from danlu.task.task import Prediction, Task

_LONGEST = 60  # words of a pair that is learnt from: the table grows with the product
_NOTHING = ""
"""The word to which those belong that no word of the text gives."""


class WordByWord(Baseline):
    """The likeliest translation of each word in its place; words that training has not shown stay as they are."""

    answer_form: ClassVar[str] = "text"

    words: Cut | None = Field(default=None, description="of Chinese; None: of jieba where it is installed")
    rounds: int = Field(default=5, ge=1, le=50, description="of expectation and maximisation")
    pairs: int = Field(default=50_000, ge=1, description="that are learnt from, at most")

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Learn and predict `{"text"}`; see `Baseline`."""
        self.refuse_other_form(task)
        if not train:
            raise Refusal(
                f"There are no training records, and the baseline '{self.kind}' learns from them; look at the split."
            )
        train = train[: self.pairs]
        cut: Cut = self.words or ("jieba" if importlib.util.find_spec("jieba") else "character")
        read = _words([text_in(record, number) for number, record in enumerate(train)], cut)
        said = _words([task.gold(record, number)[0] for number, record in enumerate(train)], cut)
        lexicon = _learnt(read, said, self.rounds)
        asked = _words([text_in(record, number) for number, record in enumerate(test)], cut)
        return [{"text": with_spaces([lexicon.get(word, word) for word in words])[0]} for words in asked]


def _words(texts: Sequence[str], cut: Cut) -> list[list[str]]:
    """The words of each text without capitals, and what stands between them but for white space."""
    small = [text.lower() for text in texts]
    found = []
    for text, borders in zip(small, word_borders(small, cut), strict=True):
        words, end = list[str](), 0
        for start, stop in [*borders, (len(text), len(text))]:
            words += [*"".join(text[end:start].split()), *([text[start:stop]] if stop > start else [])]
            end = stop
        found.append(words)
    return found


def _learnt(read: Sequence[Sequence[str]], said: Sequence[Sequence[str]], rounds: int) -> dict[str, str]:
    """The likeliest translation of each word.

    Shapes: P places, one for each two words that a pair holds on its two sides; L links, each two different words.
    """
    sources, targets = _numbered(read, [_NOTHING]), _numbered(said, [])
    first, second, owner = _places(read, said, sources, targets)
    keys, links_P = np.unique(first * len(targets) + second, return_inverse=True)
    of_source, of_target = keys // len(targets), keys % len(targets)
    likely_L = np.ones(len(keys))
    for _ in range(rounds):
        shares_P = likely_L[links_P]
        shares_P /= np.bincount(owner, shares_P)[owner]
        counts_L = np.bincount(links_P, shares_P, len(keys))
        likely_L = counts_L / np.bincount(of_source, counts_L)[of_source]
    best = np.lexsort((likely_L, of_source))
    last = np.append(of_source[best][1:] != of_source[best][:-1], True)
    words, meanings = list(sources), list(targets)
    return {words[of_source[link]]: meanings[of_target[link]] for link in best[last] if of_source[link]}


def _numbered(texts: Sequence[Sequence[str]], before: Sequence[str]) -> dict[str, int]:
    return {word: number for number, word in enumerate(dict.fromkeys([*before, *(w for text in texts for w in text)]))}


def _places(
    read: Sequence[Sequence[str]], said: Sequence[Sequence[str]], sources: dict[str, int], targets: dict[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Of each place the word that is read, the one that is said, and which one of all that are said, (P,) each."""
    parts: tuple[list[NDArray[np.int64]], ...] = ([], [], [])
    count = 0
    for text, translation in zip(read, said, strict=True):
        if not translation or max(len(text), len(translation)) > _LONGEST:
            continue
        words = np.array([0, *(sources[word] for word in text)])
        meanings = np.array([targets[word] for word in translation])
        parts[0].append(np.repeat(words, len(meanings)))
        parts[1].append(np.tile(meanings, len(words)))
        parts[2].append(np.tile(count + np.arange(len(meanings)), len(words)))
        count += len(meanings)
    nothing = np.zeros(0, np.int64)
    first, second, owner = (np.concatenate([nothing, *part]) for part in parts)
    return first, second, owner
