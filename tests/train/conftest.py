"""A network of four layers and batches for it: small enough to be compared with loops written out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from danlu.model.dropout import ByteDropout
from danlu.text.batching.batch import Batch

TOKENS, CLASSES = 11, 5


class Net(nn.Module):
    """Token numbers (B, T) to logits (B, T, C)."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.embed = nn.Embedding(TOKENS, 8)
        self.inner = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.dropout = ByteDropout(dropout)
        self.out = nn.Linear(8, CLASSES)

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.out(self.dropout(self.norm(torch.tanh(self.inner(self.embed(input_ids))))))


def batch(rows: int, seed: int, labelled: float = 1.0) -> Batch:
    """Rows of 6 tokens; about `labelled` of the labels count."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, (rows, 6))
    labels[rng.random(labels.shape) >= labelled] = -100
    return Batch(
        inputs={"input_ids": torch.from_numpy(rng.integers(0, TOKENS, (rows, 6)))},
        targets={"class": torch.from_numpy(labels)},
        counts={"class": int((labels >= 0).sum())},
        examples=np.arange(rows),
        tokens=rows * 6,
    )


def cut(whole: Batch, parts: int) -> list[Batch]:
    """The rows of a batch in several."""
    found = []
    for rows in np.array_split(whole.examples, parts):
        labels = whole.targets["class"][rows]
        inputs = {name: value[rows] for name, value in whole.inputs.items()}
        found.append(Batch(inputs, {"class": labels}, {"class": int((labels >= 0).sum())}, rows, 6 * len(rows)))
    return found


def loss(model: nn.Module, given: Batch) -> dict[str, Tensor]:
    logits = model(**given.inputs).float()
    labels = given.targets["class"].flatten()
    return {"class": nn.functional.cross_entropy(logits.flatten(0, 1), labels, reduction="sum")}


@pytest.fixture
def small() -> SimpleNamespace:
    """The above, for test files, which cannot import this one."""
    return SimpleNamespace(Net=Net, batch=batch, cut=cut, loss=loss)
