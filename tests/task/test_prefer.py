"""Preferences: each objective with a model and a reference, beside its formula; what is logged and measured."""

import numpy as np
import pytest
import torch
from judged_records import RECORDS, WIDE, judged_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from danlu.refusal import Refusal
from danlu.task.tasks.prefer import Prefer
from danlu.tuning.roles import Roles

OBJECTIVES = ("dpo", "ipo", "orpo", "kto", "simpo")


@pytest.fixture
def tokenizer():
    return judged_tokenizer()


def network(tokenizer, seed=0, dtype=torch.float32):
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = LlamaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=WIDE, initializer_range=0.2, **sizes, **ends
    )
    return LlamaForCausalLM._from_config(config, attn_implementation="sdpa").eval().to(dtype)


def task_of(objective="dpo", **fields):
    return Prefer(objective=objective, **fields)


def encode(task, records, tokenizer, limit=WIDE, labelled=True):
    return task.encode(records, tokenizer, limit, labelled=labelled)


def collate(task, rows, tokenizer, width=None):
    return task.collate(rows, width or max(map(len, rows)), tokenizer, np.random.default_rng(0))


def by_hand(row, tokens, model):
    """The log-probability of the targets of a row in float64, and their number."""
    with torch.no_grad():
        logits = model(input_ids=torch.from_numpy(row.input_ids).long()[None]).logits[0].double().numpy()
    shares = (
        logits
        - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))
        - logits.max(1, keepdims=True)
    )
    kept = [(place, token) for place, token in enumerate(tokens) if token >= 0]
    return sum(shares[place, token] for place, token in kept), len(kept)


def halves(item):
    size = len(item.rows[0])
    return [(item.rows[0], item.targets["tokens"][:size]), (item.rows[1], item.targets["tokens"][size:])]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def log_odds(mean):
    return np.log(np.exp(mean) / (1 - np.exp(mean)))


def expected(objective, items, model, reference):
    """The loss of each objective as its paper has it."""
    total, cross, divergences, worths, goods = 0.0, 0.0, [], [], []
    for item in items:
        (first, n), (second, m) = (by_hand(row, tokens, model) for row, tokens in halves(item))
        (first_ref, _), (second_ref, _) = (by_hand(row, tokens, reference) for row, tokens in halves(item))
        gap = (first - first_ref) - (second - second_ref)
        worths.append(first - first_ref)
        divergences.append(second - second_ref)
        goods.append(item.targets["preferred"][0] == 1)
        cross -= first
        match objective:
            case "dpo":
                total -= np.log(sigmoid(0.1 * gap))
            case "ipo":
                total += (gap - 1 / (2 * 0.1)) ** 2
            case "simpo":
                total -= np.log(sigmoid(2.0 * first / n - 2.0 * second / m - 1.0))
            case "orpo":
                total -= 0.1 * np.log(sigmoid(log_odds(first / n) - log_odds(second / m)))
    if objective == "kto":
        z = max(0.0, np.mean(divergences))
        for worth, good in zip(worths, goods, strict=True):
            total += 1 - sigmoid(0.1 * (worth - z)) if good else 1 - sigmoid(0.1 * (z - worth))
    return {"preferred": total} | ({"tokens": cross} if objective == "orpo" else {})


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_loss_is_that_of_its_formula(tokenizer, objective):
    task, model, reference = task_of(objective), network(tokenizer), network(tokenizer, seed=1)
    items = encode(task, RECORDS, tokenizer)
    found = Roles(task, dict.fromkeys(task.roles, reference)).loss(model, collate(task, items, tokenizer))
    right = expected(objective, items, model, reference)
    assert {name: float(found[name].detach()) for name in right} == pytest.approx(right, rel=2e-5)


def test_what_is_logged_beside_the_loss_is_no_part_of_it_and_has_no_gradient(tokenizer):
    task, model, reference = task_of(), network(tokenizer), network(tokenizer, seed=1)
    items = encode(task, RECORDS, tokenizer)
    batch = collate(task, items, tokenizer)
    found = Roles(task, {"reference": reference}).loss(model, batch)
    rewards = []
    for item in items:
        sides = halves(item)
        rewards.append([by_hand(*side, model)[0] - by_hand(*side, reference)[0] for side in sides])
    chosen, rejected = 0.1 * np.array(rewards).T
    logged = {
        "log.preference_accuracy": (chosen > rejected).sum(),
        "log.reward_margin": (chosen - rejected).sum(),
        "log.reward_chosen": chosen.sum(),
    }
    assert found.keys() == batch.counts.keys() == {"preferred", *logged}
    assert not any(found[name].requires_grad for name in logged)
    assert {name: float(found[name]) for name in logged} == pytest.approx(logged, rel=1e-4, abs=1e-5)


