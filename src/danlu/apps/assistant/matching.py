"""How like a question is to those that were answered before, in numbers that mean the same in every collection."""

import re
import unicodedata
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field, replace
from math import log, sqrt
from typing import TYPE_CHECKING

import numpy as np

from danlu.apps.assistant.folding import key_of, plain
from danlu.apps.assistant.store import Kept, Phrase, phrase_id
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
_RUN = re.compile("[A-Za-z0-9@#_./+-]+")
_OWN = re.compile(r"[0-9]{5}|[^@]@[^@]+\.")
"""What is a customer's own: the number of an order or a telephone, an address of mail."""
_MAIL = re.compile(r"(?<![A-Za-z0-9_.+-])[A-Za-z0-9_.+-]++@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)+")
_NAME = re.compile("(?<![0-9])[A-Za-z]{2}(?![A-Za-z0-9])|[A-Za-z]{3,}+(?:[0-9]{1,4}(?![0-9]))?")
"""What of a run with a number may be the name of a thing: in numbers of parcels one or two letters stand."""
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
    """All answers and questions in memory, and how rare their words are.

    - `of_entry`: the questions of an answer; all that were kept of the same text have theirs under the first of them.
    - `numbered`: questions with a digit, which may be about one thing of many.
    """

    entries: dict[str, Kept] = field(default_factory=dict)
    phrases: dict[str, Phrase] = field(default_factory=dict)
    of_entry: dict[str, list[str]] = field(default_factory=dict)
    words: dict[str, Counter[str]] = field(default_factory=dict)
    replies: dict[str, frozenset[str]] = field(default_factory=dict)
    having: Counter[str] = field(default_factory=Counter)
    numbered: set[str] = field(default_factory=set)
    _firsts: dict[str, str] = field(default_factory=dict)
    _same: dict[str, str] = field(default_factory=dict)
    _twins: dict[str, list[str]] = field(default_factory=dict)
    _lengths: dict[str, float] = field(default_factory=dict)
    _rarities: dict[str, float] = field(default_factory=dict)

    def add(self, entries: Iterable[Kept], phrases: Iterable[Phrase]) -> None:
        """Know these too; a question that is not offered any more is forgotten."""
        self._lengths, self._rarities = {}, {}
        for entry in entries:
            key = key_of(entry.answer)
            first = self._same[entry.id] = self._firsts.setdefault(key, entry.id)
            self._twins.setdefault(first, []).append(entry.id)
            self.entries[entry.id] = entry
            self.replies[entry.id] = frozenset(tokens(entry.answer))
            if first != entry.id and plain(self.entries[first].answer) != key == plain(entry.answer):
                self.entries[first] = replace(self.entries[first], answer=entry.answer)  # instead of HTML
                self.replies[first] = self.replies[entry.id]
        for phrase in phrases:
            self._forget(phrase.id)
            if phrase.offered:
                first = self.first(phrase.entry)
                self.phrases[phrase.id] = replace(phrase, entry=first)
                self.of_entry.setdefault(first, []).append(phrase.id)
                if any(map(str.isdigit, phrase.text)):
                    self.numbered.add(phrase.id)
                self.words[phrase.id] = Counter(tokens(phrase.text))
                self.having.update(self.words[phrase.id].keys())

    def first(self, entry: str) -> str:
        """The first that was kept of the same text: earlier versions kept one for each intent."""
        return self._same.get(entry, entry)

    def alike(self, name: str) -> frozenset[str]:
        """A question, and those of other entries of the same answer that say the same."""
        phrase = self.phrases.get(name)
        twins = [] if phrase is None else [phrase_id(each, phrase.text) for each in self._twins.get(phrase.entry, [])]
        return frozenset([name, *(each for each in twins if each in self.phrases)])

    def holds(self, word: str) -> bool:
        """Whether any question or answer has a word."""
        return self.having[word] > 0 or any(word in reply for reply in self.replies.values())

    def _forget(self, name: str) -> None:
        if (phrase := self.phrases.pop(name, None)) is not None:
            self.of_entry[phrase.entry].remove(name)
            self.having.subtract(self.words.pop(name).keys())
            self.numbered.discard(name)

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


