"""How like a question is to those that were answered before, in numbers that mean the same in every collection."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from math import log, sqrt
from typing import TYPE_CHECKING

import numpy as np

from danlu.apps.assistant.store import Kept, Phrase
from danlu.apps.grounded.asked import content
from danlu.index.tokens import tokens

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering
    from danlu.index.index import Index

FEATURES = ("asked", "words", "covered", "reply", "vector", "near", "rank")
"""What is told of an answer, each the highest of its questions.

- `asked`: cosine of rare words of the question and of one that was answered.
- `words`: BM25 of that one, as a share of the best here.
- `covered`: share of the question's rare words, without those that only ask, that stand in that one; `reply`: those
  that stand in the answer.
- `vector`: cosine of the vectors of an `embed` bundle; `near`: the same between the lowest, 0, and the highest here, 1.
- `rank`: what a `rank` bundle says. 0 without a bundle, all three.
"""
WIDE, NARROW = 40, 15
"""Passages that are looked at among the questions, and among the answers."""
NEAR = 5
"""Questions that are looked at of an answer that was found by itself."""
_HELD = 50_000
"""Vectors of questions that are kept in memory: with 384 numbers each, 77 MB."""


@dataclass(frozen=True)
class Candidate:
    """An answer that may be meant; `phrase` is the question of it that is most like."""

    entry: str
    phrase: str
    features: dict[str, float]

    @property
    def related(self) -> bool:
        """Whether a word of the question stands in it, or a bundle has looked at it."""
        return any(self.features.get(name, 0.0) > 0 for name in ("covered", "reply", "vector", "rank"))


@dataclass
class Known:
    """All answers and questions in memory, and how rare their words are."""

    entries: dict[str, Kept] = field(default_factory=dict)
    phrases: dict[str, Phrase] = field(default_factory=dict)
    of_entry: dict[str, list[str]] = field(default_factory=dict)
    words: dict[str, Counter[str]] = field(default_factory=dict)
    replies: dict[str, frozenset[str]] = field(default_factory=dict)
    having: Counter[str] = field(default_factory=Counter)
    _lengths: dict[str, float] = field(default_factory=dict)
    _rarities: dict[str, float] = field(default_factory=dict)

    def add(self, entries: Iterable[Kept], phrases: Iterable[Phrase]) -> None:
        """Know these too; a question that is not offered any more is forgotten."""
        self._lengths, self._rarities = {}, {}
        for entry in entries:
            self.entries[entry.id] = entry
            self.replies[entry.id] = frozenset(tokens(entry.answer))
        for phrase in phrases:
            self._forget(phrase.id)
            if phrase.offered:
                self.phrases[phrase.id] = phrase
                self.of_entry.setdefault(phrase.entry, []).append(phrase.id)
                self.words[phrase.id] = Counter(tokens(phrase.text))
                self.having.update(self.words[phrase.id].keys())

    def _forget(self, name: str) -> None:
        if (phrase := self.phrases.pop(name, None)) is not None:
            self.of_entry[phrase.entry].remove(name)
            self.having.subtract(self.words.pop(name).keys())

    def rarity(self, word: str) -> float:
        """How much a word tells (Robertson and Sparck Jones, 1976), of all questions that are known."""
        found = self._rarities.get(word)
        if found is None:
            count = self.having[word]
            found = self._rarities[word] = log(1 + (len(self.phrases) - count + 0.5) / (count + 0.5))
        return found

    def length(self, name: str) -> float:
        """Of the vector of a question: rarities, those of words that stand there more than once more."""
        found = self._lengths.get(name)
        if found is None:
            found = self._lengths[name] = self.length_of(self.words[name])
        return found

    def length_of(self, words: Counter[str]) -> float:
        """The same of any words."""
        return sqrt(sum((self.rarity(word) * _often(count)) ** 2 for word, count in words.items())) or 1.0


class Vectors:
    """Vectors of texts by an `embed` bundle; those of questions that were answered are kept, the last used ones."""

    def __init__(self, embedder: "Answering") -> None:
        self.embedder = embedder
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()

    def of(self, texts: Sequence[str]) -> np.ndarray:
        """(N, E), each of length 1."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._kept]
        for text, told in zip(missing, self.embedder.predict(missing), strict=True):
            self._kept[text] = np.asarray(told["vector"], np.float32)
        found = np.stack([self._kept[text] for text in texts])
        for text in texts:
            self._kept.move_to_end(text)
        while len(self._kept) > _HELD:
            self._kept.popitem(last=False)
        return found


