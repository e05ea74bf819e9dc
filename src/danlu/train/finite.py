"""Steps whose loss or gradients are no finite numbers: they are left out, and their batches written aside."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from danlu.machine.files import write_text
from danlu.refusal import Refusal
from danlu.text.batching.batch import Batch

FOLDER = "bad-batches"
FILES = 10  # that are written; more of them tell nothing new
VALUES = 4096  # of a tensor that are written

Spell = Callable[[list[int]], str]

NotFinite = Callable[[int, Sequence[Batch], float, float], None]
"""Hears of the number, batches, loss and gradient norm of a step that is not taken, and may raise `Refusal`."""

REMEDY = "lower train.rate, raise train.warmup, or set train.precision to float32"


def refused(step: int, _group: Sequence[Batch], loss: float, norm: float) -> None:
    """Take no such step for granted."""
    raise Refusal(
        f"step {step}: the loss is {loss:.4g} and the gradient norm {norm:.4g}, which no step can be taken with; "
        + REMEDY
    )


def all_finite(values: Iterable[Tensor]) -> bool:
    """Whether tensors hold finite numbers alone."""
    return all(bool(torch.isfinite(value).all()) for value in values)


class BadBatches:
    """Writes batches aside that no step can be taken with, and counts how many there were in a row."""

    def __init__(self, folder: Path, spell: Spell | None, rank: int = 0) -> None:
        """Into `folder`, with the text of rows where there is something that spells them; each `rank` its own."""
        self.folder, self._spell, self._rank = folder / FOLDER, spell, rank

    def write(self, step: int, data: int, group: Sequence[Batch], loss: float, norm: float) -> Path | None:
        """Write the batches of a step, group number `data`, as json, unless enough are written; the file, if any."""
        rank = f"-rank-{self._rank}" if self._rank else ""
        path = self.folder / f"step-{step:08d}-batch-{data:08d}{rank}.json"
        others = self.folder.glob(f"step-*-batch-{'[0-9]' * 8}{rank}.json")
        if not path.exists() and sum(1 for _ in others) >= FILES:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        told = {
            "step": step,
            "loss": _number(loss),
            "gradient_norm": _number(norm),
            "batches": [self._told(batch) for batch in group],
        }
        write_text(path, json.dumps(told, ensure_ascii=False, indent=1) + "\n")
        return path

    def _told(self, batch: Batch) -> dict[str, Any]:
        tensors = {**batch.inputs, **batch.targets}
        rows = batch.inputs.get("input_ids")
        texts = [] if rows is None or self._spell is None else [self._spell(row) for row in rows.tolist()]
        return {
            "examples": batch.examples.tolist(),
            "texts": texts,
            "counts": batch.counts,
            "tensors": {name: _tensor(value) for name, value in tensors.items()},
        }


def _tensor(value: Tensor) -> dict[str, Any]:
    """Its shape and first values, and how many of all are not finite."""
    bad = int((~torch.isfinite(value)).sum()) if value.is_floating_point() else 0
    flat = value.detach().reshape(-1)[:VALUES].cpu()
    values = [_number(item) if isinstance(item, float) else item for item in flat.tolist()]
    rows = values
    if value.dim() == 2 and value.numel() <= VALUES:
        rows = [values[start : start + value.shape[1]] for start in range(0, len(values), max(1, value.shape[1]))]
    told = {"shape": list(value.shape), "type": str(value.dtype).removeprefix("torch."), "values": rows}
    return told | ({"not_finite": bad} if bad else {})


def _number(value: float) -> float | str:
    """JSON has no word for what is not finite."""
    return value if math.isfinite(value) else str(value)
