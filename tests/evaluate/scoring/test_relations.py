"""Scores of relations against the formulas of the official scorer of SemEval-2010 task 8, and of TACRED."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from danlu.answer.answer import Answer
from danlu.evaluate.scoring.metric import Metric
from danlu.evaluate.scoring.relations import kind_of
from danlu.evaluate.scoring.side import Side
from danlu.recipe.part import find

KINDS = ("Cause-Effect", "Part-Whole", "Entity-Origin")
LABELS = (*(f"{kind}({order})" for kind in KINDS for order in ("e1,e2", "e2,e1")), "Other")
PAIRS = some.lists(some.tuples(some.sampled_from(LABELS), some.sampled_from(LABELS)), min_size=1, max_size=60)


def measured(kind, pairs):
    gold, given_ = map(list, zip(*pairs, strict=True))
    metric, side = find(Metric, kind)(), Side(find(Answer, "label")(), LABELS, gold, given_)
    return metric.measured(metric.prepared(side), len(gold))


def official_macro_f1(pairs):
    """ "(9+1)-WAY EVALUATION TAKING DIRECTIONALITY INTO ACCOUNT -- OFFICIAL" of semeval2010_task8_scorer-v1.2.pl.

    The confusion matrix is of relations without direction; what is of the right relation in the wrong direction stands
    in a column of its own (xDIRx) and not on the diagonal. P = tp / (column + xDIRx), R = tp / row.
    """
    names = [*KINDS, "Other"]
    matrix, wrong_direction = np.zeros((len(names), len(names))), np.zeros(len(names))
    for true, guessed in pairs:
        row, column = names.index(kind_of(true)), names.index(kind_of(guessed))
        if row == column and true != guessed:
            wrong_direction[row] += 1
        else:
            matrix[row, column] += 1
    found = []
    for place in range(len(KINDS)):
        right = matrix[place, place]
        answered = matrix[:, place].sum() + wrong_direction[place]
        actual = matrix[place].sum() + wrong_direction[place]
        precision, recall = (right / count if count else 0.0 for count in (answered, actual))
        if answered or actual:
            found.append(2 * precision * recall / (precision + recall) if right else 0.0)
    return np.mean(found) if found else np.nan


def tacred_micro_f1(pairs):
    """As `score` in TACRED's scorer.py: what was guessed, what there is and what is right, no relation apart."""
    guessed = sum(given_ != "Other" for _, given_ in pairs)
    there = sum(true != "Other" for true, _ in pairs)
    right = sum(true == given_ != "Other" for true, given_ in pairs)
    if not guessed and not there:
        return np.nan
    precision, recall = right / guessed if guessed else 1.0, right / there if there else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@settings(max_examples=150, deadline=None)
@given(PAIRS)
def test_scores_are_those_of_the_official_formulas(pairs):
    assert measured("relation_macro_f1", pairs) == pytest.approx(official_macro_f1(pairs), nan_ok=True)
    assert measured("relation_micro_f1", pairs) == pytest.approx(tacred_micro_f1(pairs), nan_ok=True)
    right = np.mean([true == given_ for true, given_ in pairs])
    assert measured("micro_f1", pairs) == pytest.approx(right)


def test_a_direction_is_no_part_of_a_kind():
    assert kind_of("Cause-Effect(e2,e1)") == "Cause-Effect"
    assert kind_of("per:title") == "per:title"
    assert kind_of("出生地(e1, e2)") == "出生地"
