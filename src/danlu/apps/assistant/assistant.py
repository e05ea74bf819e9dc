"""A customer service: questions answered by what was answered before, or handed over to a person."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from danlu.apps.assistant import conversations as talk
from danlu.apps.assistant import judging, versions
from danlu.apps.assistant.changes import marks
from danlu.apps.assistant.finding import Finder
from danlu.apps.assistant.folding import plain
from danlu.apps.assistant.handing_over import hand_over, summary
from danlu.apps.assistant.matching import Candidate, Known
from danlu.apps.assistant.ranking import Placed
from danlu.apps.assistant.store import Store
from danlu.apps.assistant.tickets import LONGEST_QUESTION, shown
from danlu.apps.assistant.words import said
from danlu.apps.assistant.writing import passages_of, written
from danlu.data.characters.languages import language_of
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering
    from danlu.bundle.bundle import Bundle
    from danlu.index.document import Document

GOES_ON = 0.4
"""Share of a question's rare words that must stand in what is found by it and the question before together."""
LIKELY = 0.3
"""How sure of an answer it must be to tell its intent, though it is not given."""
SHOWN = 3
"""Answers that are told beside the first."""


@dataclass(frozen=True)
class Models:
    """Bundles that may help; each may be left out.

    - `embedder`, `ranker`: of the tasks `embed` and `rank`; `generator`: writes where no past answer fits.
    - `intents`: of `classify`: what a question is about.
    """

    embedder: "Answering | None" = None
    ranker: "Answering | None" = None
    generator: "Answering | None" = None
    intents: "Answering | None" = None


@dataclass(frozen=True)
class Answer:
    """What is answered; `sure`: how probably `entry` is right, `begun`: whether the conversation is a new one.

    - `kind`: 'past', 'written' or 'person'; `cites`: the past answers that the text comes from.
    - `nearest`: past answers that are likest, whether they were given or not.
    """

    turn: str
    session: str
    begun: bool
    kind: str
    text: str
    language: str
    intent: str
    sure: float
    version: int
    entry: str | None = None
    cites: list[dict[str, Any]] = field(default_factory=list)
    nearest: list[dict[str, Any]] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


