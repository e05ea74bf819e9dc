"""Memory, time and cost of a training on devices that need not be there.

What a device holds is the sum of what is held for the parameters and the most that a micro-batch holds on its way; what
is computed is counted operation by operation (`machine/meter.py`). What is sent between devices is that of rings: of S
bytes all-reduced by N devices each sends 2 (N - 1) / N S, of S gathered or scattered half as much.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import nn

from danlu.apps.planning.fitting import Remedy, remedies
from danlu.apps.planning.material import Material
from danlu.apps.planning.memory import Terms, Whole, first_part, frozen_bytes, way_of
from danlu.machine.accelerators import Accelerator
from danlu.model.accelerated import use_fused_gelu
from danlu.model.fast import use_our_attention, use_our_dropout, use_positions_alike, use_sparse_gradients
from danlu.model.planned import use_fused_kernels
from danlu.train.counts import Size, Work, count_parameters, count_work, usual
from danlu.train.dealing import parts_for
from danlu.train.foretold import States, states
from danlu.train.settings import Training

A_MACHINE = 8  # accelerators that stand in one machine


@dataclass(frozen=True)
class Foretold:
    """One training.

    - `memory`: bytes that one device holds, by what they are for; `room`: what it has.
    - `parallel`: how devices share the work; `assumed`: whether the recipe does not say so.
    - `auto`: whether the size of the network was chosen by the speed of this machine.
    - `sent`: bytes that each device sends in a step; `computing`, `sending`: seconds a step takes for either.
    - `idle`: devices that have no row of a usual step.
    - `step_tokens`: of all devices together, padding included; `steps`, `tokens`: of all of it, where that is known.
    """

    name: str
    terms: Terms
    size: Size
    work: Work
    parallel: str | None
    assumed: bool
    auto: bool
    memory: dict[str, int]
    room: float
    sent: float
    computing: float
    sending: float
    idle: int
    step_tokens: float
    steps: int | None
    tokens: float | None
    largest: tuple[int, int]
    remedies: tuple[Remedy, ...]

    @property
    def held(self) -> int:
        """Bytes that one device holds."""
        return sum(self.memory.values())

    @property
    def fits(self) -> bool:
        """Whether a device has room for that."""
        return self.held <= self.room

    @property
    def step_seconds(self) -> float:
        """Of one optimizer step."""
        return self.computing + (1 - self.terms.overlap) * self.sending

    @property
    def seconds(self) -> float | None:
        """Of all steps, without validation and saving."""
        return None if self.steps is None else self.steps * self.step_seconds

    @property
    def cost(self) -> float | None:
        """Of all devices."""
        if self.seconds is None or self.terms.hour_cost is None:
            return None
        return self.seconds / 3600 * self.terms.count * self.terms.hour_cost

    def to_plain(self) -> dict[str, Any]:
        """For json."""
        told = {"held": self.held, "fits": self.fits, "step_seconds": self.step_seconds}
        return asdict(self) | told | {"seconds": self.seconds, "cost": self.cost}


def foretell(material: Material, terms: Terms) -> Foretold:
    """What the training of `material` takes."""
    settings, where = material.settings, torch.device("cuda" if terms.device.fused else "cpu")
    parts = parts_for(settings, where, terms.count, whole=material.prepared.task.couples_rows)  # a step stays as large
    batches = replace(material.batches, parts=parts)
    material = replace(material, batches=batches)
    _prepare(material.model, terms.device)
    piece = max(batches.plan(0), key=lambda piece: (piece.tokens, piece.width))
    way = way_of(material, piece, terms.precision)
    work = _usual(material)
    steps_an_epoch = batches.an_epoch()
    step_tokens = float(piece.tokens * settings.accumulate)
    steps = _steps(material, settings, terms, step_tokens, steps_an_epoch)
    if material.known:
        step_tokens = sum(each.tokens for each in batches.plan(0)) / steps_an_epoch
    held = states(material.model, settings, terms.precision, copies=_copies(material, settings, steps, steps_an_epoch))
    named = getattr(settings, "parallel", None)
    parallel = named or ("ddp" if terms.count > 1 else None)
    recompute = bool(getattr(settings, "recompute", False))
    passes, busy, share = _dealt(material, terms.count)
    whole = Whole(held, way, frozen_bytes(material, terms.precision), terms, parallel, recompute, passes=passes)
    memory, room = whole.memory(), terms.device.memory
    again = work.forward if recompute else 0.0
    computing = (work.training + again) * step_tokens * share / (terms.share * terms.device.speed(terms.precision))
    sent = _sent(held, passes, terms.count, parallel)
    link = terms.device.link if terms.count <= A_MACHINE else min(terms.device.link, terms.device.network)
    return Foretold(
        name=material.name,
        terms=terms,
        size=count_parameters(material.model),
        work=work,
        parallel=parallel,
        assumed=parallel != named,
        auto=material.auto,
        memory=memory,
        room=room,
        sent=sent,
        computing=computing,
        sending=sent / link,
        idle=terms.count - busy,
        step_tokens=step_tokens,
        steps=steps,
        tokens=None if steps is None else steps * step_tokens,
        largest=(len(piece.examples), piece.width),
        remedies=() if sum(memory.values()) <= room else remedies(material, whole, piece),
    )


def _prepare(model: nn.Module, device: Accelerator) -> None:
    """Give the network the kernels that it has on that device."""
    use_fused_gelu(model)
    use_positions_alike(model)
    if device.fused:
        use_fused_kernels(model)
    else:
        use_our_attention(model)
        use_our_dropout(model)
        use_sparse_gradients(model)


def _usual(material: Material) -> Work:
    """Operations a token of a batch of usual width."""
    piece = usual(material.batches)
    batch, tokens = first_part(material, piece)
    return count_work(material.model, material.roles.loss, batch, tokens, piece.width)


def _dealt(material: Material, count: int) -> tuple[int, int, float]:
    """Micro-batches of a device in a step, devices that have any, and the share of the step that the busiest computes.

    Batches are dealt out whole, or in parts of whole rows, as long as there are any.
    """
    accumulate, parts = material.settings.accumulate, material.batches.parts
    if count == 1:
        return accumulate, 1, 1.0
    part = 1 / parts
    if material.known or getattr(material.prepared.task, "pack", False):  # else rows are shorter than those made up
        rows = len(usual(material.batches).examples)
        parts = min(parts, rows)
        part = -(-rows // parts) / rows
    passes = -(-accumulate * parts // count)
    return passes, min(count, accumulate * parts), passes * part / accumulate


def _steps(material: Material, settings: Training, terms: Terms, step_tokens: float, steps_an_epoch: int) -> int | None:
    """Optimizer steps of the whole training; None where nobody says how much data there is."""
    if terms.tokens is not None:
        return settings.total_steps(max(1, round(terms.tokens / step_tokens)))
    if settings.steps is not None or material.known:
        return settings.total_steps(steps_an_epoch)
    return None


def _copies(material: Material, settings: Training, steps: int | None, steps_an_epoch: int) -> int:
    looked = material.validated and (settings.evaluate or steps_an_epoch) < (steps or 2**62)
    return bool(settings.average) + looked


def _sent(held: States, passes: int, count: int, parallel: str | None) -> float:
    """Bytes that each device sends in a step; gradients go in float32."""
    ring = (count - 1) / count
    if parallel == "fsdp":  # weights are gathered on the way forward and back, each time a micro-batch passes
        return ring * (2 * passes * held.weights + held.gradients)
    return 2 * ring * held.gradients
