"""Answers to the same records with one term in the place of another (Garg et al., 2019; Kusner et al., 2017).

Shapes: C cases, which are a record and one of the terms in it; T terms of a group; R draws.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.alignment import Edit
from danlu.data.characters.word_cutting import Cut
from danlu.data.record import Record
from danlu.evaluate.perturbing.by_parts import Spelled, by_rewriter
from danlu.evaluate.perturbing.terms import Found, Groups, Terms
from danlu.evaluate.scoring.proportion import share_of, widened
from danlu.evaluate.scoring.resample import Draws, interval
from danlu.evaluate.scoring.robustness import Predict, texts_read
from danlu.evaluate.scoring.score import filled, truths
from danlu.evaluate.scoring.side import Side
from danlu.refusal import Refusal
from danlu.task.task import Task

SWAPPED = "swapped"
"""Where `scores.json` tells of it."""

WORST = 20
"""Pairs of terms, and examples, that are told."""


@dataclass(frozen=True)
class Case:
    """A record with a term of a group in it, and the same with each other term of the group in its place."""

    row: int
    group: str
    term: str
    others: dict[str, Record]


def scored_swapped(
    task: Task,
    predict: Predict,
    records: Sequence[Record],
    clean: Side,
    groups: Groups,
    *,
    cut: Cut = "jieba",
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """What each term does to the answers: how many change, and how good they are by term, over the same cases.

    A case stands once for each term of its group, so a difference between terms is that of the term alone. Raises
    what reading and predicting raise.
    """
    if clean.form.of_numbers and clean.form.amount(clean.values[0]) is None:
        raise Refusal(f"answers of the form {clean.form.kind} cannot be compared term by term; leave 'swap' out")
    cases = swapped(task, records, Terms(groups, cut))
    asked = [record for case in cases for record in case.others.values()]
    told: dict[str, Any] = {
        "records": len(records),
        "with_terms": len({case.row for case in cases}),
        "asked": len(asked),
    }
    if not asked:
        return told | {"groups": {}}
    side = filled(task, truths(task, asked), task.examined(predict(asked), asked), {})
    side.refuse_incomplete()
    answers = _answers(cases, clean, side)
    told["answers_changed"] = _changed(cases, answers, clean)
    by_group = {group: [place for place, case in enumerate(cases) if case.group == group] for group in groups}
    told["groups"] = {
        group: _group(
            terms, [cases[place] for place in places], [answers[place] for place in places], clean, resamples, seed
        )
        for group, terms in groups.items()
        if (places := by_group[group])
    }
    told["worst"] = _worst(told["groups"])
    told["examples"] = _examples(records, cases, answers, clean)
    return told


def swapped(task: Task, records: Sequence[Record], terms: Terms) -> list[Case]:
    """The cases of all records: all places of a term take the other one, in every column that the task reads."""
    columns = texts_read(task, records)
    at = [terms.found([_text(record, column) for record in records]) for column in columns]
    found = []
    for row, (record, *hits_of) in enumerate(zip(records, *at, strict=True)):
        places = dict(zip(columns, hits_of, strict=True))
        there = dict.fromkeys((hit.group, hit.term) for hits in places.values() for hit in hits)
        for group, term in there:
            others = {
                other: _with(record, places, term, other, terms) for other in terms.groups[group] if other != term
            }
            found.append(Case(row, group, term, others))
    return found


def _text(record: Record, column: str) -> str:
    text = record.get(column)
    return text if isinstance(text, str) else ""


def _with(record: Record, places: dict[str, list[Found]], term: str, other: str, terms: Terms) -> Record:
    """The record with a term's places taken by another one; marks of characters move with their text."""
    for column, hits in places.items():
        mine = [hit for hit in hits if hit.term == term]
        if mine:
            text = record[column]
            edits: list[Edit] = [
                (hit.start, hit.end, terms.in_place_of(text[hit.start : hit.end], other)) for hit in mine
            ]
            (record,) = by_rewriter(Spelled(edits=_only(text, edits)), [record], column)
    return record


def _only(text: str, edits: list[Edit]) -> Callable[[str], list[Edit]]:
    return lambda given: edits if given == text else []


Answer = tuple[Any, bool]
"""What was answered, and whether it is right."""


def _answers(cases: Sequence[Case], clean: Side, side: Side) -> list[dict[str, Answer]]:
    """The answer of each case under each term."""
    right = side.form.right
    found, place = [], 0
    for case in cases:
        own = clean.values[case.row]
        answers = {case.term: (own, right(clean.gold[case.row], own))}
        for other in case.others:
            answers[other] = (side.values[place], right(side.gold[place], side.values[place]))
            place += 1
        found.append(answers)
    return found


