"""What every task makes of what a person asks, whatever it is."""

import pytest
from tiny_tasks import LIMIT, model_for, task_for, tokenizer_for

from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.recipe.part import kinds
from danlu.refusal import Refusal
from danlu.task.asked import records_of
from danlu.task.task import Task

KINDS = kinds(Task)


def strings(value, keys=()):
    """Where each text of a record stands."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return (
        [keys] if isinstance(value, str) else [found for key, item in inside for found in strings(item, (*keys, key))]
    )


def replaced(value, keys, text):
    """The record with another text at `keys`."""
    if not keys:
        return text
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[keys[0]] = replaced(value[keys[0]], keys[1:], text)
    return copy


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_character_in_any_column_is_refused_by_record_and_column(kind):
    task = task_for(kind)
    predictor = Predictor(TorchNetwork(model_for(kind), threads=1), task, tokenizer_for(kind))
    for record in task.sample:
        for keys in strings(record):
            broken = replaced(record, keys, "a\ud83d b")
            asks = [predictor.predict, lambda given: list(predictor.outputs(given))]
            if task.answers_by != "forward":
                asks.append(lambda given: list(predictor.write(given, predictor.policy)))
            for ask in asks:
                with pytest.raises(Refusal, match=f"^record 2: column '{keys[0]}' holds half of a surrogate pair"):
                    ask([record, broken])


@pytest.mark.parametrize("kind", KINDS)
def test_a_bare_text_is_answered_or_told_what_a_record_needs(kind):
    task, tokenizer = task_for(kind), tokenizer_for(kind)
    try:
        records = list(records_of(["好好学习"], task, "--text"))
    except Refusal as refusal:
        assert all(f'"{name}": ...' in str(refusal) for name in task.reads)  # noqa: PT017
        return
    if task.answers_by == "generate":
        assert task.prompts(records, tokenizer, LIMIT)
    elif kind == "relate":
        with pytest.raises(Refusal, match="mark each once in the text, as in <e1>"):
            task.encode(records, tokenizer, LIMIT, labelled=False)
    else:
        assert task.encode(records, tokenizer, LIMIT, labelled=False)
