"""What frozen networks say of rows: the same bits by one core and by several, and asked once where it is kept."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, BertConfig

from danlu.machine.crew import compute_with
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece
from danlu.tuning.roles import Roles

TEXTS = ["good", "a good film", "a film that is not very good", "bad", "a bad film", "not bad at all"] * 3


@pytest.fixture(autouse=True)
def _two_cores() -> Iterator[None]:
    before = torch.get_num_threads()
    compute_with(2)
    yield
    compute_with(before)


class Told(Roles):
    """Roles that tell which threads have asked, and how often."""

    def __init__(self, task: Task, network: nn.Module) -> None:
        super().__init__(task, {"teacher": network})
        self.asked: list[str] = []
        self.meeting: threading.Barrier | None = None
        self.breaks = False

    def says(self, network: nn.Module, row: Batch) -> dict[str, Tensor]:
        name = threading.current_thread().name
        if self.meeting and name not in self.asked:
            self.meeting.wait(30)
        if self.breaks:
            raise ZeroDivisionError
        self.asked.append(name)
        return super().says(network, row)


@pytest.fixture
def batch() -> Batch:
    return _made()[1]


@pytest.fixture
def roles() -> Told:
    return _made()[0]


def _made() -> tuple[Told, Batch]:
    records = [{"text": text, "label": "bad" if "bad" in text else "good"} for text in TEXTS]
    tokenizer = WordPiece(size=100, min_frequency=1).build(lambda: iter(TEXTS))
    task = Task.model_validate("classify").fitted(records)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=32, **sizes, **task.config())
    network = AutoModelForSequenceClassification.from_config(config).eval().requires_grad_(requires_grad=False)
    rows = task.learnable(records, tokenizer, 32, 0)
    return Told(task, network), task.collate(rows, max(map(len, rows)), tokenizer, np.random.default_rng(0))


def test_all_cores_say_what_one_says_to_the_bit(roles: Told, batch: Batch, tmp_path: Path) -> None:
    alone = roles.told(batch).targets["teacher.logits"]
    assert set(roles.asked) == {threading.current_thread().name}
    roles.asked.clear()
    roles.meeting = threading.Barrier(2)  # both have to be at work at once
    with roles.keeping(tmp_path):
        together = roles.told(batch).targets["teacher.logits"]
    assert len(set(roles.asked)) == 2
    assert torch.equal(alone, together)
    assert not [*tmp_path.iterdir()]


def test_what_is_kept_is_asked_once(roles: Told, batch: Batch, tmp_path: Path) -> None:
    with roles.keeping(tmp_path):
        first = roles.told(batch).targets["teacher.logits"]
        count = len(roles.asked)
        again = roles.told(batch).targets["teacher.logits"]
    assert len(set(TEXTS)) <= count <= 2 * len(set(TEXTS))  # of equal rows two may be asked at once
    assert len(roles.asked) == count
    assert torch.equal(first, again)


def test_a_thread_of_one_core_asks_by_itself(roles: Told, batch: Batch, tmp_path: Path) -> None:
    with roles.keeping(tmp_path):
        compute_with(1)
        roles.told(batch)
    assert set(roles.asked) == {threading.current_thread().name}


def test_what_goes_wrong_in_a_thread_is_raised_and_nothing_is_left(roles: Told, batch: Batch, tmp_path: Path) -> None:
    roles.breaks = True
    threads = threading.active_count()
    with pytest.raises(ZeroDivisionError), roles.keeping(tmp_path):
        roles.told(batch)
    assert threading.active_count() == threads
    assert not [*tmp_path.iterdir()]
