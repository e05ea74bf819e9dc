"""What every task must keep, whatever it is."""

import json
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from tiny_tasks import LIMIT, model_for, task_for, tokenizer_for

from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.model.written import Written
from danlu.recipe.part import find, kinds
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.batching.batch import LOGGED, plan
from danlu.text.batching.encoded import sizes_of, tokens_read
from danlu.tuning.roles import Roles

KINDS = kinds(Task)
REWRITING = ("denoise",)  # whose rows have other lengths each time they are collated


def test_there_are_tasks_to_keep_the_contract():
    assert len(KINDS) >= 4


def encode(kind, records, *, labelled=True):
    return task_for(kind).encode(records, tokenizer_for(kind), LIMIT, labelled=labelled)


def collate(kind, rows, width=None):
    width = width or max(map(len, rows))
    return task_for(kind).collate(rows, width, tokenizer_for(kind), np.random.default_rng(0))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_drawn_anew_where_the_task_says_so_and_nowhere_else(kind):
    task, tokenizer = task_for(kind), tokenizer_for(kind)
    rows = encode(kind, task.sample)
    width = max(map(len, rows))
    one, other = (task.collate(rows, width, tokenizer, np.random.default_rng(seed)) for seed in (0, 1))
    same = all(torch.equal(value, other.inputs[name]) for name, value in one.inputs.items())
    same = same and all(torch.equal(value, other.targets[name]) for name, value in one.targets.items())
    assert same == task.repeats


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_three_records_has_the_columns_that_the_task_names(kind):
    task = find(Task, kind)
    assert len(task.sample) == 3
    for record in task.sample:
        assert set(task.columns) <= set(record) or set(record) <= set(task.other_columns)
        assert set(record) <= {*task.columns, *task.other_columns}


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_reads_back_from_its_plain_section(kind):
    task = task_for(kind)
    assert Task.model_validate(json.loads(json.dumps(task.to_plain()))) == task


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_fits_and_its_parts_are_of_one_length(kind):
    rows = encode(kind, task_for(kind).sample)
    for row in rows:
        assert 0 < len(row) <= LIMIT
        for tokens in row.rows:
            assert tokens.input_ids.dtype == np.int32
            for part in (tokens.offsets, tokens.segments, tokens.token_types):
                assert part is None or len(part) == len(tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_holds_no_token_that_stands_in_none_of_its_rows(kind):
    """A training keeps the embeddings alone of what its rows hold; a task that `invents_tokens` says so."""
    task, tokenizer = task_for(kind), tokenizer_for(kind)
    rows = encode(kind, task.sample)
    known = {*tokenizer.all_special_ids, *np.concatenate([*tokens_read(rows)]).tolist()}
    asked = encode(kind, task.sample, labelled=False)  # what is validated on is looked through as it is learnt from
    batches = [task.collate(rows, LIMIT, tokenizer, np.random.default_rng(seed)) for seed in range(20)]
    if task.answers_by != "generate":
        batches.append(task.collate(asked, LIMIT, tokenizer, np.random.default_rng(0)))
    held = {number for batch in batches for number in batch.inputs["input_ids"].flatten().tolist()}
    assert (not held <= known) is task.invents_tokens
    assert {*np.concatenate([*tokens_read(asked)]).tolist()} <= known


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_counts_its_labels_and_tokens(kind):
    rows = encode(kind, task_for(kind).sample)
    batch = collate(kind, rows, LIMIT)
    assert {name for name in batch.counts if not name.startswith(LOGGED)} <= batch.targets.keys()
    assert all(count > 0 for count in batch.counts.values())
    assert loss_of(kind, batch).keys() == batch.counts.keys()
    assert batch.tokens == sum(map(tokens_of, rows)) or kind in REWRITING
    for name, tensor in batch.inputs.items():
        assert len(tensor) == sum(len(row.rows) for row in rows)
        assert tensor.shape[1:] == (LIMIT,) or name.startswith("decoder_") or kind in REWRITING


def loss_of(kind, batch):
    """The loss with the model itself in every role."""
    task, model = task_for(kind), model_for(kind)
    return Roles(task, dict.fromkeys(task.roles, model)).loss(model, batch)


def tokens_of(row):
    return sum(map(len, row.rows)) + (0 if row.target_ids is None else len(row.target_ids))


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_of_a_padded_batch_is_the_sum_of_its_rows(kind):
    task = task_for(kind)
    batch = collate(kind, encode(kind, task.sample), LIMIT)
    whole = loss_of(kind, batch)
    if task.couples_rows:
        torch.testing.assert_close(whole, loss_of(kind, collate(kind, encode(kind, task.sample))))
        return
    assert all(value.dtype == torch.float32 and torch.isfinite(value) for value in whole.values())
    alone = dict.fromkeys(whole, 0.0)
    stop = 0
    for row, item in enumerate(encode(kind, task.sample)):
        start, stop = stop, stop + len(item.rows)
        written = len(item) if item.target_ids is None else len(item.target_ids)
        inputs = {
            name: tensor[start:stop, : written if name.startswith("decoder_") else len(item)]
            for name, tensor in batch.inputs.items()
        }
        targets = {
            name: tensor[row : row + 1, :written] if tensor.shape[1:] else tensor[row : row + 1]
            for name, tensor in batch.targets.items()
        }
        one = replace(batch, inputs=inputs, targets=targets, examples=batch.examples[row : row + 1], tokens=len(item))
        one = collate(kind, [item]) if len(item.rows) > 1 else one
        for name, value in loss_of(kind, one).items():
            alone[name] += value
    torch.testing.assert_close(whole, alone, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_reaches_the_parameters(kind):
    task, model = task_for(kind), model_for(kind)
    model.zero_grad()
    sum(loss_of(kind, collate(kind, encode(kind, task.sample))).values()).backward()
    with_gradient = [p for p in model.parameters() if p.grad is not None and p.grad.abs().sum() > 0]
    assert len(with_gradient) > 10
    assert all(torch.isfinite(parameter.grad).all() for parameter in with_gradient)
    model.zero_grad()


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_plain_and_do_not_depend_on_company(kind):
    asked = {"text", "text_pair", "tokens", "words", "context", "question", "head", "tail", "messages"}
    asked |= {"chosen", "rejected", "choices", "positives", "negatives"}
    records = [{name: value for name, value in r.items() if name in asked} for r in task_for(kind).sample]
    predictor = Predictor(TorchNetwork(model_for(kind), threads=1), task_for(kind), tokenizer_for(kind))
    together = predictor.predict(records)
    alone = [predictor.predict([record])[0] for record in records]
    for one, other in zip(json.loads(json.dumps(together)), json.loads(json.dumps(alone)), strict=True):
        assert one.keys() == other.keys()
        assert close(one, other)


def close(one, other):
    if isinstance(one, float):
        return one == pytest.approx(other, rel=1e-3, abs=1e-4)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    return one == other


@pytest.mark.parametrize("kind", KINDS)
def test_perfect_outputs_give_the_perfect_answer(kind):
    task = task_for(kind)
    if task.examined_as != task.answer_form:
        given = [task.decode([np.eye(3, 8, dtype=np.float32)[[n, n]]], [], task.sample[n]) for n in range(3)]
        for record, prediction in zip(task.sample, task.examined(given, task.sample), strict=True):
            assert task.examined_form.wrong(task.gold(record), prediction)[0] == 0
        return
    rows = encode(kind, task.sample, labelled=task.answer_form != "likelihood")
    for number, record in enumerate(task.sample):
        mine = [row for row in rows if row.record == number]
        if task.answers_by == "generate":
            written = Written(task.gold(record)[0], mine[0].row.input_ids, -1.0, "end")
            assert task.form.right(task.gold(record), task.form.value(task.composed([written], mine, record)))
            continue
        prediction = task.decode([perfect(task, row) for row in mine], mine, record)
        value, truth = task.form.value(prediction), task.gold(record)
        if task.answer_form in ("excerpt", "preference"):
            assert task.form.right(truth, value)
        elif task.answer_form == "ranking":
            assert task.form.wrong(truth, prediction)[0] == 0
        else:
            assert value == (pytest.approx(truth) if task.answer_form == "number" else truth)
        json.dumps(prediction)


def perfect(task, row):
    lines = {"masked_lm": (1, 10), "replaced_token": (1, 2)}
    fixed = {"likelihood": np.zeros(lines.get(task.kind, (2,))), "preference": [[-1, 4], [-2, 3]]}
    if task.answer_form in fixed:
        return np.array(fixed[task.answer_form], np.float32)
    if task.answer_form == "excerpt":
        places = np.array([[row.targets["start"], row.targets["end"]]])
        return np.where(np.arange(len(row))[:, None] == places, 0.0, -30.0).astype(np.float32)
    target = row.targets["label"] if task.kind == "prompted" else next(iter(row.targets.values()))
    if task.answer_form == "number":
        return np.array([target], np.float64)
    if task.answer_form in ("labels", "ranking", "choice"):
        right = np.arange(len(row.rows)) == target if task.answer_form == "choice" else target == 1
        return np.where(right, 0.0, -30.0).astype(np.float32)
    sure = np.where(np.eye(len(task.config()["id2label"]), dtype=bool), 0.0, -30.0).astype(np.float32)
    return sure[np.maximum(target, 0)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_without_its_column_is_refused_by_name(kind):
    task, columns = task_for(kind), find(Task, kind).columns
    column = "text" if "text" in task.reads else next(iter(columns))
    with pytest.raises(Refusal, match=rf"record 2: there is no column '{column}' \(text\), only 'body'"):
        task.encode([asked(kind, "好好学习"), {"body": "好"}], tokenizer_for(kind), LIMIT, labelled=False)
    with pytest.raises(Refusal, match=f"record 1: column '{column}' must be text, and it is of type int"):
        task.encode([{column: 5}], tokenizer_for(kind), LIMIT, labelled=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_that_is_too_long_is_refused_cut_or_split(kind):
    if (
        "drop" in get_args(find(Task, kind).model_fields["too_long"].annotation)
        or task_for(kind).answers_by == "generate"
    ):
        pytest.skip("what is written for a text is written for all of it")
    records = [asked(kind, "好"), asked(kind, "明月 " * 60)]
    tokenizer = tokenizer_for(kind)
    with pytest.raises(
        Refusal, match=r"record 2: the (text has|two texts have) \d+ tokens and a row takes \d+; .*'too_long'"
    ):
        changed(kind, too_long="stop").encode(records, tokenizer, 32, labelled=False)
    first, cut = changed(kind, too_long="truncate").encode(records, tokenizer, 32, labelled=False)
    assert (first.cut, len(cut)) == (0, 32) or (kind in REWRITING and len(cut) <= 32)
    assert cut.cut > 0
    if "split" not in get_args(find(Task, kind).model_fields["too_long"].annotation):
        return
    split = changed(kind, too_long="split").encode(records, tokenizer, LIMIT, labelled=False)
    assert len(split) > 3
    assert all(len(row) <= 32 for row in split)


def asked(kind, text):
    """A record of a text, with what else the task reads."""
    sample = task_for(kind).sample[0]
    if "context" in sample:
        return {"context": text, "question": sample["question"]}
    if "head" in sample:
        return {"text": f"好月{text}", "head": {"start": 0, "end": 1}, "tail": {"start": 1, "end": 2}}
    if "chosen" in sample:
        return {"text": text, "chosen": sample["chosen"], "rejected": sample["rejected"]}
    if {"choices", "positives"} & sample.keys():
        return {"text": text, "choices" if "choices" in sample else "candidates": ["月", "明"]}
    second = sample.get("text_pair")
    return {"text": text} if second is None else {"text": second, "text_pair": text}


def changed(kind, **fields):
    return task_for(kind).model_copy(update={"max_length": 32, **fields})


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_without_any_token_is_predicted_all_the_same(kind):
    predictor = Predictor(TorchNetwork(model_for(kind), threads=1), task_for(kind), tokenizer_for(kind))
    assert len(predictor.predict([asked(kind, ""), asked(kind, "  ")])) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_a_plan_hold_every_label_once(kind):
    task = task_for(kind)
    rows = encode(kind, task.sample * 20)
    slices = plan(sizes_of(rows), tokens=512, rng=np.random.default_rng(0))
    batches = [collate(kind, [rows[row] for row in piece.examples], piece.width) for piece in slices]
    assert sum(batch.tokens for batch in batches) == sum(map(tokens_of, rows)) or kind in REWRITING
    assert all(("attention_mask" in b.inputs) == (b.tokens < b.inputs["input_ids"].numel()) for b in batches) or (
        task.answers_by != "forward"
    )
