"""How a process finds the others that were started with it, by the variables that torchrun, Kubernetes and we set.

RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT are those of `torch.distributed`.
"""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from danlu.machine.heartbeat import Heartbeat
from danlu.machine.interrupt import Agreed
from danlu.machine.ranks import ALONE, Dismissed, Lost, Ranks
from danlu.refusal import Refusal

LONG = timedelta(days=1)  # of a sum: what hangs is found by the heartbeat, what has ended by its closed connection
PARTING = 10.0  # seconds that the first rank waits for the others at the end
HEARD = 3.0  # seconds in which the first rank comes to refuse what others have refused, too
PORT = "29500"

_REFUSED, _BY_FIRST = "refused", "refused by the first"
"""Keys: what a rank that is not the first has refused, and that the first one has, too."""

_CLOSED = ("Connection closed", "Connection reset", "Broken pipe")
"""How libraries say that a rank at the other end is gone."""


@dataclass(frozen=True)
class Places:
    """Where a process stands among those that were started with it."""

    rank: int
    count: int
    local: int
    here: int
    address: str
    port: int

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> "Places | None":
        """What the variables say; None where there is one process alone.

        Raises:
            Refusal: they do not fit together.
        """
        if int(_number(variables, "WORLD_SIZE", "1")) < 2:
            return None
        numbers = {name: _number(variables, name, default) for name, default in _NUMBERS.items()}
        if not 0 <= numbers["RANK"] < numbers["WORLD_SIZE"]:
            raise Refusal(
                f"RANK is {numbers['RANK']} and WORLD_SIZE {numbers['WORLD_SIZE']}; ranks are counted from 0, so give "
                "each process its own number below WORLD_SIZE"
            )
        rank, count, local, here, port = numbers.values()
        return cls(rank, count, local, here, variables.get("MASTER_ADDR", "127.0.0.1"), port)


_NUMBERS = {"RANK": "-1", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "MASTER_PORT": PORT}


def _number(variables: Mapping[str, str], name: str, default: str) -> int:
    text = variables.get(name, default)
    if not text.lstrip("-").isdecimal():
        raise Refusal(f"{name} is {text!r:.100}; expected a number, as torchrun sets it")
    return int(text)


def asked_for(threads: int) -> str:
    """What OMP_NUM_THREADS is to be for a process to have so many threads, however it is started.

    torchrun sets 1 where nobody has, so `_share_cores` takes that for nothing; a list has a number for each level.
    """
    return "1,1" if threads == 1 and "TORCHELASTIC_RUN_ID" in os.environ else str(threads)


@contextmanager
def joined(seconds: float) -> Iterator[Ranks]:
    """This process among those that were started with it; within the block they can add and tell.

    Raises:
        Refusal: some of them have not come within `seconds`, the port is taken, or there is no device for this one.
        Lost: one of them has ended.
    """
    places = Places.of(os.environ)
    if places is None:
        yield ALONE
        return
    import torch
    import torch.distributed as dist

    _share_cores(places)
    store = _store(places, seconds)
    _wait_for_all(store, places, seconds)
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus and places.local < gpus:
        torch.cuda.set_device(places.local)
    backend = "cpu:gloo,cuda:nccl" if gpus else "gloo"
    dist.init_process_group(
        backend, store=dist.PrefixStore("torch", store), rank=places.rank, world_size=places.count, timeout=LONG
    )
    beside = dist.new_group(backend="gloo", timeout=LONG)
    told = dist.PrefixStore("danlu", store)
    ranks = Ranks(places.rank, places.count, places.local, dist.group.WORLD, told, beside)
    if not ranks.first and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first one stops all, after a whole step
    heart = Heartbeat(store.clone(), places.rank, places.count)
    try:
        with ranks.meeting():
            refuse_missing_device(places, gpus)
        yield ranks
        _part(ranks)
        heart.stop()
        dist.destroy_process_group()
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and not any(word in str(error) for word in _CLOSED):
            raise
        raise lost(ranks, heart) from error
    except Refusal as error:
        if ranks.first:
            ranks.store.set(_BY_FIRST, "")
            _part(ranks)
            raise
        raise refused(ranks, error) from error
    except (Dismissed, Agreed):
        _part(ranks)
        raise
    finally:
        heart.stop()


