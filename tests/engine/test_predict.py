"""Predictions: in order, the same for any number of threads, clear about what is wrong."""

import math
import os
import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig, PreTrainedModel, RobertaConfig

from danlu.data.record import Record
from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.model.positions import longest_row
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource

CHARACTERS = "这本书写得很好值读一遍物流太慢包装也破了今天我们去公园散步"
TASKS = {
    "classify": {"kind": "classify", "labels": ["negative", "positive"], "too_long": "split"},
    "tag": {"kind": "tag", "labels": ["person", "place"]},
    "masked_lm": {"kind": "masked_lm", "too_long": "split"},
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    source = TokenizerSource.model_validate({"kind": "wordpiece", "size": 120, "min_frequency": 1})
    return source.build(lambda: iter([CHARACTERS]))


def build(task: Task, tokenizer: Tokenizer) -> PreTrainedModel:
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=40,
        pad_token_id=tokenizer.pad_token_id,
        **task.config(),
    )
    torch.manual_seed(5)
    model = getattr(transformers, task.auto_class).from_config(config)
    for parameter in model.parameters():  # untrained weights answer the same to everything
        parameter.data.mul_(4)
    return model


def texts(count: int) -> list[Record]:
    rng = np.random.default_rng(1)
    return [{"text": "".join(rng.choice(list(CHARACTERS), rng.integers(1, 90)))} for _ in range(count)]


@pytest.fixture(params=sorted(TASKS))
def task(request: pytest.FixtureRequest) -> Task:
    return Task.model_validate(TASKS[request.param])


def assert_alike(found: object, expected: object) -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key in expected:
            assert_alike(found[key], expected[key])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_alike(one, other)
    elif isinstance(expected, float):
        assert math.isclose(found, expected, rel_tol=1e-4, abs_tol=1e-5)
    else:
        assert found == expected


def test_each_record_gets_the_answer_it_gets_alone(task: Task, tokenizer: Tokenizer) -> None:
    records = texts(30)
    with Predictor(TorchNetwork(build(task, tokenizer), threads=2), task, tokenizer, batch_tokens=256) as predictor:
        together = predictor.predict(records)
        alone = [predictor.predict([record])[0] for record in records]
    assert_alike(together, alone)
    assert together[0] != together[1]


def test_the_number_of_threads_changes_nothing(task: Task, tokenizer: Tokenizer) -> None:
    records, model = texts(40), build(task, tokenizer)
    answers = []
    for threads in (1, 2, 3):
        with Predictor(TorchNetwork(model, threads=threads), task, tokenizer, batch_tokens=200) as predictor:
            answers.append(predictor.predict(records))
    assert_alike(answers[1], answers[0])
    assert_alike(answers[2], answers[0])


