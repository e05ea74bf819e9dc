"""Parameters that mattered to earlier tasks are held where they were (Kirkpatrick et al., 2017).

The parabolas of several tasks add up to one, so two tensors a parameter are kept however many tasks there were. With
`online` the earlier ones fade instead, and all are centred where the last task has ended (Schwarz et al., 2018).
"""

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

from danlu.continual.fisher import fisher
from danlu.continual.networks import Networks
from danlu.continual.remedy import Earlier, Kept, Learnt, Remedy, constant
from danlu.continual.several import Added
from danlu.machine.device import device
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.tuning.method import Method

MATTERS, CENTRE, LEAST = "matters ", "centre ", "least"


class Ewc(Remedy):
    """Hold each parameter of the trunk the stronger, the more it mattered to the tasks so far."""

    strength: float = Field(default=1000.0, ge=0, description="weight of the penalty beside the loss of an example")
    online: bool = Field(default=False, description="one centre, where the last task ended; earlier tasks fade")
    fade: float = Field(default=0.9, ge=0, le=1, description="what is left of what mattered, a task; of online")
    examples: int = Field(default=200, ge=1, description="rows of a task from which it is known what matters")

    def suits(self, name: str, task: Task) -> None:
        """See `Remedy.suits`."""
        if task.couples_rows:
            raise Refusal(
                f"tasks.{name}: ewc looks at the loss of each row by itself, and rows of {task.kind} are learnt from "
                "one another; take replay or averaging"
            )

    def method(self, method: Method) -> Method:
        """See `Remedy.method`."""
        if method.freezes_trunk:
            raise Refusal(f"ewc holds parameters of the trunk, and tuning '{method.kind}' trains none; take full")
        return method

    def added(self, kept: Kept, earlier: Earlier) -> list[Added]:
        """Half the strength times the parabola around what was learnt."""
        if not self.strength or LEAST not in kept.tensors:
            return []
        held = {name: value.to(device()) for name, value in kept.tensors.items()}
        return [constant(lambda networks: penalty(networks, held, self.strength))]

    def kept(self, kept: Kept, learnt: Learnt) -> Kept:
        """The parabola of all tasks so far."""
        if not self.strength:
            return kept
        rows = learnt.rows(self.examples)
        trained = {name: value for name, value in rows.networks.shared().items() if value.requires_grad}
        new = {MATTERS + name: value for name, value in fisher(trained, rows.losses).items()}
        new |= {CENTRE + name: learnt.values[name] for name in trained} | {LEAST: torch.zeros(())}
        if LEAST in kept.tensors:
            new = _faded(kept.tensors, new, self.fade) if self.online else _joined(kept.tensors, new)
        return Kept(kept.records, kept.tensors | new)


def penalty(networks: Networks, kept: Mapping[str, Tensor], strength: float) -> Tensor:
    """How far the trunk is from what was learnt, weighted by what mattered."""
    places = networks.shared()
    total: Tensor | None = None
    for name, value in places.items():
        if not value.requires_grad or MATTERS + name not in kept:
            continue
        centre = kept[CENTRE + name].to(value.dtype)  # as the model rounds it, else it were never there
        part = (kept[MATTERS + name] * (value - centre).float().square()).sum()
        total = part if total is None else total + part
    assert total is not None
    return strength / 2 * (total + kept[LEAST])


def _joined(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The sum of two parabolas as one: its weights, its centre, and what it is there."""
    found, least = dict[str, Tensor](), one[LEAST].double() + other[LEAST].double()
    for key, second in other.items():
        if not key.startswith(MATTERS):
            continue
        name = key.removeprefix(MATTERS)
        first, apart = one[key], other[CENTRE + name] - one[CENTRE + name]
        together = first + second
        share = torch.where(together > 0, second / together.clamp_min(torch.finfo(torch.float32).tiny), 1.0)
        found[key], found[CENTRE + name] = together, one[CENTRE + name] + share * apart
        least = least + (first * share * apart.square()).double().sum()
    return found | {LEAST: least.float()}


def _faded(one: Mapping[str, Tensor], other: Mapping[str, Tensor], fade: float) -> dict[str, Tensor]:
    """What matters now, with what is left of what mattered; the centre is the new one."""
    faded = {key: fade * one[key] + value for key, value in other.items() if key.startswith(MATTERS)}
    return {**other, **faded}
