"""What a matrix of scores says: each row after a task, the first before any; each column a task.

Shapes: T tasks; a matrix is (T + 1, T). Forgetting and transfer are such that forgetting is good where it is small, and
transfer where it is large, whether a metric is better when it is higher or when it is lower (perplexity).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def average(matrix: Matrix) -> float:
    """Mean of the last row: A_T of Lopez-Paz and Ranzato (2017)."""
    return float(matrix[-1].mean())


def forgetting(matrix: Matrix, higher_is_better: Sequence[bool]) -> list[float]:
    """How much worse each task but the last is in the end than at its best after any earlier task (Chaudhry 2018)."""
    better = _signed(matrix, higher_is_better)
    return (better[1:-1, :-1].max(0) - better[-1, :-1]).tolist() if len(better) > 2 else []


def backward(matrix: Matrix, higher_is_better: Sequence[bool]) -> float | None:
    """Mean of how much better each task but the last is in the end than when it was learnt (Lopez-Paz 2017, BWT)."""
    better = _signed(matrix, higher_is_better)
    tasks = better.shape[1]
    changes = [better[-1, task] - better[task + 1, task] for task in range(tasks - 1)]
    return float(np.mean(changes)) if changes else None


def forward(matrix: Matrix, higher_is_better: Sequence[bool]) -> float | None:
    """Mean of how much better each task but the first is right before it is learnt than before any (FWT)."""
    better = _signed(matrix, higher_is_better)
    changes = [better[task, task] - better[0, task] for task in range(1, better.shape[1])]
    return float(np.mean(changes)) if changes else None


def summary(
    rows: Sequence[Sequence[float | None]], higher_is_better: Sequence[bool], *, at_once: bool
) -> dict[str, Any]:
    """All of these of the rows of a matrix, None where it does not tell: of tasks learnt `at_once`, or a score lacks.

    Metrics of which some are better when they are higher and others when they are lower have no average.
    """
    matrix = np.array([[np.nan if value is None else value for value in row] for row in rows], np.float64)
    found: dict[str, Any] = {"average": None, "forgetting": None, "backward": None, "forward": None, "forgot": []}
    if len(set(higher_is_better)) == 1:
        found["average"] = average(matrix)
    if not at_once:
        each = forgetting(matrix, higher_is_better)
        found |= {
            "forgetting": float(np.mean(each)) if each else None,
            "backward": backward(matrix, higher_is_better),
            "forward": forward(matrix, higher_is_better),
            "forgot": [_plain(value) for value in each],
        }
    return {name: value if isinstance(value, list) else _plain(value) for name, value in found.items()}


def _signed(matrix: Matrix, higher_is_better: Sequence[bool]) -> Matrix:
    signed: Matrix = matrix * np.where(np.asarray(higher_is_better), 1.0, -1.0)
    return signed


def _plain(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else value