@dataclass
class Matcher:
    """What finds candidates: an index of questions and answers, and what is known of them."""

    known: Known
    index: "Index"
    vectors: Vectors | None = None

    def candidates(
        self, question: str, phrases_aside: Set[str] = frozenset(), entries_aside: Set[str] = frozenset()
    ) -> list[Candidate]:
        """Answers that may be meant, in no order; those `aside` are as if they were not there."""
        if not question.strip():
            return []
        best: dict[str, float] = {}
        cosines: dict[str, float] = {}
        words: dict[str, float] = {}
        seen: dict[str, set[str]] = {}
        more = len(phrases_aside) + sum(len(self.known.of_entry.get(entry, ())) for entry in entries_aside)
        for side, limit in (("question", WIDE), ("answer", NARROW)):
            for found in self.index.search(question, limit=limit + min(more, limit), where={"side": side}):
                entry = found.facts["entry"]
                if entry in entries_aside or entry not in self.known.entries:
                    continue
                seen.setdefault(entry, set())
                best[entry] = max(best.get(entry, 0.0), found.ways.get("rank", 0.0))
                name = found.document.partition(":")[2]
                if side == "question" and name in self.known.phrases and name not in phrases_aside:
                    seen[entry].add(name)
                    words[entry] = max(words.get(entry, 0.0), found.ways.get("lexical", 0.0))
                    if "vector" in found.ways:
                        cosines[name] = max(found.ways["vector"], cosines.get(name, -1.0))
        for entry, names in seen.items():
            if not names:  # found by its answer: the questions of it are looked at as well
                names.update([each for each in self.known.of_entry.get(entry, []) if each not in phrases_aside][:NEAR])
        seen = {entry: names for entry, names in seen.items() if names}
        missing = sorted(name for names in seen.values() for name in names if name not in cosines)
        cosines |= self._cosines(question, missing)
        highest = max(words.values(), default=0.0) or 1.0
        shares = {entry: score / highest for entry, score in words.items()}
        return self._measured(question, seen, {"rank": best, "words": shares}, cosines)

    def _measured(
        self, question: str, seen: dict[str, set[str]], said: dict[str, dict[str, float]], cosines: dict[str, float]
    ) -> list[Candidate]:
        known, asked = self.known, Counter(tokens(question))
        weight = {word: known.rarity(word) for word in asked}
        matter = asked.keys() & set(tokens(content(question)))
        whole = sum(weight[word] for word in matter) or 1.0
        length = known.length_of(asked)
        there = {entry: [cosines[name] for name in names if name in cosines] for entry, names in seen.items()}
        vectors = {entry: max(each) for entry, each in there.items() if each}
        lowest = min(vectors.values(), default=0.0)
        span = max(vectors.values(), default=0.0) - lowest or 1.0
        found = []
        for entry, names in seen.items():
            likes = {name: _cosine(known, asked, weight, length, name) for name in sorted(names)}
            best = max(likes, key=lambda name: (likes[name] + cosines.get(name, 0.0), name))
            covered = max(sum(weight[word] for word in matter & known.words[name].keys()) for name in likes)
            replied = sum(weight[word] for word in matter & known.replies[entry])
            features = {
                "asked": max(likes.values()),
                "covered": covered / whole,
                "reply": replied / whole,
                "vector": vectors.get(entry, 0.0),
                "near": (vectors[entry] - lowest) / span if entry in vectors else 0.0,
                "rank": said["rank"].get(entry, 0.0),
                "words": said["words"].get(entry, 0.0),
            }
            found.append(Candidate(entry, best, features))
        return found

    def _cosines(self, question: str, names: Sequence[str]) -> dict[str, float]:
        if self.vectors is None or not names:
            return {}
        vectors = self.vectors.of([question, *(self.known.phrases[name].text for name in names)])
        return dict(zip(names, (vectors[1:] @ vectors[0]).tolist(), strict=True))


def _often(count: int) -> float:
    return 1.0 + log(count) if count > 1 else 1.0


def _cosine(known: Known, asked: Counter[str], weight: dict[str, float], length: float, name: str) -> float:
    """Cosine of tf-idf vectors (Salton and Buckley, 1988)."""
    words = known.words[name]
    shared = asked.keys() & words.keys()
    dot = sum(weight[word] ** 2 * _often(asked[word]) * _often(words[word]) for word in shared)
    return dot / (length * known.length(name))
