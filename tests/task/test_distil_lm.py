"""The loss of a student against a computation by hand, in float64; what is kept of a teacher."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from danlu.machine.seed import generator
from danlu.task.tasks.causal_lm import CausalLm
from danlu.task.tasks.distil_lm import DistilLm, divergence
from danlu.text.batching.batch import Batch
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.tuning.roles import Roles

TEXTS = ["明月出天山，苍茫云海间。", "All that glisters is not gold.", "低头思故乡。", "a"]


@pytest.fixture(scope="module")
def tokenizer():
    return Bpe(size=290).build(lambda: iter(TEXTS))


@pytest.fixture(scope="module")
def networks(tokenizer):
    """A student, and a teacher of another family with more rows than there are tokens."""
    torch.manual_seed(1)
    student = LlamaForCausalLM(
        LlamaConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    )
    teacher = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer) + 7, n_embd=16, n_layer=1, n_head=2, n_positions=64))
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.mul_(8)
    return student.eval(), teacher.eval()


def batch_of(task, tokenizer):
    rows = task.encode([{"text": text} for text in TEXTS], tokenizer, 64, labelled=True)
    return rows, task.collate(rows, max(map(len, rows)), tokenizer, generator(0, "x"))


def kl(p, q, temperature):
    """By the formula, with plain numbers."""
    soft = [[math.exp(value / temperature) for value in each] for each in (p, q)]
    p, q = ([value / sum(each) for value in each] for each in soft)
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def test_the_divergence_is_that_of_the_formula():
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(0, 3, (5, 7)), rng.normal(0, 3, (5, 7))
    whole = DistilLm(temperature=3.0, top=None)._kept(torch.from_numpy(teacher))
    found = divergence(torch.from_numpy(student), whole["log_probabilities"], None, 3.0)
    expected = [kl(p, q, 3.0) for p, q in zip(teacher, student, strict=True)]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)
    some = DistilLm(temperature=3.0, top=3)._kept(torch.from_numpy(teacher))
    assert some["log_probabilities"].exp().sum(1).tolist() == pytest.approx([1.0] * 5)
    for row in range(5):
        likeliest = np.argsort(-teacher[row])[:3]
        assert sorted(some["tokens"][row].tolist()) == sorted(likeliest.tolist())
        p, q = (np.exp(each[row] / 3) / np.exp(each[row] / 3).sum() for each in (teacher, student))
        parts = [*zip(p[likeliest], q[likeliest], strict=True), (1 - p[likeliest].sum(), 1 - q[likeliest].sum())]
        told = divergence(
            torch.from_numpy(student[row : row + 1]),
            some["log_probabilities"][row : row + 1],
            some["tokens"][row : row + 1],
            3.0,
        )
        assert float(told) == pytest.approx(sum(a * math.log(a / b) for a, b in parts), rel=1e-4)
        assert float(told) <= expected[row] + 1e-6


@pytest.mark.parametrize("pack", [True, False])
@pytest.mark.parametrize("top", [None, 5])
def test_the_loss_is_the_weighted_sum_of_teacher_and_truth(top, pack, tokenizer, networks):
    _, teacher = networks
    task = DistilLm(temperature=2.0, hard=0.3, top=top, vocabulary=len(tokenizer), pack=pack)
    rows, batch = batch_of(task, tokenizer)
    if pack:  # what attends within documents alone is another matter: here each is told apart by hand below
        assert len(rows) < len(TEXTS)
        batch.inputs = {"input_ids": batch.inputs["input_ids"], "segments": batch.inputs["segments"]}
    told = Roles(task, {"teacher": teacher}).told(batch)
    logits = torch.randn(
        *batch.inputs["input_ids"].shape, len(tokenizer), dtype=torch.float64, generator=torch.Generator()
    )
    keep = batch.targets["tokens"] >= 0
    found = task.losses({"logits": logits[keep]}, told)
    far = wrong = 0.0
    segments = batch.inputs.get("segments", torch.zeros_like(batch.inputs["input_ids"]))
    for row, place in keep.nonzero().tolist():
        document = (segments[row] == segments[row, place]).nonzero()[:, 0]
        with torch.no_grad():
            own = teacher.double()(batch.inputs["input_ids"][row : row + 1, document]).logits[0]
        p = own[place - int(document[0]), : len(tokenizer)]
        q = logits[row, place]
        if top:
            kept = p.topk(top).indices
            soft = [torch.softmax(each / 2.0, -1) for each in (p, q)]
            a, b = ([*each[kept].tolist(), 1 - float(each[kept].sum())] for each in soft)
            far += sum(x * math.log(x / y) for x, y in zip(a, b, strict=True))
        else:
            far += kl(p.tolist(), q.tolist(), 2.0)
        wrong -= float(torch.log_softmax(q, -1)[batch.targets["tokens"][row, place]])
    teacher.float()
    assert float(found["tokens"]) == pytest.approx(0.7 * 4 * far + 0.3 * wrong, rel=1e-4)
    assert [float(found[f"log.{name}"]) for name in ("divergence", "cross_entropy")] == pytest.approx(
        [far, wrong], rel=1e-4
    )


def test_a_student_that_says_what_the_teacher_says_has_nothing_to_learn(tokenizer, networks):
    _, teacher = networks
    for top in (None, 8):
        task = DistilLm(hard=0.0, top=top, vocabulary=len(tokenizer), pack=False)
        _, batch = batch_of(task, tokenizer)
        told = Roles(task, {"teacher": teacher}).loss(teacher, batch)
        assert float(told["tokens"].detach()) == pytest.approx(0.0, abs=1e-3)
        assert float(told["log.cross_entropy"]) > 1


def test_what_is_kept_of_a_teacher_is_few_numbers_a_token(tokenizer, networks):
    _, teacher = networks
    task = DistilLm(top=4, vocabulary=len(tokenizer))
    _, batch = batch_of(task, tokenizer)
    row = replace(batch, inputs={name: value[:1] for name, value in batch.inputs.items()})
    said = task.role_says(teacher, row)
    width = batch.inputs["input_ids"].shape[1]
    assert {name: tuple(value.shape) for name, value in said.items()} == {
        "tokens": (width, 4),
        "log_probabilities": (width, 5),
    }


@pytest.mark.parametrize("weight", [1e-4, 0.1])
def test_z_loss_is_the_square_of_the_log_of_the_normaliser(weight, tokenizer):
    logits = np.random.default_rng(2).normal(0, 4, (6, 50))
    truth = np.array([3, -100, 7, 49, 0, 11])
    task = CausalLm(z_loss=weight)
    counted = truth >= 0
    batch = Batch({}, {"tokens": torch.from_numpy(truth[None])}, {"tokens": 5, "z_loss": 5}, np.arange(1), 6)
    given = torch.from_numpy(logits[counted].astype(np.float32)).requires_grad_()
    found = task.losses({"logits": given}, batch)
    log_z = np.log(np.exp(logits[counted]).sum(1))
    assert found["z_loss"].item() == pytest.approx(weight * (log_z**2).sum(), rel=1e-6)
    assert found["tokens"].item() == pytest.approx((log_z - logits[counted, truth[counted]]).sum(), rel=1e-6)
    (gradient,) = torch.autograd.grad(found["z_loss"], given)
    shares = np.exp(logits[counted]) / np.exp(logits[counted]).sum(1, keepdims=True)
    np.testing.assert_allclose(gradient.numpy(), weight * 2 * log_z[:, None] * shares, rtol=1e-4, atol=1e-7)


def test_z_loss_counts_the_tokens_and_is_left_out_where_it_is_nothing(tokenizer):
    _, plain = batch_of(CausalLm(), tokenizer)
    _, drawn = batch_of(CausalLm(z_loss=1e-4), tokenizer)
    assert plain.counts.keys() == {"tokens"}
    assert drawn.counts == {"tokens": plain.counts["tokens"], "z_loss": plain.counts["tokens"]}


def test_what_was_kept_comes_to_the_device_of_the_batch(monkeypatch, tokenizer, networks):
    """An accelerator is stood for by the device that holds no numbers."""
    task = DistilLm()
    _, batch = batch_of(task, tokenizer)
    roles = Roles(task, {"teacher": networks[1]})
    row = replace(batch, inputs={name: value[:1].to("meta") for name, value in batch.inputs.items()})

    class Kept:
        def find(self, _):
            return {"log_probabilities": torch.zeros(2, 3)}

    roles._kept = Kept()
    monkeypatch.setattr("danlu.tuning.roles.key_of", lambda *_: b"")
    said = roles._said("teacher", networks[1], row)
    assert said["log_probabilities"].device.type == "meta"