@settings(max_examples=settings().max_examples // 3)
@given(count=st.integers(0, 25), block=st.integers(1, 9))
def test_a_stream_keeps_the_order_and_holds_one_block(tokenizer: Tokenizer, count: int, block: int) -> None:
    task = Task.model_validate(TASKS["classify"])
    records = texts(count)
    taken = 0

    def source() -> Iterator[Record]:
        nonlocal taken
        for record in records:
            taken += 1
            yield record

    with Predictor(TorchNetwork(build(task, tokenizer), threads=1), task, tokenizer) as predictor:
        expected = predictor.predict(records)
        found = []
        for prediction in predictor.stream(source(), block):
            found.append(prediction)
            assert taken - len(found) < block
    assert_alike(found, expected)


def test_the_model_that_is_being_trained_is_left_as_it_is_and_its_new_weights_are_seen(tokenizer: Tokenizer) -> None:
    task = Task.model_validate(TASKS["classify"])
    model = build(task, tokenizer).train()
    with Predictor(TorchNetwork(model, threads=2), task, tokenizer) as predictor:
        first = predictor.predict(texts(4))
        assert first == predictor.predict(texts(4))  # no dropout
        assert model.training
        assert all(parameter.requires_grad for parameter in model.parameters())
        with torch.no_grad():
            model.classifier.bias += torch.tensor([-50.0, 50.0])
        assert {answer["label"] for answer in predictor.predict(texts(4))} == {"positive"}


def test_outputs_that_are_no_numbers_are_refused_with_the_record(tokenizer: Tokenizer) -> None:
    task = Task.model_validate(TASKS["classify"])
    model = build(task, tokenizer)
    records = [{"text": "好"}, {"text": "慢"}]
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight[tokenizer.convert_tokens_to_ids("慢")] = torch.nan
    with (
        Predictor(TorchNetwork(model), task, tokenizer) as predictor,
        pytest.raises(Refusal, match=r"record 2: .* not finite"),
    ):
        predictor.predict(records)


def test_a_wrong_record_far_down_a_stream_is_named_by_where_it_is(tokenizer: Tokenizer) -> None:
    task = Task.model_validate(TASKS["classify"])
    records = [*texts(5), {"txt": "好"}]
    with (
        Predictor(TorchNetwork(build(task, tokenizer)), task, tokenizer) as predictor,
        pytest.raises(Refusal, match=r"record 2: .*text.*counted from record 5"),
    ):
        list(predictor.stream(records, block=4))


def test_an_error_in_one_thread_ends_the_others_and_reaches_the_caller(tokenizer: Tokenizer) -> None:
    task = Task.model_validate(TASKS["classify"])
    model = build(task, tokenizer)
    calls = []

    def fail(module: torch.nn.Module, given: object, output: object) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise OSError("device lost")

    model.bert.register_forward_hook(fail)
    with Predictor(TorchNetwork(model, threads=2), task, tokenizer, batch_tokens=40) as predictor:
        with pytest.raises(OSError, match="device lost"):
            predictor.predict(texts(60))
        assert len(calls) < 10


def test_ctrl_c_stops_the_threads(tokenizer: Tokenizer) -> None:
    task = Task.model_validate(TASKS["classify"])
    model = build(task, tokenizer)
    calls: list[float] = []

    def interrupt(module: torch.nn.Module, given: object, output: object) -> None:
        calls.append(time.perf_counter())
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)  # as a terminal does: the waiting thread gets it
        time.sleep(0.005)

    model.bert.register_forward_hook(interrupt)
    predictor = Predictor(TorchNetwork(model, threads=2), task, tokenizer, batch_tokens=40)
    with pytest.raises(KeyboardInterrupt):
        predictor.predict(texts(200))
    predictor.close()
    assert len(calls) < 150
    counted = len(calls)
    time.sleep(0.05)
    assert len(calls) == counted


@pytest.mark.parametrize("kind", sorted(TASKS))
def test_calls_of_mixed_sizes_show_the_model_few_shapes(tokenizer: Tokenizer, kind: str) -> None:
    """What kernels keep for every shape that they have seen would fill the memory; twice as many calls, no more."""
    task = Task.model_validate(TASKS[kind])
    model = build(task, tokenizer)
    seen: set[tuple[int, ...]] = set()
    model.bert.register_forward_hook(lambda module, given, output: seen.add(tuple(output.last_hidden_state.shape)))
    head = next(module for name, module in model.named_modules() if name in ("classifier", "cls.predictions"))
    head.register_forward_hook(lambda module, given, output: seen.add((0, *output.shape)))
    rng = np.random.default_rng(5)
    counts = []
    with Predictor(TorchNetwork(model, threads=2), task, tokenizer, batch_tokens=256) as predictor:
        for _ in range(2):
            for _ in range(60):
                letters = rng.choice(list(CHARACTERS), (int(rng.integers(1, 9)), int(rng.integers(1, 40))))
                predictor.predict([{"text": "".join(row)} for row in letters])
            counts.append(len(seen))
    assert counts[1] <= 90
    assert counts[1] - counts[0] <= 20


def test_the_longest_row_leaves_out_the_positions_that_roberta_never_uses() -> None:
    sizes = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = RobertaConfig(**sizes, intermediate_size=8, max_position_embeddings=22, pad_token_id=1)
    model = transformers.AutoModel.from_config(config).eval()
    assert longest_row(model) == 20
    model(torch.full((1, 20), 5))
    with pytest.raises((IndexError, RuntimeError)):
        model(torch.full((1, 21), 5))
