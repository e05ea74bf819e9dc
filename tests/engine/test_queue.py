"""One queue before a network: what arrives together is answered together, and nothing is left when it ends."""

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from danlu.engine.engine import Network
from danlu.engine.predict import Predictor
from danlu.engine.queue import Asked, Queue
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource


class Sums(Network):
    """Says of each row the sum of its tokens, and keeps the batches; waits at a gate before each."""

    device = torch.device("cpu")
    limit, rounding, number_format = 40, 1e-6, "float32"

    def __init__(self, cores: int = 1) -> None:
        self.cores = cores
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def forward(self, task: Task, batch: Batch) -> dict[str, Tensor]:
        self.gate.wait()
        self.batches.append(len(batch.inputs["input_ids"]))
        ids_BT = batch.inputs["input_ids"]
        if (ids_BT == 99).any():
            raise OSError("device lost")
        mask_BT = batch.inputs.get("attention_mask", torch.ones_like(ids_BT))
        sums_B = (ids_BT * mask_BT).sum(1).float()
        return {"logits": torch.stack([sums_B, -sums_B], 1) / 1000}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return TokenizerSource.model_validate({"kind": "char", "size": 100}).build(lambda: iter(["一二三"]))


TASK = Task.model_validate({"kind": "classify", "labels": ["a", "b"]})


def examples(*rows: list[int]) -> list[Encoded]:
    return [Encoded(number, (Row(np.array(ids, np.int32)),)) for number, ids in enumerate(rows)]


def sums(outputs: list[np.ndarray]) -> list[int]:
    """Of the tokens, from the two log-probabilities of each row."""
    return [round(float(log[0] - log[1]) * 500) for log in outputs]


ROWS = st.lists(st.lists(st.integers(1, 90), min_size=1, max_size=30), max_size=12)


@given(st.lists(ROWS, max_size=8), st.integers(1, 3))
def test_each_caller_gets_the_answers_to_what_it_asked(tokenizer: Tokenizer, wanted: list, cores: int) -> None:
    network = Sums(cores)
    queue, asked = Queue(network, 100), Asked(network, TASK, tokenizer, company_tells=False)
    try:
        with ThreadPoolExecutor(8) as callers:
            found = list(callers.map(lambda rows: sums(queue.submit(asked, examples(*rows)).result()), wanted))
    finally:
        queue.close()
    assert found == [[sum(row) for row in rows] for rows in wanted]


def test_what_waits_together_is_answered_in_one_batch(tokenizer: Tokenizer) -> None:
    network = Sums()
    queue, asked = Queue(network, 100), Asked(network, TASK, tokenizer, company_tells=False)
    network.gate.clear()
    first = queue.submit(asked, examples([1, 2]))
    while queue._waiting:  # until the thread stands at the gate
        pass
    others = [queue.submit(asked, examples([number, number])) for number in range(1, 17)]
    network.gate.set()
    assert [sums(future.result()) for future in [first, *others]] == [[3], *([2 * number] for number in range(1, 17))]
    queue.close()
    assert network.batches == [1, 16]


def test_examples_for_one_network_and_task_alone_share_a_batch(tokenizer: Tokenizer) -> None:
    base, others = Sums(), [Sums(), Sums()]
    queue, asked = Queue(base, 100), Asked(base, TASK, tokenizer, company_tells=False)
    base.gate.clear()
    first = queue.submit(asked, examples([1, 2]))
    while queue._waiting:
        pass
    beside = [Asked(network, TASK, tokenizer, company_tells=False) for network in (*others, others[0])]
    waiting = [queue.submit(each, examples([number, number])) for number in range(1, 4) for each in (asked, *beside)]
    base.gate.set()
    assert sums(first.result()) == [3]
    assert [sums(future.result()) for future in waiting] == [[2 * number] for number in range(1, 4) for _ in range(4)]
    queue.close()
    assert base.batches == [1, 3]
    assert [network.batches for network in others] == [[3, 3], [3]]


def test_a_small_question_waits_for_no_large_one(tokenizer: Tokenizer) -> None:
    network = Sums()
    queue, asked = Queue(network, 8), Asked(network, TASK, tokenizer, company_tells=False)
    network.gate.clear()
    large = queue.submit(asked, examples(*[[1, 2, 3, 4]] * 100))
    while queue._waiting:
        pass
    small = queue.submit(asked, examples([5, 6]))
    done: list[str] = []
    for name, future in (("large", large), ("small", small)):
        future.add_done_callback(lambda _, name=name: done.append(name))
    network.gate.set()
    assert (len(large.result()), sums(small.result())) == (100, [11])
    queue.close()
    assert done == ["small", "large"]