def _is_other(clean: Side, one: Answer, two: Answer) -> bool:
    """Whether two answers differ; of answers that name characters, whether one is right and the other is not."""
    return one[1] != two[1] if clean.form.of_characters else bool(one[0] != two[0])


def _changed(cases: Sequence[Case], answers: Sequence[dict[str, Answer]], clean: Side) -> dict[str, Any] | None:
    """The share of swaps after which the answer is another one; all swaps of a record are one observation."""
    if clean.form.of_numbers:
        return None
    swaps = [(case, each, other) for case, each in zip(cases, answers, strict=True) for other in case.others]
    changed = sum(_is_other(clean, each[case.term], each[other]) for case, each, other in swaps)
    rows = len({case.row for case in cases})
    return share_of(rows * changed / len(swaps), rows).to_plain()


def _group(
    terms: Sequence[str],
    cases: Sequence[Case],
    answers: Sequence[dict[str, Answer]],
    clean: Side,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """The mean score of each term, its difference from the mean of all terms, answers, and pairs."""
    measured = clean.form.of_numbers
    scores_CT = np.array([[_score(clean, each[term]) for term in terms] for each in answers])
    apart_CT = scores_CT - scores_CT.mean(1, keepdims=True)
    rows, own = np.unique([case.row for case in cases], return_inverse=True)  # cases of one record are no two of them
    sums_NT, counts_N = np.zeros((len(rows), len(terms))), np.bincount(own).astype(np.float64)
    np.add.at(sums_NT, own, apart_CT)
    drawn_RT = np.concatenate(
        [times @ sums_NT / (times @ counts_N)[:, None] for times in Draws(len(rows), resamples, seed)]
    )
    by_term: dict[str, Any] = {}
    for place, term in enumerate(terms):
        mean, samples = float(apart_CT[:, place].mean()), drawn_RT[:, place]
        by_term[term] = {
            "cases": sum(case.term == term for case in cases),
            "score": float(scores_CT[:, place].mean()),
            "difference": widened(interval(mean, samples), None if measured else (-1.0, 1.0), len(rows)).to_plain(),
        }
        if clean.form.one_label:
            by_term[term]["answered"] = dict(
                Counter(str(clean.form.told(each[term][0])) for each in answers).most_common(20)
            )
    return {
        "cases": len(cases),
        "score": "answer" if measured else "right",
        "terms": by_term,
        "pairs": [] if measured else _pairs(terms, cases, answers, scores_CT, clean),
    }


def _score(clean: Side, answer: Answer) -> float:
    """What an answer counts for: the number that it is, or whether it is right."""
    amount = clean.form.amount(answer[0])
    return float(answer[1]) if amount is None else amount


def _pairs(
    terms: Sequence[str],
    cases: Sequence[Case],
    answers: Sequence[dict[str, Answer]],
    scores_CT: NDArray[np.float64],
    clean: Side,
) -> list[dict[str, Any]]:
    """Each term that stands in records with each that took its place, the most changed first."""
    found = []
    for one, two in permutations(range(len(terms)), 2):
        mine = [place for place, case in enumerate(cases) if case.term == terms[one]]
        if not mine:
            continue
        changed = sum(_is_other(clean, answers[place][terms[one]], answers[place][terms[two]]) for place in mine)
        found.append(
            {
                "from": terms[one],
                "to": terms[two],
                "cases": len(mine),
                "changed": share_of(changed, len(mine)).to_plain(),
                "difference": float((scores_CT[mine, two] - scores_CT[mine, one]).mean()),
            }
        )
    return sorted(found, key=lambda pair: -pair["changed"]["value"])


def _worst(groups: dict[str, Any]) -> list[dict[str, Any]]:
    """The pairs whose change is surest: by the lower end of the interval, so that few cases count less."""
    every = [{"group": group, **pair} for group, told in groups.items() for pair in told["pairs"]]
    changed = [pair for pair in every if pair["changed"]["value"] > 0]
    return sorted(changed, key=lambda pair: -pair["changed"]["low"])[:WORST]


def _examples(
    records: Sequence[Record], cases: Sequence[Case], answers: Sequence[dict[str, Answer]], clean: Side
) -> list[dict[str, Any]]:
    """Some records whose answer changed, with both answers; those that became wrong first."""
    found = []
    for case, each in zip(cases, answers, strict=True):
        for other, record in case.others.items():
            if not clean.form.of_numbers and _is_other(clean, each[case.term], each[other]):
                told = [clean.form.told(each[term][0]) for term in (case.term, other)]
                lost = each[case.term][1] and not each[other][1]
                names = {"from": case.term, "to": other, "before": told[0], "after": told[1], "became_wrong": lost}
                found.append({"record": records[case.row], "asked": record, **names})
    return sorted(found, key=lambda example: not example["became_wrong"])[:WORST]
