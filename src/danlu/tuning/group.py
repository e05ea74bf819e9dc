"""Parameters that move at a rate of their own."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Some parameters of a model and what their learning rate is multiplied by.

    - `names`: as `named_parameters` of the tuned model gives them.
    - `factor`: of the number of the step, counted from 0. Where it is 0, the group is frozen: it does not move, nor
      decay, nor gather moments, and its gradients are not computed.
    """

    names: frozenset[str]
    factor: Callable[[int], float]