def _share_cores(places: Places) -> None:
    """Compute with this process's part of the cores, unless somebody has asked for a number of threads."""
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads is None or (threads == "1" and "TORCHELASTIC_RUN_ID" in os.environ):  # torchrun's, for want of better
        import torch

        from danlu.machine.device import cores

        torch.set_num_threads(max(1, cores() // max(1, places.here)))


def refused(ranks: Ranks, error: Refusal) -> Exception:
    """What a rank that is not the first ends with when it refuses: its sentence, unless the first refuses as well.

    That one need not hear of it: it may wait for this rank in a sum on accelerators, which never fails.
    """
    import torch.distributed as dist

    machine, both = socket.gethostname(), False
    deadline = time.monotonic() + HEARD
    with suppress(dist.DistError):  # the first may be gone, and the store with it
        ranks.store.set(_REFUSED, json.dumps([ranks.rank, machine, str(error)]))
        while not (both := ranks.store.check([_BY_FIRST])) and time.monotonic() < deadline:
            time.sleep(0.02)
        _part(ranks)
    return Dismissed() if both else Refusal(f"rank {ranks.rank} on {machine}: {error}")


def lost(ranks: Ranks, heart: Heartbeat) -> Exception:
    """Why a connection has failed: another rank has refused, and said so here, or has ended without a word."""
    import torch.distributed as dist

    with suppress(dist.DistError):
        if ranks.first and ranks.store.check([_REFUSED]):
            rank, machine, sentence = json.loads(ranks.store.get(_REFUSED))
            return Dismissed() if machine == socket.gethostname() else Refusal(f"rank {rank} on {machine}: {sentence}")
    return Lost(f"rank {ranks.rank}: {heart.lost()}; the same command goes on from the last checkpoint")


def _part(ranks: Ranks) -> None:
    """Leave together, so that the store, which lives in the first one, outlives all who still read it."""
    key = "parted"
    if not ranks.first:
        ranks.store.add(key, 1)
        return
    deadline = time.monotonic() + PARTING
    while ranks.store.add(key, 0) < ranks.count - 1 and time.monotonic() < deadline:
        time.sleep(0.02)


def _store(places: Places, seconds: float) -> Any:
    """The store that all ranks share; the first one holds it, or torchrun does."""
    import torch.distributed as dist

    held_by_torchrun = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        store = dist.TCPStore(
            places.address,
            places.port,
            is_master=places.rank == 0 and not held_by_torchrun,
            timeout=timedelta(seconds=seconds),
            wait_for_workers=False,
        )
    except dist.DistNetworkError as error:
        if "EADDRINUSE" in str(error) or "already in use" in str(error):
            raise Refusal(
                f"port {places.port} of {places.address} is taken by another program; set MASTER_PORT to a free one "
                "(with torchrun: --master-port, or the port of --rdzv-endpoint)"
            ) from None
        raise Refusal(
            f"rank {places.rank} on {socket.gethostname()} cannot reach the first rank at {places.address}:"
            f"{places.port} within {seconds:g} s; start all {places.count} processes, the one of rank 0 at that "
            "address, and see that its port is open"
        ) from None
    return dist.PrefixStore(f"attempt {attempt}", store)


def _wait_for_all(store: Any, places: Places, seconds: float) -> None:
    import torch.distributed as dist

    store.set(f"here/{places.rank}", socket.gethostname())
    keys = [f"here/{rank}" for rank in range(places.count)]
    try:
        store.wait(keys, timedelta(seconds=seconds))
    except dist.DistError:
        try:
            missing = [rank for rank, key in enumerate(keys) if not store.check([key])]
        except dist.DistError:
            raise Lost(f"rank {places.rank}: the first rank has ended while the others were waited for") from None
        if not missing:
            return
        raise Refusal(
            f"{places.count - len(missing)} of {places.count} processes have come within {seconds:g} s; missing: rank "
            f"{', '.join(map(str, missing))}; start them, or fewer altogether (--processes, --nnodes), or wait longer "
            "with --join-seconds"
        ) from None


def refuse_missing_device(places: Places, gpus: int) -> None:
    """Raise `Refusal` where a machine has GPUs, and none is left for this process."""
    if gpus and places.local >= gpus:
        raise Refusal(
            f"there is no GPU number {places.local} here, for this machine has {gpus}; start at most {gpus} processes "
            "on it"
        )
