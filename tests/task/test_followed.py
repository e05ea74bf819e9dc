"""What a student follows of a teacher's answers, of every task in which it can: formulas by hand, and what counts."""

import copy
import math

import numpy as np
import pytest
import tiny_tasks
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.machine.seed import generator
from danlu.model.fast import prepare_for_training
from danlu.recipe.part import find, kinds
from danlu.task.followed import Followed, Outcomes, divergence
from danlu.task.task import Task
from danlu.tuning.inner import watch
from danlu.tuning.teacher import ATTENTION, EMBEDDINGS, HIDDEN, LOGITS, Taught, Teaching, Weights

KINDS = [kind for kind in kinds(Task) if issubclass(find(Task, kind), Followed)]
ALL = Weights(labels=1.0, logits=0.5, temperature=2.0, hidden=0.25, attention=0.125, embeddings=2.0)


def test_all_tasks_that_answer_by_looking_can_be_followed():
    assert set(KINDS) >= {"classify", "multilabel", "regress", "tag", "answer", "relate", "choose", "rank", "masked_lm"}


def softmax(values, temperature):
    raised = [math.exp(value / temperature) if value > -1e29 else 0.0 for value in values]
    return [value / sum(raised) for value in raised]


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a)


def test_the_divergence_is_that_of_the_formula():
    student = [[1.0, -2.0, 0.5], [0.0, 3.0, -math.inf]]
    teacher = [[-0.3, 0.7, 2.0], [1.0, 1.5, -math.inf]]
    own, theirs = (torch.tensor(values, dtype=torch.float64) for values in (student, teacher))
    expected = 9 * sum(kl(softmax(t, 3), softmax(s, 3)) for s, t in zip(student, teacher, strict=True))
    found = divergence(Outcomes("one", own), Outcomes("one", theirs), 3.0)
    assert float(found) == pytest.approx(expected, rel=1e-12)
    coins = 0.0
    for s, t in zip(student[0], teacher[0], strict=True):
        p, q = (1 / (1 + math.exp(-value / 3)) for value in (t, s))
        coins += kl([p, 1 - p], [q, 1 - q])
    found = divergence(Outcomes("each", own[:1]), Outcomes("each", theirs[:1]), 3.0)
    assert float(found) == pytest.approx(9 * coins / 3, rel=1e-12)
    numbers = [torch.tensor([[value], [1.0]], dtype=torch.float64) for value in (3.0, 7.0)]
    assert float(divergence(*(Outcomes("number", each, 2.0) for each in numbers), 5.0)) == 2.0


@pytest.mark.parametrize("form", ["one", "each", "number"])
def test_gradients_are_those_of_finite_differences(form):
    torch.manual_seed(0)
    own = torch.randn(3, 1 if form == "number" else 4, dtype=torch.float64, requires_grad=True)
    theirs = torch.randn(own.shape, dtype=torch.float64)
    gone = torch.zeros(own.shape, dtype=torch.bool)
    gone[0, 3:] = form == "one"

    def loss(values):
        seen = Outcomes(form, values.masked_fill(gone, -torch.inf), 1.5)
        return divergence(seen, Outcomes(form, theirs.masked_fill(gone, -torch.inf), 1.5), 2.5)

    assert torch.autograd.gradcheck(loss, (own,))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-20, 20), min_size=2, max_size=6), st.floats(-5, 5), st.floats(0.1, 50), st.integers(0, 99))
def test_a_teacher_is_never_nearer_than_itself(values, shift, temperature, seed):
    theirs = torch.tensor([values], dtype=torch.float64)
    own = theirs + torch.from_numpy(np.random.default_rng(seed).normal(0, 1, theirs.shape))
    for form in ("one", "each"):
        same = float(divergence(Outcomes(form, theirs), Outcomes(form, theirs), temperature))
        assert same == pytest.approx(0, abs=1e-9)
        assert float(divergence(Outcomes(form, own), Outcomes(form, theirs), temperature)) >= -1e-9
    moved = float(divergence(Outcomes("one", theirs + shift), Outcomes("one", theirs), temperature))
    assert moved == pytest.approx(0, abs=1e-6)