class Greedy(Sums):
    """Asks a small question more after every batch, so that one always waits."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.ask: Callable[[], object] = lambda: None

    def forward(self, task: Task, batch: Batch) -> dict[str, Tensor]:
        said = super().forward(task, batch)
        if len(self.batches) < self.most:
            self.ask()
        return said


def test_a_large_question_goes_on_however_many_small_ones_come(tokenizer: Tokenizer) -> None:
    network = Greedy(most=200)
    queue = Queue(network, 8)
    asked = Asked(network, TASK, tokenizer, company_tells=False)
    network.ask = lambda: queue.submit(asked, examples([1]))
    network.gate.clear()
    large = queue.submit(asked, examples(*[[1, 2, 3, 4]] * 10))
    answered: list[int] = []
    large.add_done_callback(lambda _: answered.append(len(network.batches)))  # before who waits for it is awake
    network.gate.set()
    large.result()
    queue.close()
    assert answered[0] < 20  # every other batch, of 5


def test_what_fails_fails_those_who_asked_it_alone(tokenizer: Tokenizer) -> None:
    network = Sums(2)
    queue, asked = Queue(network, 8), Asked(network, TASK, tokenizer, company_tells=False)
    bad, good = queue.submit(asked, examples([99, 99])), queue.submit(asked, examples(*[[1, 2, 3]] * 9))
    with pytest.raises(OSError, match="device lost"):
        bad.result()
    assert sums(good.result()) == [6] * 9
    assert sums(queue.submit(asked, examples([7])).result()) == [7]
    queue.close()


def test_a_closed_queue_refuses_and_keeps_nobody_waiting(tokenizer: Tokenizer) -> None:
    network = Sums()
    queue, asked = Queue(network, 8), Asked(network, TASK, tokenizer, company_tells=False)
    network.gate.clear()
    waiting = queue.submit(asked, examples(*[[1, 2, 3, 4]] * 50))
    closing = threading.Thread(target=queue.close)
    closing.start()
    with pytest.raises(Refusal, match="closed before it had answered"):
        waiting.result()
    network.gate.set()
    closing.join()
    with pytest.raises(Refusal, match="this bundle was closed; load it again"):
        queue.submit(asked, examples([1]))


@pytest.mark.parametrize("closes", [False, True])
def test_nobody_waits_for_the_rows_on_which_padding_is_tried(tokenizer: Tokenizer, closes: bool) -> None:
    network = Sums()
    queue, asked = Queue(network, 8), Asked(network, TASK, tokenizer)
    network.gate.clear()
    first = queue.submit(asked, examples([1], [1, 2], [1, 2, 3]))  # of unlike lengths, so padding is tried
    others: list = []
    caller = threading.Thread(target=lambda: others.append(queue.submit(asked, examples([7]))), daemon=True)
    caller.start()
    caller.join(30)
    assert not caller.is_alive()
    closing = threading.Thread(target=queue.close, daemon=True)
    if closes:
        closing.start()
        while not queue._closed:
            threading.Event().wait(0.001)
    network.gate.set()
    if closes:
        for future in (first, *others):
            with pytest.raises(Refusal, match="closed before it had answered"):
                future.result(30)
        closing.join()
    else:
        assert sums(first.result(30)) == [1, 3, 6]
        assert sums(others[0].result(30)) == [7]
        queue.close()


def test_threads_end_with_whoever_asked_for_them(tokenizer: Tokenizer) -> None:
    before = set(threading.enumerate())
    predictor = Predictor(Sums(3), TASK, tokenizer)
    assert set(threading.enumerate()) == before  # none until the first question
    records = [{"text": "一二"}, {"text": "三"}]
    assert len(predictor.predict(records)) == 2
    network = weakref.ref(predictor.network)
    assert len(set(threading.enumerate()) - before) == 3
    del predictor
    gc.collect()
    assert set(threading.enumerate()) == before
    assert network() is None


def test_a_lone_text_is_answered_as_it_is_in_company_by_what_reads_padding(tokenizer: Tokenizer) -> None:
    class Mixes(Sums):
        """Counts padding too."""

        def forward(self, task: Task, batch: Batch) -> dict[str, Tensor]:
            ids_BT = batch.inputs["input_ids"]
            told_B = ids_BT.sum(1) + ids_BT.shape[1]
            return {"logits": torch.stack([told_B, torch.zeros_like(told_B)], 1).float() / 500}

    for rows in ([[1, 2, 3]], [[1, 2, 3], [4, 5, 6]]):
        queue = Queue(network := Mixes(), 100)
        asked = Asked(network, TASK, tokenizer)
        try:
            alone = sums(queue.submit(asked, examples(*rows)).result(30))
            company = sums(queue.submit(asked, examples(*rows, [1] * 20)).result(30))
        finally:
            queue.close()
        assert asked.company_tells is True
        assert alone == company[:-1] == [sum(row) + 3 for row in rows]