@dataclass(frozen=True)
class _Question:
    """A question as it is compared: its words, how much each tells, and those that `matter` as they do not only ask.

    - `whole`: weight of these together; `length`: of the vector of all.
    """

    words: Counter[str]
    weight: dict[str, float]
    matter: Set[str]
    whole: float
    length: float

    @classmethod
    def read(cls, known: Known, text: str) -> "_Question":
        words = Counter(tokens(text))
        weight = {word: known.rarity(word) for word in words}
        matter = words.keys() & set(tokens(content(text)))
        whole = sum(weight[word] for word in matter) or 1.0
        return cls(words, weight, matter, whole, known.length_of(words))

    def share(self, there: Set[str]) -> float:
        """The weight of the words that stand there, as a share of all that matter."""
        return sum(self.weight[word] for word in self.matter & there) / self.whole


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
        known = self.known
        entries_aside = {*map(known.first, entries_aside)}
        best: dict[str, float] = {}
        cosines: dict[str, float] = {}
        words: dict[str, float] = {}
        seen: dict[str, set[str]] = {}
        more = len(phrases_aside) + sum(len(known.of_entry.get(entry, ())) for entry in entries_aside)
        for side, limit in (("question", WIDE), ("answer", NARROW)):
            for found in self.index.search(question, limit=limit + min(more, limit), where={"side": side}):
                entry = known.first(found.facts["entry"])
                if entry in entries_aside or entry not in known.entries:
                    continue
                seen.setdefault(entry, set())
                best[entry] = max(best.get(entry, 0.0), found.ways.get("rank", 0.0))
                name = found.document.partition(":")[2]
                if side == "question" and name in known.phrases and name not in phrases_aside:
                    seen[entry].add(name)
                    words[entry] = max(words.get(entry, 0.0), found.ways.get("lexical", 0.0))
                    if "vector" in found.ways:
                        cosines[name] = max(found.ways["vector"], cosines.get(name, -1.0))
        for entry, names in seen.items():
            if not names:  # found by its answer: the questions of it are looked at as well
                names.update([each for each in known.of_entry.get(entry, []) if each not in phrases_aside][:NEAR])
        seen = {entry: names for entry, names in seen.items() if names}
        missing = sorted(name for names in seen.values() for name in names if name not in cosines)
        cosines |= self._cosines(question, missing)
        highest = max(words.values(), default=0.0) or 1.0
        shares = {entry: score / highest for entry, score in words.items()}
        return self._measured(question, seen, {"rank": best, "words": shares}, cosines)

    def _measured(
        self, question: str, seen: dict[str, set[str]], said: dict[str, dict[str, float]], cosines: dict[str, float]
    ) -> list[Candidate]:
        known, asked = self.known, _Question.read(self.known, question)
        told = _without_own(known, question)
        bare = asked if told == question else _Question.read(known, told)
        there = {entry: [cosines[name] for name in names if name in cosines] for entry, names in seen.items()}
        vectors = {entry: max(each) for entry, each in there.items() if each}
        lowest = min(vectors.values(), default=0.0)
        span = max(vectors.values(), default=0.0) - lowest or 1.0
        found = []
        for entry, names in seen.items():
            as_like = {name: asked if name in known.numbered else bare for name in sorted(names)}
            likes = {name: _cosine(known, each, name) for name, each in as_like.items()}
            best = max(likes, key=lambda name: (likes[name] + cosines.get(name, 0.0), name))
            features = {
                "asked": max(likes.values()),
                "covered": max(each.share(known.words[name].keys()) for name, each in as_like.items()),
                "reply": bare.share(known.replies[entry]),
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


def _cosine(known: Known, asked: _Question, name: str) -> float:
    """Cosine of tf-idf vectors (Salton and Buckley, 1988)."""
    words = known.words[name]
    shared = asked.words.keys() & words.keys()
    dot = sum(asked.weight[word] ** 2 * _often(asked.words[word]) * _often(words[word]) for word in shared)
    return dot / (asked.length * known.length(name))


def _without_own(known: Known, question: str) -> str:
    """The question without numbers and addresses that are the customer's own; they stay where anything known has one.

    Names of things that are joined to them stay; all of it where nothing else is in it.
    """

    def told(run: re.Match[str]) -> str:
        own = [word for word in tokens(run[0]) if _OWN.search(word)]
        if not _OWN.search(run[0]) or any(map(known.holds, own)):
            return run[0]
        left = _MAIL.sub(" ", run[0])
        return " ".join(["", *_NAME.findall(left), ""]) if _OWN.search(left) else left

    left = _RUN.sub(told, unicodedata.normalize("NFKC", question))
    return left if any(map(str.isalnum, left)) else question
