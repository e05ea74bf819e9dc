"""Rows of an embedding that no step has read, as they would stand had the optimizer moved them too.

Without a gradient AdamW has no moments and leaves its decay alone (Loshchilov and Hutter, 2019): a product of
(1 - rate * decay) over the steps. It is taken step by step, with the roundings of each, so that not a bit differs;
9 million values take 0.7 ms a step that way, 4 ms with an average, and AdamW alone 9 ms (one core, 2026-11).
"""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import Tensor

from danlu.train.average import decay_at
from danlu.train.settings import Training
from danlu.tuning.group import Group

CHUNK = 2**16  # values that stay in a core's cache


def moves_alone(settings: Training, precision: str) -> bool:
    """Whether what has no gradient moves by a decay that is known from the number of the step.

    SGD's decay goes through its momentum, Adafactor goes by what a whole matrix is like, and what overflows in float16
    is no step at all.
    """
    decays_alone = settings.optimizer in ("adamw", "muon")
    still = settings.optimizer == "sgd" and settings.weight_decay == 0
    return precision != "float16" and (decays_alone or still)


@torch.no_grad()
def unread(
    values: Tensor,
    name: str,
    settings: Training,
    groups: Sequence[Group],
    steps: int,
    total: int,
    left_out: Collection[int] = (),
) -> None:
    """Take `values`, of the matrix `name`, in place through `steps` of the `total` steps of a training.

    In those that were `left_out` nothing has moved. Afterwards they are the averaged ones where the settings average.
    """
    group = next((group for group in groups if name in group.names), None)
    rates = [settings.rate_at(step, total) * (group.factor(step) if group else 1.0) for step in range(steps)]
    decays = [np.float32(1 - rate * settings.weight_decay) for rate in rates]
    if settings.weight_decay == 0:  # an average of what stands still is what it was
        return
    for part in torch.split(values.view(-1), CHUNK):
        mean = part.clone()
        now = part.numpy()
        for step, decay in enumerate(decays):
            if step not in left_out:
                np.multiply(now, decay, out=now)
            if settings.average:
                mean.lerp_(part, 1 - decay_at(settings.average, step))
        if settings.average:
            part.copy_(mean)
