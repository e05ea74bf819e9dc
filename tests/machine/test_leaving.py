"""Who says what a rank has refused where the others go on."""

import socket
import threading
from typing import Any

import pytest
import torch.distributed as dist

from danlu.machine.joining import lost, refused
from danlu.machine.ranks import Dismissed, Ranks
from danlu.refusal import Refusal


def test_a_rank_that_refuses_alone_says_so_itself_and_the_first_does_on_another_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("danlu.machine.joining.HEARD", 0.02)
    store = dist.HashStore()
    first, second = (Ranks(rank, 2, rank, None, store) for rank in range(2))
    said = refused(second, Refusal("a.csv: is damaged"))
    assert isinstance(said, Refusal)
    assert str(said) == f"rank 1 on {socket.gethostname()}: a.csv: is damaged"
    heart: Any = None
    assert isinstance(lost(first, heart), Dismissed)
    monkeypatch.setattr("danlu.machine.joining.socket.gethostname", lambda: "elsewhere")
    assert str(lost(first, heart)) == str(said)


def test_what_all_ranks_refuse_the_first_alone_says() -> None:
    ranks = Ranks(1, 2, 1, None, store := dist.HashStore())
    threading.Timer(0.05, store.set, ("refused by the first", "")).start()
    assert isinstance(refused(ranks, Refusal("step 3: the weights are no finite numbers")), Dismissed)
