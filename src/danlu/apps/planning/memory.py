"""What one device holds of a training, by what it is for."""

from dataclasses import dataclass

import torch

from danlu.apps.planning.material import Material
from danlu.machine.accelerators import Accelerator
from danlu.text.batching.batch import Batch, Slice
from danlu.train.foretold import Passed, States, passed

RUNTIME = 1.5e9  # bytes of an accelerator that the runtime, its kernels and the buffers of collectives take
HALF, SINGLE = 2, 4  # bytes of a value
HEAP = 0.3  # of what comes and goes: what a processor's heap has between its pieces; 0.2 to 0.4 (glibc, 2026-11)


@dataclass(frozen=True)
class Terms:
    """On what a training is planned.

    - `share`: of the highest speed that is reached; `measured`: whether it was measured.
    - `overlap`: share of what is sent that is hidden behind what is computed.
    - `tokens`: of the data, once through, where it is not looked at.
    - `hour_cost`: of one device; `runtime`: bytes held in any case.
    """

    count: int
    device: Accelerator
    precision: str
    share: float
    overlap: float = 0.0
    tokens: float | None = None
    hour_cost: float | None = None
    runtime: float = RUNTIME
    measured: bool = False


@dataclass(frozen=True)
class Whole:
    """All that is held.

    - `parallel`: `fsdp` cuts what is held for parameters, all in float32, into as many parts as there are devices.
    - `part`: how large the batches are, as a share of those that `way` was found with.
    - `passes`: micro-batches of a device in a step; with several, `fsdp` keeps their gradients whole until the last.
    """

    states: States
    way: Passed
    frozen: int
    terms: Terms
    parallel: str | None
    recompute: bool
    part: float = 1.0
    passes: int = 1

    def memory(self) -> dict[str, int]:
        """Bytes on one device, by what they are for."""
        held, way, terms = self.states, self.way, self.terms
        cut = self.parallel == "fsdp" and terms.count > 1
        share = 1 / terms.count if cut else 1.0
        kept = way.recomputed if self.recompute and way.recomputed is not None else way.kept
        arriving = min(way.gradients, held.largest + held.outside) if cut else way.gradients
        parts = {
            "weights": held.single * share if cut else held.weights,
            "masters": 0 if cut else held.masters,
            "gradients": held.gradients * (share if self.passes == 1 else 1.0),
            "optimizer": held.moments * share,
            "copies": held.copies * share,
            "gathered": 2 * held.largest + held.outside if cut else 0,  # a block that computes, the next, and the rest
            "frozen": self.frozen,
            "activations": kept * self.part,
            "passing": max(0, way.beyond - way.gradients) * self.part + arriving,
            "runtime": terms.runtime,
        }
        if not terms.device.fused:
            parts["allocator"] = HEAP * (parts["activations"] + parts["passing"])
        return {name: int(count) for name, count in parts.items() if count >= 1}

    @property
    def held(self) -> int:
        """All bytes on one device."""
        return sum(self.memory().values())


def way_of(material: Material, piece: Slice, precision: str) -> Passed:
    """A planned batch on its way through the network."""
    return passed(material.model, material.roles.loss, *first_part(material, piece), precision)


def first_part(material: Material, piece: Slice) -> tuple[Batch, int]:
    """What a device computes at a time of a planned batch, and its tokens."""
    batch = next(material.batches.micro_batches(piece, (0, 0), torch.device("cpu")))
    return batch, piece.tokens * len(batch.examples) // len(piece.examples)


def frozen_bytes(material: Material, precision: str) -> int:
    """What the networks of roles hold, but for those over the weights of the one that learns."""
    own = [network for name, network in material.frozen.items() if name not in material.shared]
    counts = [parameter.numel() for network in own for parameter in network.parameters()]
    return sum(counts) * (HALF if precision == "bfloat16" else SINGLE)