def test_dpo_begins_at_ln_2_and_ipo_at_the_square_of_its_target(tokenizer):
    model = network(tokenizer)
    for objective, right in (("dpo", np.log(2)), ("ipo", 25.0), ("kto", 0.5)):
        task = task_of(objective)
        batch = collate(task, encode(task, RECORDS, tokenizer), tokenizer)
        loss = Roles(task, {"reference": model}).loss(model, batch)["preferred"]
        assert float(loss.detach()) / batch.counts["preferred"] == pytest.approx(right, abs=1e-4)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_padding_changes_neither_losses_nor_gradients(tokenizer, objective):
    task, model, reference = task_of(objective), network(tokenizer), network(tokenizer, seed=1)
    items = encode(task, RECORDS, tokenizer)
    found = []
    for width in (None, WIDE):
        model.zero_grad()
        loss = Roles(task, dict.fromkeys(task.roles, reference)).loss(model, collate(task, items, tokenizer, width))
        sum(loss.values()).backward()
        found.append([torch.stack([*loss.values()]).detach(), *(p.grad.clone() for p in model.parameters())])
    for one, other in zip(*found, strict=True):
        assert (one - other).norm() <= 1e-5 * one.norm()
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-5, atol=0)


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if name != "kto"])
def test_the_loss_of_a_step_is_the_sum_of_its_parts(tokenizer, objective):
    task, model, reference = task_of(objective), network(tokenizer), network(tokenizer, seed=1)
    assert not task.couples_rows
    assert task_of("kto").couples_rows
    items = encode(task, RECORDS, tokenizer)
    roles = Roles(task, dict.fromkeys(task.roles, reference))
    whole = roles.loss(model, collate(task, items, tokenizer))
    parts = [roles.loss(model, collate(task, part, tokenizer)) for part in (items[:1], items[1:])]
    for name, value in whole.items():
        torch.testing.assert_close(sum(part[name] for part in parts), value, rtol=1e-5, atol=0)


def test_what_a_reference_says_does_not_depend_on_the_batch_and_is_kept(tokenizer, tmp_path, monkeypatch):
    task, reference = task_of(), network(tokenizer, seed=1)
    items = encode(task, RECORDS, tokenizer)
    roles, name = Roles(task, {"reference": reference}), "reference.log_probability"
    anew = roles.told(collate(task, items, tokenizer, WIDE)).targets[name]
    alone = [roles.told(collate(task, [item], tokenizer)).targets[name] for item in items]
    assert torch.equal(anew, torch.cat(alone))
    right = [by_hand(row, tokens, reference)[0] for item in items for row, tokens in halves(item)]
    np.testing.assert_allclose(anew, right, rtol=1e-5)
    with roles.keeping(tmp_path):
        first = roles.told(collate(task, items, tokenizer)).targets[name]
        monkeypatch.setattr(Prefer, "role_says", None)
        again = roles.told(collate(task, items[::-1], tokenizer, WIDE)).targets[name]
    assert torch.equal(first, anew)
    assert torch.equal(again.view(3, 2), anew.view(3, 2).flip(0))


@pytest.mark.parametrize("fields", [{"margin": 1.0}, {"desirable": 2.0}, {"objective": "simpo", "undesirable": 1.0}])
def test_a_setting_without_effect_is_refused(fields):
    with pytest.raises(ValueError, match=r"has an effect with objective: (simpo|kto) alone"):
        Prefer(**fields)


def test_the_margin_is_of_log_probabilities_or_of_their_means(tokenizer):
    model = network(tokenizer)
    for objective in ("dpo", "simpo"):
        task = task_of(objective)
        items = encode(task, RECORDS, tokenizer, labelled=False)
        with torch.no_grad():
            outputs = task.answered(model, collate(task, items, tokenizer))
        for item, output, record in zip(items, outputs, RECORDS, strict=True):
            found = task.decode([output], [item], record)
            (chosen, n), (rejected, m) = (by_hand(row, tokens, model) for row, tokens in halves(item))
            margin = chosen / n - rejected / m if objective == "simpo" else chosen - rejected
            assert found["margin"] == pytest.approx(margin, rel=1e-4, abs=1e-4)
            assert found["log_probabilities"] == pytest.approx([chosen, rejected], rel=1e-4)
            assert found["preferred"] == ("chosen" if margin > 0 else "rejected")


def test_one_answer_has_a_log_probability_and_no_truth_to_measure(tokenizer):
    talk = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    task, record = task_of("kto"), {"messages": talk, "label": True}
    (item,) = encode(task, [record], tokenizer, labelled=False)
    found = task.decode([np.array([[-4, 2], [-4, 2]], np.float32)], [item], record)
    assert found == {"preferred": None, "margin": None, "log_probabilities": [-4.0]}
    with pytest.raises(Refusal, match="record 3: what a model prefers is measured of two answers"):
        task.gold(record, 2)


def test_a_batch_tells_which_answer_a_row_has(tokenizer):
    task = task_of()
    batch = collate(task, encode(task, RECORDS, tokenizer), tokenizer)
    assert [task.told(batch, row, tokenizer)[0] for row in (0, 1)] == ["chosen", "rejected"]
    task = task_of("kto")
    batch = collate(task, encode(task, RECORDS, tokenizer), tokenizer)
    told = [task.told(batch, row, tokenizer)[0] for row in range(4)]
    assert told == ["good", "the answer to another question", "bad", "the answer to another question"]
