"""The loop: a generator of optimizer steps. Whoever consumes it records, evaluates, saves and stops."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial, reduce
from itertools import count
from operator import add

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from danlu.machine.crew import Crew
from danlu.machine.ranks import ALONE, Ranks
from danlu.model.dropout import functional_too, seed_dropout
from danlu.text.batching.batch import LOGGED, Batch
from danlu.train.fair import FairCores, Gradients, shape_of
from danlu.train.finite import NotFinite, refused
from danlu.train.parameters import Parameters
from danlu.train.timing import Spent, Waited, places

Loss = Callable[[nn.Module, Batch], dict[str, Tensor]]
Beforehand = Callable[[Batch], Batch]
"""What is done with a batch, by all cores, before its gradients are computed and busy cores are noticed."""


def as_it_is(batch: Batch) -> Batch:
    """The batch."""
    return batch


"""Sum of each objective's loss over what counts, by the names in `Batch.counts`."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one optimizer step reports.

    - `loss`: sum over the objectives, each the mean over what counts of all micro-batches together.
    - `losses`: these means, by objective; beside them the means of what is `LOGGED`.
    - `rate`: learning rate that was used.
    - `gradient_norm`: before clipping.
    - `tokens`: tokens that are not padding.
    - `seconds`: from the batch being ready to the weights being new; `spent`: where they went.
    - `taken`: whether the weights have moved; they have not where loss or gradients are no finite numbers.
    """

    number: int
    loss: float
    losses: dict[str, float]
    rate: float
    gradient_norm: float
    tokens: int
    seconds: float
    spent: Spent
    taken: bool = True


class Scaler:
    """Loss scaling for float16 (Micikevicius et al., 2018): halved on overflow, doubled after 2,000 good steps.

    It does not fall further than to `LOWEST`, where what overflows does so by itself.
    """

    LOWEST = 0.5

    def __init__(self, scale: float = 65536.0, good: int = 0) -> None:
        """Start from `scale`, a power of two so that it keeps every digit, and `good` good steps in a row."""
        self.scale, self.good = scale, good

    def update(self, finite: bool) -> None:
        """Learn from whether the gradients of a step were finite."""
        self.good = self.good + 1 if finite else 0
        if not finite:
            self.scale = max(self.LOWEST, self.scale / 2)
        elif self.good == 2000:
            self.scale, self.good = self.scale * 2, 0


def steps(
    replicas: Sequence[nn.Module],
    groups: Iterable[list[Batch]],
    loss: Loss,
    optimizer: Optimizer,
    parameters: Parameters,
    *,
    rate: Callable[[int], float],
    clip: float,
    start: int = 0,
    seed: int = 0,
    scaler: Scaler | None = None,
    not_finite: NotFinite = refused,
    ranks: Ranks = ALONE,
    beforehand: Beforehand = as_it_is,
) -> Iterator[Step]:
    """Train one optimizer step for each group of micro-batches and yield what happened.

    Micro-batches go to the replicas in turn, which compute side by side; gradients are summed in float32 in a fixed
    order, and each objective is divided by its count in the whole group, so that splitting a batch changes nothing, nor
    that other `ranks` compute a share. `not_finite` hears of a step that is left out, unless float16 has overflowed.
    """
    device = next(replicas[0].parameters()).device
    crew, alone = Crew(len(replicas)), len(replicas) == 1
    fair = FairCores(torch.get_num_threads() if alone and parameters.complete and device.type == "cpu" else 1)
    trained = [[p for p in replica.parameters() if p.requires_grad] for replica in replicas]
    with closing(crew), nullcontext() if alone else functional_too():
        for number, group in enumerate(waited := Waited(groups), start):
            begin = time.perf_counter()
            counts, tokens = _counted(group, ranks)
            scale = scaler.scale if scaler else 1.0
            divisors, totals = {name: value / scale for name, value in counts.items()}, dict.fromkeys(counts, 0.0)
            where = parameters.begin(number)
            parameters.expect(len(group))
            deriving = [partial(parameters.derived, moving=[own[place] for place in where]) for own in trained]
            gradients_of = partial(_gradients, loss=loss, divisors=divisors, scaler=scaler, alone=alone)
            for first in range(0, len(group), len(replicas)):
                each = zip(replicas, map(beforehand, group[first:]), deriving, count(first), strict=False)
                jobs = [
                    partial(gradients_of, one, batch, derived=derived, keys=(seed, number, ranks.place(i)))
                    for one, batch, derived, i in each
                ]
                found = [fair.run(jobs[0], (len(where), shape_of(group[first])))] if alone else crew.run(jobs)
                for i, (values, gradients) in enumerate(found):
                    totals |= {name: totals[name] + value for name, value in values.items()}
                    with fair.exactly():
                        parameters.add(gradients, first=first + i == 0)
            computed = time.perf_counter()
            parameters.together(ranks)
            totals, padded = _summed(totals, group, ranks)
            norm = float(parameters.norm()) / scale
            together, losses = _means(totals, counts)
            finite = math.isfinite(norm) and math.isfinite(together)
            used = rate(number)
            if finite:
                _update(parameters, optimizer, norm, clip, used, scaler, fair)
            elif scaler is None or scaler.scale < 1.0:
                not_finite(number, group, together, norm)
            if scaler:
                scaler.update(finite)
            seconds = (end := time.perf_counter()) - begin
            spent = Spent(waited.seconds, end - computed, padded)
            yield Step(number, together, losses, used, norm, tokens, seconds, spent, taken=finite)


def _counted(group: Sequence[Batch], ranks: Ranks) -> tuple[dict[str, float], int]:
    """How much of each objective counts in a step, and its tokens, on all ranks together."""
    tokens = sum(batch.tokens for batch in group)
    counts = {name: sum(batch.counts[name] for batch in group) for name in group[0].counts}
    *sums, together = ranks.total([*counts.values(), tokens])
    return {name: count or 1 for name, count in zip(counts, sums, strict=True)}, int(together)


def _summed(totals: Mapping[str, float], group: Sequence[Batch], ranks: Ranks) -> tuple[dict[str, float], int]:
    """The sums over all ranks, and places of all their batches, padding included."""
    *summed, padded = ranks.total([*totals.values(), places(group)])
    return dict(zip(totals, summed, strict=True)), int(padded)


def _means(totals: Mapping[str, float], counts: Mapping[str, float]) -> tuple[float, dict[str, float]]:
    """The loss, and the mean of each objective, beside them those of what is `LOGGED`."""
    losses = {name: total / counts[name] for name, total in totals.items()}
    return sum(value for name, value in losses.items() if not name.startswith(LOGGED)), losses


def _gradients(
    replica: nn.Module,
    batch: Batch,
    loss: Loss,
    divisors: dict[str, float],
    derived: Callable[[Tensor | None], tuple[Tensor | None, ...]],
    keys: tuple[int, int, int],
    scaler: Scaler | None,
    alone: bool,
) -> Gradients:
    """Loss sums and gradients of one micro-batch; randomness is a function of the keys alone."""
    seed_dropout(*keys)
    device = next(replica.parameters()).device.type
    if alone:  # torch's own dropout, on a GPU and in some families, draws from a generator that all threads share
        # torch.manual_seed keeps a trace of each call for accelerators that may be begun with later: milliseconds
        seed = torch.default_generator.manual_seed if device == "cpu" else torch.manual_seed
        seed(int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0]))
    with torch.autocast(device, torch.float16, enabled=scaler is not None):
        sums = loss(replica, batch)
    totals = {name: float(value.detach()) for name, value in sums.items()}
    learnt = [value / divisors[name] for name, value in sums.items() if value.requires_grad]
    return totals, derived(reduce(add, learnt) if learnt else None)


def _update(
    parameters: Parameters,
    optimizer: Optimizer,
    norm: float,
    clip: float,
    rate: float,
    scaler: Scaler | None,
    fair: FairCores,
) -> None:
    factor = min(1.0, clip / (norm + 1e-6)) if clip > 0 else 1.0
    if scaler:
        factor /= scaler.scale
    if factor != 1.0:
        with fair.exactly():
            parameters.scale(factor)
    parameters.step(optimizer, rate)
    with fair.exactly():
        parameters.publish()
