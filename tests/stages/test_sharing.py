"""How it is told that several ranks share a training."""

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from danlu.machine.ranks import Ranks
from danlu.stages.sharing import shared
from danlu.text.batching.encoded import Encoded, Row
from danlu.train.batches import Batches
from danlu.train.dealing import parts_for
from danlu.train.settings import Training


def told(width: int, ranks: int, **how: Any) -> str:
    settings = Training(parallel="ddp", batch_tokens=1024, **how)
    rows = [Encoded(number, (Row(np.zeros(width, np.int32)),)) for number in range(64)]
    parts = parts_for(settings, torch.device("cpu"), ranks, whole=False)

    def collate(*_: Any) -> Any:
        raise AssertionError("nothing is collated")

    batches = Batches(rows, collate, 0, 1024, None, settings.accumulate, parts)
    run: Any = SimpleNamespace(ranks=Ranks(0, ranks), settings=settings, batches=batches)
    return shared(run)


@pytest.mark.parametrize(
    ("width", "how", "words"),
    [
        (1024, {}, r"too few rows \(1\) to be cut for all, which leaves 7 of them idle: set accumulate to 8, or lower"),
        (512, {"accumulate": 3}, r"each cut in 2, .*too few rows \(2\) .*which leaves 2 of them idle"),
        (128, {}, r"the batch of each step, each cut in 8, for there are more ranks than that \(ddp\)$"),
        (1024, {"accumulate": 8}, r"the 8 batches of each step \(ddp\)$"),
        (1024, {"accumulate": 9}, "a multiple of the ranks leaves none idle$"),
    ],
)
def test_ranks_that_no_row_is_left_for_are_told(width: int, how: dict[str, int], words: str) -> None:
    assert re.search(words, told(width, 8, **how))