def made(kind):
    """The task, a tokenizer, rows with labels, and rows of the same records without."""
    task, tokenizer = tiny_tasks.task_for(kind), tiny_tasks.tokenizer_for(kind)
    records = [record for record in task.sample if all(name in record for name in task.reads)] or list(task.sample[:1])
    rows = task.learnable(records, tokenizer, tiny_tasks.LIMIT, tiny_tasks.LIMIT)
    return task, tokenizer, list(rows), task.unlabelled(records, tokenizer, tiny_tasks.LIMIT)


def collated(task, tokenizer, rows):
    return task.collate(rows, max(map(len, rows)), tokenizer, generator(0, "rows"))


def taught(task, network, weights=ALL, other=None):
    student, teacher = (copy.deepcopy(each) for each in (network, other or network))
    student = prepare_for_training(student, "float32").eval()
    teacher = prepare_for_training(teacher.requires_grad_(requires_grad=False), "float32").eval()
    layers = watch(teacher, "teacher", attention=True).layers
    watch(student, "student", attention=True)
    return student, Taught(Teaching(task, task, weights, tuple(range(1, layers + 1))), {"teacher": teacher})


@pytest.mark.parametrize("kind", KINDS)
def test_a_student_that_is_its_teacher_has_nothing_to_learn_of_it(kind):
    task, tokenizer, rows, without = made(kind)
    batch = collated(task, tokenizer, [*rows, *without])
    student, roles = taught(task, tiny_tasks.model_for(kind))
    counted = roles.counted(batch)
    found = roles.loss(student, counted)
    assert set(found) == set(counted.counts) == {*batch.counts, LOGITS, HIDDEN, ATTENTION, EMBEDDINGS}
    for name in (LOGITS, HIDDEN, ATTENTION, EMBEDDINGS):
        assert float(found[name].detach()) == pytest.approx(0, abs=2e-4)
        assert counted.counts[name] > 0
    for name in batch.counts:
        assert torch.equal(found[name], task.loss(student, batch)[name])
    outcomes = task.outcomes(task.said(student, batch), batch)
    assert len(outcomes.values) == counted.counts[LOGITS] == task.things(batch)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "masked_lm"])
def test_rows_without_a_label_add_nothing_to_the_loss_of_labels(kind):
    task, tokenizer, rows, without = made(kind)
    model = tiny_tasks.model_for(kind)
    alone, beside = (collated(task, tokenizer, each) for each in (rows, [*rows, *without]))
    assert alone.counts == beside.counts
    one, other = (task.loss(model, batch) for batch in (alone, beside))
    for name, value in one.items():
        torch.testing.assert_close(other[name], value)
    nothing = collated(task, tokenizer, without)
    assert set(nothing.counts.values()) == {0}
    assert all(float(value.detach()) == 0 for value in task.loss(model, nothing).values())
    assert task.things(beside) > task.things(alone)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "masked_lm"])
def test_padding_changes_nothing_of_what_is_followed(kind):
    task, tokenizer, rows, without = made(kind)
    torch.manual_seed(3)
    network = tiny_tasks.model_for(kind)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    student, roles = taught(task, network, other=other)
    items = [*rows, *without]
    together = roles.loss(student, roles.counted(collated(task, tokenizer, items)))
    single = [roles.loss(student, roles.counted(collated(task, tokenizer, [item]))) for item in items]
    for name in (LOGITS, HIDDEN, ATTENTION, EMBEDDINGS):
        assert float(together[name].detach()) > 1e-4
        torch.testing.assert_close(
            together[name], torch.stack([each[name] for each in single]).sum(), rtol=1e-3, atol=1e-5
        )
