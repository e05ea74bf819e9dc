"""The next version, learnt from what people have said; it answers only if it does no worse than the one before."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import danlu
from danlu.apps.assistant import judging, versions
from danlu.apps.assistant.assistant import Assistant
from danlu.apps.assistant.finding import WORDS, Finder, fingerprint
from danlu.apps.assistant.made import Case, made_cases
from danlu.apps.assistant.matching import Candidate, Known, Matcher
from danlu.apps.assistant.ranking import LEAST, MADE, OUTSIDE, Examined, Ranking, fitted
from danlu.apps.assistant.tuning import tuned
from danlu.machine.alone import alone_in
from danlu.refusal import Refusal

HELD_OUT = 0.3
"""Share of the questions by which versions are compared, and from which none learns."""


@dataclass(frozen=True)
class Compared:
    """What a version makes of questions whose answer is known.

    - `hit`: share whose first candidate is right, answered or not; `answered`, `precision`: of those with an answer
      here; `refused`: share of those without one that are handed over.
    - `score`: right answers less wrong ones, of all questions, by which versions are compared.
    """

    questions: int
    hit: float
    answered: float
    precision: float
    refused: float
    score: float

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {name: None if math.isnan(value) else round(value, 4) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Retrained:
    """The version that was made, what it and the one before reach on the same questions, and whether it answers now."""

    version: versions.Version
    served: bool
    before: Compared
    after: Compared
    judged: int


def retrain(
    assistant: Assistant,
    *,
    tune: bool = False,
    outside: float = OUTSIDE,
    say: Callable[[str], None] = lambda _line: None,
) -> Retrained:
    """Fit order and threshold anew, with a tuned embedder where that is wanted, and compare; both versions stay.

    Whatever ends the process before the last step, the old version goes on answering.

    Raises:
        Refusal: another process retrains here; or no tickets are known. See `danlu.run`.
    """
    if not assistant.finder.known.entries:
        raise Refusal("no tickets are known yet; give some first: danlu app assistant add FILE")
    with alone_in(assistant.folder / "retrain"):
        assistant.refresh()
        if assistant.embedder is None and assistant.version.ranking.bar.models not in (None, WORDS):
            raise Refusal("the version that answers was fitted with an embedder; give it with --embedder")
        old, store = assistant.version, assistant.store
        with store.reading() as connection:
            judged = judging.judgements(connection)
            number = max([version.number for version in versions.all_of(connection)], default=0) + 1
        cases = [*cases_of(judged, assistant.finder.known), *made_cases(assistant.finder.known, seed=0)]
        learnt = [case for case in cases if not case.held_out(HELD_OUT)]
        held = [case for case in cases if case.held_out(HELD_OUT)]
        say(f"{len(judged):,} judged answers; {len(learnt):,} questions to learn from, {len(held):,} to compare on")
        finder, place, bundle = assistant.finder, old.embedder, None
        if tune and assistant.embedder is not None:
            path = tuned(
                assistant.embedder, finder.known, judged, held, assistant.folder / "versions" / str(number), say
            )
            place = path.relative_to(assistant.folder).as_posix()
            bundle = danlu.load(path)
            finder = Finder(assistant.folder, store, bundle, assistant.models.ranker)
        try:
            models = fingerprint(bundle or assistant.embedder)
            ranking = fitted(examined(finder, learnt), old.ranking, outside, models)
            known = examined(assistant.finder, held)
            before = compared(old.ranking, known)
            after = compared(ranking, known if bundle is None else examined(finder, held))
        finally:
            if bundle is not None:
                finder.close()
                bundle.close()
        better = len(learnt) >= LEAST and (old.number == 0 or after.score >= before.score)
        told = {"before": before.plain(), "after": after.plain(), "judged": len(judged), "against": old.number}
        told["answers"] = len(finder.known.entries)
        version = versions.Version(number, assistant.now(), ranking, place, told | {"served": better, "tuned": tune})
        with store.begin() as connection:
            versions.keep(connection, version, better)
        assistant.refresh()
        return Retrained(version, better, before, after, len(judged))


def cases_of(judged: Sequence[judging.Judgement], known: Known) -> list[Case]:
    """Questions whose right answer somebody has told; what was kept of each is left out, or it would find itself."""
    return [
        Case(each.question, each.entry, known.alike(each.phrase) if each.phrase else frozenset(), judged=True)
        for each in judged
        if each.entry is not None
    ]


def examined(matcher: Matcher, cases: Sequence[Case]) -> list[Examined]:
    """The candidates of each question; one whose right answer has no question left without its own is left out."""
    found: list[Examined] = []
    for case in cases:
        right = None if case.right is None else matcher.known.first(case.right)
        there = [name for name in matcher.known.of_entry.get(right or "", []) if name not in case.phrases_aside]
        if right is None or there:
            found.append(Examined(candidates_of(matcher, case), right, 1.0 if case.judged else MADE))
    return found


def candidates_of(matcher: Matcher, case: Case) -> list[Candidate]:
    """The candidates of a question, without what is to be left out."""
    return matcher.candidates(case.question, case.phrases_aside, case.entries_aside)


def compared(ranking: Ranking, cases: Sequence[Examined]) -> Compared:
    """What a ranking makes of questions."""
    hits = answered = right = refused = wrong = 0
    inside = sum(case.right is not None for case in cases)
    for candidates, truth, _ in cases:
        placed = ranking.placed(candidates)
        first = placed.candidates[0].entry if placed.candidates else None
        given = placed.given
        hit = truth is not None and first == truth
        hits += hit
        right += given and hit
        wrong += given and not hit
        answered += given and truth is not None
        refused += not given and truth is None
    outside = len(cases) - inside

    def share(count: int, of: int) -> float:
        return count / of if of else math.nan

    return Compared(
        len(cases), share(hits, inside), share(answered, inside), share(right, answered), share(refused, outside),
        share(right - wrong, len(cases)),
    )  # fmt: skip
