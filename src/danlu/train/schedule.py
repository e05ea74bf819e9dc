"""How the learning rate moves: each schedule is a factor between 0 and 1 of step and total steps."""

import math
from typing import Literal

Schedule = Literal["linear", "cosine", "constant", "warmup_stable_decay"]

DECAY_SHARE = 0.2
"""Share of the steps in which `warmup_stable_decay` falls to zero (Hu et al., 2024: 10 to 20 %)."""


def rate_factor(schedule: Schedule, step: int, total: int, warmup: int) -> float:
    """Factor of the peak rate for a step counted from 0.

    Rises linearly over `warmup` steps, then: `linear` falls to 0; `cosine` falls along half a period
    (Loshchilov and Hutter, 2017); `constant` stays; `warmup_stable_decay` stays and falls at the end.
    """
    if step < warmup:
        return (step + 1) / warmup
    share = (step - warmup) / max(1, total - warmup)
    if schedule == "linear":
        return max(0.0, 1.0 - share)
    if schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, share)))
    if schedule == "warmup_stable_decay":
        return min(1.0, max(0.0, (total - step) / max(1.0, DECAY_SHARE * total)))
    return 1.0