class Assistant:
    """What answers; may be asked by several threads."""

    def __init__(
        self,
        store: Store,
        folder: str | Path,
        models: Models | None = None,
        patience: talk.Patience | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Answer from a database, with an index in a folder.

        Raises:
            Refusal: the index or a tuned bundle cannot be opened, or that does not answer as it did.
        """
        self.store, self.folder, self.now = store, Path(folder), now
        self.models, self.patience = models or Models(), patience or talk.Patience()
        self._asking, self._changing = threading.RLock(), threading.Lock()
        self._tuned: Bundle | None = None
        with store.reading() as connection:
            self.version = versions.serving(connection)
            self._seen = marks(connection)
            self._wrong = judging.wrong(connection)
        self.finder = self._opened(self.version)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the index and of a tuned bundle; the database and the given bundles stay open."""
        self.finder.close()
        if self._tuned is not None:
            self._tuned.close()

    @property
    def embedder(self) -> "Answering | None":
        """What tells vectors: that of the version, or the given one."""
        return self._tuned or self.models.embedder

    def ask(self, question: str, session: str | None = None, language: str | None = None) -> Answer:
        """Answer a question within a conversation; without one, or where it is over, a new one begins.

        Raises:
            Refusal: there is no question, or it is too long; or the database does not answer.
        """
        question = _checked(question, language or "en")
        language = language or language_of(question)
        with self.store.begin() as connection:
            there, begun = talk.session_of(connection, session, self.now(), self.patience, language)
            turns = talk.turns_of(connection, there.id)
        with self._asking:
            (sought, placed), known = self.found(question, turns), self.finder.known
        kind, entry, text, cites = self._answered(sought, placed, known, language)
        return self._kept(there.id, begun, question, sought, kind, entry, text, cites, placed, known, language)

    def found(self, question: str, turns: Sequence[talk.Turn] = ()) -> tuple[str, Placed]:
        """What is sought for a question, and past answers in order.

        A question that alone leads to nothing is sought together with the one before; what is found so must have to do
        with its own words, and be another answer than the one that was given.
        """
        placed = self.placed(question)
        before = next((turn for turn in reversed(turns) if turn.kind == talk.PAST), None)
        if placed.given or before is None or before is not turns[-1]:
            return question, placed
        both = f"{before.question} {question}"[:LONGEST_QUESTION]
        joined = self.placed(both, frozenset([before.entry or ""]))
        if joined.given:
            with self._asking:
                own = next(
                    (each for each in self.finder.candidates(question) if each.entry == joined.candidates[0].entry),
                    None,
                )
            if own is not None and max(own.features["covered"], own.features["reply"]) >= GOES_ON:
                return both, joined
        return question, placed

    def placed(self, question: str, aside: frozenset[str] = frozenset()) -> Placed:
        """Past answers in order, without those `aside` and those that were called wrong for this question."""
        with self._asking:
            wrong = self._wrong.answers.get(plain(question), frozenset())
            return self.version.ranking.placed(self.finder.candidates(question, entries_aside=aside | wrong))

    def person(self, session: str, language: str | None = None) -> Answer:
        """Hand a conversation over because the customer wants it, also one that is over.

        Raises:
            Refusal: there is no such conversation.
        """
        with self.store.begin() as connection:
            there, begun = talk.session_of(connection, session, self.now(), self.patience, language or "en", over=True)
            turns = talk.turns_of(connection, there.id)
            if begun or not turns:
                raise Refusal("there is no such conversation; ask a question first")
        language, last = language or there.language, turns[-1]
        with self._asking:
            placed, known = self.placed(last.sought), self.finder.known
        text = said("asked_person", language)
        return self._kept(
            there.id, begun, last.question, last.sought, talk.PERSON, None, text, [], placed, known, language, "asked"
        )

    def judge(self, turn: str, verdict: str, answer: str | None = None, caller: str | None = None) -> int:
        """Keep what somebody says of an answer; what follows from it holds for the next question.

        Raises:
            Refusal: see `judging.judge`.
        """
        with self.store.begin() as connection:
            before = marks(connection) if caller != judging.CUSTOMER else None
            changed = judging.judge(connection, turn, verdict, answer, caller, self.now())
            if before is None:
                return changed.number
            wrong, seen = judging.wrong(connection), marks(connection)
        with self._changing:
            self.finder.take(changed.entries, changed.phrases)
            self._wrong = wrong
            if before == self._seen:  # nothing else has changed, so all need not be read anew
                self._seen = seen
        return changed.number

    def refresh(self) -> bool:
        """Take over what other processes have changed: another version, tickets, judgements. Tells if there was any."""
        with self._changing:  # of two who open a version at once, one would never be closed
            with self.store.reading() as connection:
                version, seen = versions.serving(connection), marks(connection)
                wrong = judging.wrong(connection) if seen != self._seen else self._wrong
            if version.number == self.version.number and seen == self._seen:
                return False
            if version.number != self.version.number:
                old, tuned = self.finder, self._tuned
                found = self._opened(version)
                with self._asking:
                    self.finder, self.version, self._wrong = found, version, wrong
                old.close()
                if tuned is not None and tuned is not self._tuned:
                    tuned.close()
            else:
                self.finder.follow(self.store)
                self._wrong = wrong
            self._seen = seen
            return True

    def _opened(self, version: versions.Version) -> Finder:
        """The index of a version, whose own bundle is opened where it has one."""
        tuned = None
        if version.embedder is not None:
            from danlu.bundle.verify import verified  # which brings torch

            tuned = verified(self.folder / version.embedder)
        finder = Finder(self.folder, self.store, tuned or self.models.embedder, self.models.ranker, self._asking)
        self._tuned = tuned
        return finder

    def _answered(
        self, sought: str, placed: Placed, known: Known, language: str
    ) -> tuple[str, str | None, str, list[dict[str, Any]]]:
        """How it is answered, by which entry, in which words, and what these cite."""
        if placed.given:
            first = placed.candidates[0]
            return talk.PAST, first.entry, known.entries[first.entry].answer, [_told(known, first)]
        return self._written(sought) or (talk.PERSON, None, said("person", language), [])

    def _written(self, sought: str) -> tuple[str, str | None, str, list[dict[str, Any]]] | None:
        """What the generator writes, unless what it wrote for this question was called wrong."""
        if self.models.generator is None or plain(sought) in self._wrong.written:
            return None
        from danlu.apps.grounded.write import GIVEN

        with self._asking:
            known, wrong = self.finder.known, self._wrong.answers.get(plain(sought), frozenset())
            passages = passages_of(self.finder, sought, wrong, GIVEN)
        found = written(self._document, sought, passages, self.models.generator)  # which may take its time
        if found is None:
            return None
        phrases = {entry: next(iter(known.of_entry.get(entry, ())), "") for entry in found.entries}
        cites = [_told(known, Candidate(entry, phrase, {})) for entry, phrase in phrases.items()]
        return talk.WRITTEN, None, found.text, cites

    def _document(self, name: str) -> "Document | None":
        """A document as it is now, in the index that is open now."""
        with self._asking:
            return self.finder.index.document(name)

    def _intent(self, question: str, placed: Placed, known: Known, entry: str | None) -> str:
        if entry is not None and (named := known.entries[entry].intent):
            return named
        if self.models.intents is not None:
            return str(self.models.intents.predict([question])[0].get("label", ""))
        return known.entries[placed.candidates[0].entry].intent if placed.sure > LIKELY else ""

    def _kept(
        self, session: str, begun: bool, question: str, sought: str, kind: str, entry: str | None, text: str,
        cites: list[dict[str, Any]], placed: Placed, known: Known, language: str, why: str = "unsure",
    ) -> Answer:  # fmt: skip
        """Keep the turn, and the handing over where it comes to that, in one transaction."""
        nearest = [_told(known, each) for each in placed.candidates[:SHOWN] if each.related]
        intent, now = self._intent(question, placed, known, entry), self.now()
        with self.store.begin() as connection:
            there, _ = talk.session_of(connection, session, now, self.patience, language, over=why == "asked")
            turns = talk.turns_of(connection, there.id)
            name, handover = talk.new_id(), there.handover
            if kind == talk.PERSON:
                text = said("still_person", language) if handover and why == "unsure" else text
                rejected = judging.rejected(connection, {turn.id for turn in turns})
                told = summary(turns, question, why, language, intent, rejected, nearest)
                handover = hand_over(connection, there, told, name, now)
            turn = talk.Turn(
                name, there.id, there.turns + 1, now, question, sought, kind, entry, text, placed.sure,
                self.version.number, nearest,
            )  # fmt: skip
            talk.add_turn(connection, there, turn, handover)
        return Answer(
            name, there.id, begun or there.id != session, kind, text, language, intent, placed.sure,
            self.version.number, entry, cites, nearest,
        )  # fmt: skip


def _told(known: Known, candidate: Candidate) -> dict[str, Any]:
    entry, phrase = known.entries[candidate.entry], known.phrases.get(candidate.phrase)
    question = phrase.text if phrase is not None else ""  # it was taken back meanwhile
    return {"entry": entry.id, "question": question, "answer": entry.answer, "intent": entry.intent}


def _checked(question: str, language: str) -> str:
    """The question without marks that no page shows."""
    text = shown(question)
    if not any(sign.isalnum() for sign in text):
        raise Refusal(said("no_question", language))
    if len(text) > LONGEST_QUESTION:
        raise Refusal(f"the question has {len(text):,} characters, and {LONGEST_QUESTION:,} are read; shorten it")
    return text
