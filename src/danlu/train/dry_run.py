"""A few steps of a training before it begins: whether the largest batch fits, and how long all of it will take."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import nn

from danlu.machine.peak import Peak, room
from danlu.model.replica import replica
from danlu.text.batching.batch import Batch, Slice
from danlu.train.batch_size import Faster, faster, in_turn, rivals
from danlu.train.batches import Batches
from danlu.train.fitting import memory_refused, probes, refuse_too_few, tried
from danlu.train.loop import Beforehand, Loss, Scaler, as_it_is, steps
from danlu.train.optimizer import build_optimizer, lay_out
from danlu.train.settings import Training

SHAPES = 4  # batches that are timed beside the largest one
OUTLIER = 3  # times the median cost of a token: beyond it something else held the machine up
HELD = 2  # times what the largest batch takes that a larger one may
LONGEST = 30.0  # seconds: then no further batch is timed


@dataclass(frozen=True)
class DryRun:
    """What a training will take.

    - `seconds`: of all steps, without validation and saving; measured on batches of several widths.
    - `bytes`: the most that was held at the largest batch, optimizer included; `room`: what there is.
    - `largest`: rows and width of the largest batch; `padding`: share of the first epoch's tokens that is padding.
    - `faster`: another size of batches that computes clearly more tokens a second, if one was found.
    """

    steps: int
    steps_an_epoch: int
    seconds: float
    bytes: int
    room: int
    largest: tuple[int, int]
    padding: float
    faster: Faster | None = None


def dry_run(
    model: nn.Module,
    batches: Batches,
    loss: Loss,
    settings: Training,
    *,
    precision: str,
    features: bool = False,
    sizes: bool = False,
    beforehand: Beforehand = as_it_is,
    once: bool = False,
) -> DryRun:
    """Take steps of rate 0 with `model`, which is of no use for anything else afterwards; `precision` is resolved.

    With `features` the trunk is frozen and its outputs are computed once, so one forward pass is what counts. With
    `sizes` a few more steps tell whether other sizes of batches are faster, where there is memory for them. What is
    done `beforehand` of a batch is timed apart; where it is done `once`, later epochs are without it.
    Raises `Refusal` for a loss that is not finite, and for a batch that does not fit: it is tried with a part of its
    rows first.
    """
    refuse_too_few(batches)
    planned = batches.plan(0)
    largest = max(planned, key=lambda piece: (piece.tokens, piece.width))
    ordered = sorted(planned, key=lambda piece: piece.width)
    places = np.linspace(0, len(ordered) - 1, SHAPES).round().astype(int)
    chosen = [largest, largest, *(ordered[place] for place in dict.fromkeys(places.tolist()))]
    first = probes(largest)
    others = rivals(batches, planned) if sizes and not features else {}
    taken, said, moving = list[float](), list[float](), list[float]()

    def pieces() -> Iterator[Slice]:
        yield from tried(first, largest, batches, peak)
        yield from chosen
        if others and len(taken) == len(chosen) and HELD * peak.bytes < room():
            yield from in_turn(others, taken[1] * next(iter(others.values())).tokens / largest.tokens)

    with Peak() as peak, memory_refused("a trial of the largest batch"):
        least = len(first) + 2
        last = settings.total_steps(batches.an_epoch()) - 1
        groups = _told(_groups(model, batches, pieces(), 1 if features else last), beforehand, said)
        timed = (
            _forward(model, groups, loss, least)
            if features
            else _steps(model, batches, groups, loss, settings, precision, least, moving)
        )
        taken += islice(timed, len(first), len(first) + len(chosen))
    found = faster(batches, others, [*timed]) if others else None
    moved = moving[len(first) :][: len(taken)] or [0.0] * len(taken)
    cost = _an_epoch(planned, chosen, [step - move for step, move in zip(taken, moved, strict=True)])
    cost += float(np.median(moved[1:])) * batches.an_epoch()  # a step has several batches and one move
    telling = _an_epoch(planned, chosen, said[len(first) :][: len(taken)])
    total = settings.total_steps(batches.an_epoch())
    passes = 1.0 if features else total / batches.an_epoch()
    padded = sum(piece.tokens for piece in planned)
    return DryRun(
        steps=total,
        steps_an_epoch=batches.an_epoch(),
        seconds=cost * passes + telling * (min(1.0, passes) if once else passes),
        bytes=peak.bytes,
        room=room(),
        largest=(len(largest.examples), largest.width),
        padding=1 - batches.reader.sizes.tokens / padded,
        faster=found,
    )


def _an_epoch(planned: Sequence[Slice], chosen: Sequence[Slice], taken: Sequence[float]) -> float:
    """Seconds of all that is planned, by what batches of several widths have taken; the first of them is slower."""
    measured = chosen[1 : len(taken)]
    a_token = np.array(taken[1:]) / [piece.tokens for piece in measured]
    a_token = np.minimum(a_token, OUTLIER * np.median(a_token))
    widths = np.array([piece.width for piece in measured])
    order = np.argsort(widths, kind="stable")
    return sum(piece.tokens * float(np.interp(piece.width, widths[order], a_token[order])) for piece in planned)


def _told(groups: Iterable[list[Batch]], beforehand: Beforehand, said: list[float]) -> Iterator[list[Batch]]:
    """The batches as `beforehand` makes them; what that took is put to `said`."""
    for group in groups:
        start = time.perf_counter()
        told = [beforehand(batch) for batch in group]
        said.append(time.perf_counter() - start)
        yield told


def _steps(
    model: nn.Module,
    batches: Batches,
    groups: Iterable[list[Batch]],
    loss: Loss,
    settings: Training,
    precision: str,
    least: int,
    moving: list[float],
) -> Iterator[float]:
    """Seconds of a whole step on each batch, of so many at `least`; those of the optimizer are put to `moving`."""
    parameters = lay_out(settings.optimizer, model)
    optimizer = build_optimizer(
        settings.optimizer,
        parameters,
        rate=settings.rate,  # no step has one
        **settings.moves(),
    )
    replicas = [model, *(replica(model) for _ in range(batches.parts - 1))]
    begun = time.monotonic()
    for step in steps(
        replicas,
        groups,
        loss,
        optimizer,
        parameters,
        rate=lambda _: 0.0,
        clip=settings.clip,
        scaler=Scaler() if precision == "float16" else None,
    ):
        moving.append(step.spent.moving)
        yield step.seconds
        if time.monotonic() - begun > LONGEST and step.number + 1 >= least:
            return


def _forward(model: nn.Module, groups: Iterable[list[Batch]], loss: Loss, least: int) -> Iterator[float]:
    begun = time.monotonic()
    for number, group in enumerate(groups):
        start = time.perf_counter()
        with torch.inference_mode():
            for batch in group:
                for value in loss(model, batch).values():
                    float(value)
        yield time.perf_counter() - start
        if time.monotonic() - begun > LONGEST and number + 1 >= least:
            return


def _groups(model: nn.Module, batches: Batches, chosen: Iterable[Slice], last: int) -> Iterator[list[Batch]]:
    """The batches of steps 0, `last`, 2 and so on: what changes along a training is looked at from both ends."""
    where = next(model.parameters()).device
    for number, piece in enumerate(chosen):
        yield list(batches.micro_batches(piece, (last if number == 1 else number, 0), where))
