"""Preferences: every objective beside its formula, the rows beside rows written by hand, and what is refused."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from danlu.refusal import Refusal
from danlu.task.preference import dpo, ipo, kl_estimate, kto, orpo, simpo
from danlu.task.tasks.chat import Chat
from danlu.task.tasks.prefer import Prefer
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.tuning.roles import Roles

OBJECTIVES = ("dpo", "ipo", "orpo", "kto", "simpo")
WIDE = 96

RECORDS = [
    {"messages": [{"role": "user", "content": "你好"}], "chosen": "你好，请说。", "rejected": "不。"},
    {
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": "three"},
        ],
        "chosen": "four",
        "rejected": "five, and more than that",
    },
    {"text": "再见", "chosen": "再见！", "rejected": "嗯"},
]


@pytest.fixture(scope="module")
def tokenizer():
    texts = ["User: Assistant: System: one two three four five", "你好请说再见不嗯一加二"] * 4
    return Bpe(size=320, begin="<s>", end="</s>", pad="<pad>").build(lambda: iter(texts))


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


CHOSEN, REJECTED = np.array([-3.5, -0.25, -1.75, 2.5]), np.array([-4.0, -1.5, -0.5, -2.25])


def test_losses_are_their_formulas_in_float64():
    c, r = torch.tensor(CHOSEN), torch.tensor(REJECTED)
    np.testing.assert_allclose(dpo(c, r, 0.3), np.log1p(np.exp(-0.3 * (CHOSEN - REJECTED))), rtol=1e-13)
    np.testing.assert_allclose(ipo(c, r, 0.3), (CHOSEN - REJECTED - 1 / 0.6) ** 2, rtol=1e-13)
    np.testing.assert_allclose(simpo(c, r, 2.5, 0.4), np.log1p(np.exp(0.4 - 2.5 * (CHOSEN - REJECTED))), rtol=1e-13)
    odds = [np.exp(x) / (1 - np.exp(x)) for x in (CHOSEN[:3], REJECTED[:3])]
    np.testing.assert_allclose(orpo(c[:3], r[:3], 0.2), -0.2 * np.log(sigmoid(np.log(odds[0] / odds[1]))), rtol=1e-12)
    good = np.array([True, False, False, True])
    z = float(kl_estimate(r + 3))
    assert z == np.mean(REJECTED + 3) > 0
    assert float(kl_estimate(r)) == 0
    right = np.where(good, 1.3 * (1 - sigmoid(0.1 * (CHOSEN - z))), 0.7 * (1 - sigmoid(0.1 * (z - CHOSEN))))
    np.testing.assert_allclose(kto(c, torch.tensor(good), torch.tensor(z), 0.1, (1.3, 0.7)), right, rtol=1e-13)


@pytest.mark.parametrize(
    "loss",
    [
        lambda c, r: dpo(c, r, 0.3),
        lambda c, r: ipo(c, r, 0.3),
        lambda c, r: orpo(c - 5, r - 5, 0.3),
        lambda c, r: simpo(c, r, 2.0, 1.0),
        lambda c, r: kto(c, torch.tensor([True, False, True, False]), torch.tensor(0.3), 0.3, (1.0, 1.5)) + 0 * r,
    ],
    ids=OBJECTIVES,
)
def test_gradients_are_those_of_finite_differences(loss):
    c, r = (torch.tensor(values, requires_grad=True) for values in (CHOSEN, REJECTED))
    assert torch.autograd.gradcheck(loss, (c, r))


def test_no_gradient_goes_through_the_divergence():
    values = torch.tensor([1.0, 2.0], requires_grad=True)
    assert not kl_estimate(values).requires_grad


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


def test_the_answers_and_their_ends_alone_are_learnt(tokenizer):
    task = task_of()
    for item, record in zip(encode(task, RECORDS, tokenizer), RECORDS, strict=True):
        assert item.targets["preferred"].tolist() == [1, 0]
        for (row, tokens), name in zip(halves(item), ("chosen", "rejected"), strict=True):
            answer = [*tokenizer(record[name], add_special_tokens=False).input_ids, tokenizer.eos_token_id]
            places = np.flatnonzero(tokens >= 0)
            assert tokens[places].tolist() == answer
            assert all(b - a == 1 for a, b in pairwise(places.tolist()))
            assert row.input_ids[places + 1].tolist() == answer
            assert (row.input_ids == tokenizer.bos_token_id).sum() == 1


def test_rows_are_those_that_chat_learns_and_what_is_asked_begins_them(tokenizer):
    record = RECORDS[1]
    task, chat = task_of(), Chat(learn="last", pack=False)
    (item,) = encode(task, [record], tokenizer)
    (asked,) = task.prompts([record], tokenizer, WIDE)
    for (row, tokens), name in zip(halves(item), ("chosen", "rejected"), strict=True):
        talk = [*record["messages"], {"role": "assistant", "content": record[name]}]
        (same,) = chat.encode([{"messages": talk}], tokenizer, WIDE, labelled=True)
        assert row.input_ids.tolist() == same.row.input_ids.tolist()
        assert tokens.tolist() == same.targets["tokens"].tolist()
        assert row.input_ids[: len(asked)].tolist() == asked.row.input_ids.tolist()


def test_kto_takes_pairs_apart_and_puts_the_answer_to_another_question_beside_each(tokenizer):
    task = task_of("kto")
    ends = [RECORDS[2], {"messages": [{"role": "user", "content": "一"}, {"role": "assistant", "content": "二"}]}]
    ends[1]["label"] = False
    items = encode(task, ends, tokenizer)
    assert [item.targets["preferred"].tolist() for item in items] == [[1, -100], [0, -100], [0, -100]]
    said = []
    for item in items:
        asked, answers = [], []
        for row, tokens in halves(item):
            asked.append(tokenizer.decode(row.input_ids[: np.flatnonzero(tokens >= 0)[0] + 1]))
            answers.append(tokenizer.decode(tokens[tokens >= 0][:-1]))
        assert asked[0] == asked[1]
        said.append(answers)
    assert said == [["再见！", "二"], ["嗯", "二"], ["二", "再见！"]]


def talk(turns, words):
    asked = [{"role": ("user", "assistant")[n % 2], "content": "one " * words} for n in range(2 * turns - 1)]
    return {"messages": asked, "chosen": "four", "rejected": "five"}


def test_a_pair_that_does_not_fit_stops_loses_turns_or_goes_as_a_whole(tokenizer):
    long = talk(1, 2) | {"rejected": "five " * 90}
    with pytest.raises(Refusal, match=r"record 2: the conversation has \d+ tokens with an answer and a row takes 48"):
        encode(task_of(), [talk(1, 2), long], tokenizer, 48)
    assert len(encode(task_of(too_long="drop"), [talk(1, 2), long], tokenizer, 48)) == 1
    cut = encode(task_of(too_long="truncate"), [long], tokenizer, 48)[0]
    assert len(cut.rows[1]) == 48
    assert cut.cut > 0
    turns = encode(task_of(too_long="truncate"), [talk(6, 3)], tokenizer, 48)[0]
    heads = [row.input_ids[: np.flatnonzero(tokens >= 0)[0]].tolist() for row, tokens in halves(turns)]
    assert heads[0] == heads[1]
    assert tokenizer.decode(heads[0]).count("User") < 6
    assert {int(tokens.max()) for _, tokens in halves(turns)} != {-100}
    same = talk(1, 2) | {"chosen": "one " * 90 + "a", "rejected": "one " * 90 + "b"}
    assert encode(task_of(too_long="truncate"), [same], tokenizer, 48) == []  # what is left of both is the same
    shown = encode(task_of(too_long="drop"), [talk(1, 2), long], tokenizer, 48, labelled=False)
    assert [item.record for item in shown] == [0, 1]
    with pytest.raises(Refusal, match="none of 1 records fits into rows of 48 tokens"):
        task_of(too_long="drop").learnable([long], tokenizer, 48, 1000)


USER = [{"role": "user", "content": "one"}]
ANSWERED = [*USER, {"role": "assistant", "content": "two"}]


@pytest.mark.parametrize(
    ("objective", "record", "sentence"),
    [
        (
            "dpo",
            {"messages": USER, "chosen": "two", "rejected": " two "},
            "record 2: 'chosen' and 'rejected' are the s",
        ),
        ("dpo", {"messages": USER, "chosen": "two", "rejected": " "}, "record 2: 'rejected' is empty"),
        ("dpo", {"messages": USER, "chosen": "two"}, "record 2: there is no column 'rejected'"),
        ("dpo", {"messages": ANSWERED, "label": True}, "record 2: has one answer.*'objective: kto'"),
        ("dpo", {"messages": ANSWERED, "chosen": "a", "rejected": "b"}, "record 2: column 'messages' ends with an ans"),
        ("kto", {"messages": ANSWERED}, "record 2: there is no column 'label'"),
        ("kto", {"messages": ANSWERED, "label": "so-so"}, "record 2: column 'label' is 'so-so'; write true"),
        ("kto", {"messages": USER, "label": True}, "record 2: there is no column 'chosen'"),
        ("dpo", {"messages": USER * 2, "chosen": "a", "rejected": "b"}, "record 2: .* the user speaks twice"),
    ],
)
def test_what_cannot_be_learnt_is_one_sentence(tokenizer, objective, record, sentence):
    good = {"messages": ANSWERED, "label": "true"} if objective == "kto" else RECORDS[0]
    with pytest.raises(Refusal, match=sentence) as told:
        encode(task_of(objective), [good, record], tokenizer)
    assert "\n" not in str(told.value)


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
    task, record = task_of("kto"), {"messages": ANSWERED, "label": True}
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
