"""How fast two bundles answer on this machine, measured in turn, so that both see the same neighbours.

Other programs take time from a measurement and never give any, so of several the quickest counts; and a bundle is no
quicker beside another than in most of their turns, since the quickest of two like ones differ by chance.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import torch

from danlu.bundle.bundle import Bundle
from danlu.data.record import Record
from danlu.machine.crew import on_one_core
from danlu.machine.seed import generator
from danlu.text.batching.encoded import Encoded

BATCHES = (1, 8, 32)
LENGTHS = (16, 64, 128)  # tokens
ALONE = 8  # records that are asked one by one
TOGETHER = 128  # records that are asked at once
WRITTEN = 4  # of either where answers are written token by token


@dataclass(frozen=True)
class Speed:
    """How fast a bundle answers.

    - `latency`: seconds from one record to its answer, where nobody else asks.
    - `throughput`: records a second, of many that are asked at once.
    - `grid`: seconds a batch, on one core, by batch and length as in `8x64`; empty where answers are written.
    """

    latency: float
    throughput: float
    grid: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measuring:
    """How long to measure: at least so many rounds, and as many more as take `seconds` for each figure."""

    rounds: int = 5
    seconds: float = 1.0
    batches: tuple[int, ...] = BATCHES
    lengths: tuple[int, ...] = LENGTHS


def measured(first: Bundle, second: Bundle, records: Sequence[Record], how: Measuring) -> tuple[Speed, Speed]:
    """The speeds of two bundles that answer the same records."""
    pair = (first, second)
    few = any(bundle.task.answers_by == "generate" for bundle in pair)
    alone = list(islice(cycle(records), min(len(records), WRITTEN if few else ALONE)))
    together = list(islice(cycle(records), WRITTEN if few else TOGETHER))
    one = _quickest([_asking(bundle, [[record] for record in alone]) for bundle in pair], how)
    many = _quickest([_asking(bundle, [together]) for bundle in pair], how)
    grids = [{}, {}] if few else _grids(pair, records, how)
    first_speed, second_speed = (
        Speed(one[place] / len(alone), len(together) / many[place], grids[place]) for place in range(2)
    )
    return first_speed, second_speed


def bytes_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _asking(bundle: Bundle, blocks: Sequence[list[Record]]) -> Callable[[], object]:
    def ask() -> None:
        for block in blocks:
            bundle.predict(block)

    return ask


def _quickest(calls: Sequence[Callable[[], object]], how: Measuring) -> list[float]:
    """The least time that each of two calls takes, in seconds, made in turn; see the head of this file."""
    for call in calls:
        call()  # the first one is slower
    taken: list[list[float]] = [[] for _ in calls]
    begun = time.perf_counter()
    while len(taken[0]) < how.rounds or time.perf_counter() - begun < how.seconds:
        for times, call in zip(taken, calls, strict=True):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    first, second = (min(times) for times in taken)
    gain = median(one / other for one, other in zip(*taken, strict=True))
    return [first, max(second, first / gain)]


def _grids(pair: Sequence[Bundle], records: Sequence[Record], how: Measuring) -> list[dict[str, float]]:
    grids: list[dict[str, float]] = [{} for _ in pair]
    encoded = [_encoded(bundle, records) for bundle in pair]
    limit = min(bundle.predictor.network.limit for bundle in pair)
    with torch.inference_mode(), on_one_core():  # as each batch is computed where many are asked
        for length in (each for each in how.lengths if each <= limit):
            fitting = [sorted((e for e in each if len(e) <= length), key=len, reverse=True) for each in encoded]
            for batch in how.batches if all(fitting) else ():
                calls = [_computing(*each, batch, length) for each in zip(pair, fitting, strict=True)]
                for grid, seconds in zip(grids, _quickest(calls, how), strict=True):
                    grid[f"{batch}x{length}"] = seconds
    return grids


def _encoded(bundle: Bundle, records: Sequence[Record]) -> list[Encoded]:
    predictor = bundle.predictor
    return list(predictor.read(list(records[: 4 * TOGETHER])).encoded)


def _computing(bundle: Bundle, encoded: Sequence[Encoded], batch: int, length: int) -> Callable[[], Any]:
    """The network alone, on a batch of records that are padded to a length."""
    task, network = bundle.task, bundle.predictor.network
    rows = list(islice(cycle(encoded), batch))
    made = task.collate(rows, length, bundle.tokenizer, generator("predict", 0)).to(network.device)
    return lambda: network.forward(task, made)
