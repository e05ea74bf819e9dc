"""Checkpoints: all that a training needs to go on as if it had never stopped.

Written beside, synced and renamed: a kill at any instant leaves the one before. Tensors are safetensors, the
rest json; nothing is pickled. The order of the data, masks and dropout are pure functions of seed and step, so
the step's number is their state.
"""

import json
import shutil
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

from danlu.machine.files import folder_in_place
from danlu.machine.hub import first_line
from danlu.refusal import Refusal
from danlu.train.average import Average
from danlu.train.parameters import FlatParameters

TENSORS, STATE = "tensors.safetensors", "state.json"


@dataclass
class State:
    """Where a training stands, besides its tensors.

    - `step`: how many optimizer steps are done.
    - `best`: the best validation score, and `best_step` where it was reached; `stale`: validations since.
    - `scale`, `good`: of the float16 loss scaler.
    - `threads`, `replicas`: sums depend on them in their last bits.
    - `precision`: what `auto` was measured to be; another measurement may say otherwise.
    """

    fingerprint: str
    threads: int
    replicas: int
    precision: str
    step: int = 0
    best: float | None = None
    best_step: int = 0
    stale: int = 0
    scale: float = 65536.0
    good: int = 0
    best_masters: list[Tensor] = field(default_factory=list)

    def to_plain(self) -> dict[str, object]:
        """All but the tensors."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "best_masters"}


def save(folder: Path, state: State, parameters: FlatParameters, optimizer: Optimizer, average: Average) -> None:
    """Write a checkpoint into `folder` and remove the older ones; raises `Refusal` when the disk is full."""
    final = folder / f"step-{state.step:08d}"
    with folder_in_place(final) as temporary:
        save_file(_tensors(state, parameters, optimizer, average), temporary / TENSORS)
        (temporary / STATE).write_text(json.dumps(state.to_plain(), indent=1), encoding="utf-8")
    for other in folder.iterdir():
        if other != final:
            shutil.rmtree(other, ignore_errors=True)


def restore(folder: Path, state: State, parameters: FlatParameters, optimizer: Optimizer, average: Average) -> State:
    """Take over the newest checkpoint in `folder` if there is one, and return where it stands.

    Raises:
        Refusal: it belongs to another recipe or data, was made with another number of threads, or is damaged.
    """
    path = _newest(folder)
    if path is None:
        return state
    plain = _plain(path)
    if plain["fingerprint"] != state.fingerprint:
        raise Refusal(
            f"{path}: this checkpoint belongs to a run with another recipe, other data or another version; "
            "remove the folder to start anew, or put the recipe back as it was"
        )
    if (plain["threads"], plain["replicas"]) != (state.threads, state.replicas):
        raise Refusal(
            f"{path}: this checkpoint was made with {plain['threads']} threads in {plain['replicas']} replicas and "
            f"this machine has {state.threads} in {state.replicas}, which gives other last digits; "
            f"set OMP_NUM_THREADS={plain['threads']}, or remove the folder to start anew"
        )
    try:
        tensors = load_file(path / TENSORS)
        _take(tensors, parameters, optimizer, average)
    except (OSError, KeyError, RuntimeError, SafetensorError) as error:
        raise _damaged(path, error) from error
    best = [tensors[f"best.{i}"] for i in range(len(parameters.flats)) if f"best.{i}" in tensors]
    return State(**plain, best_masters=best)


def precision_of(folder: Path) -> str | None:
    """The number format of the newest checkpoint in `folder`; None without one. Raises `Refusal` if it is damaged."""
    path = _newest(folder)
    return None if path is None else str(_plain(path)["precision"])


def step_of(folder: Path) -> int | None:
    """The step of the newest checkpoint in `folder`; None without one."""
    path = _newest(folder)
    number = "" if path is None else path.name.removeprefix("step-")
    return int(number) if number.isdecimal() else None


def _newest(folder: Path) -> Path | None:
    return max((path for path in folder.glob("step-*") if path.is_dir()), default=None)


def _plain(path: Path) -> dict[str, Any]:
    try:
        plain: dict[str, Any] = json.loads((path / STATE).read_text(encoding="utf-8"))
        State(**plain)
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path, error) from error
    return plain


def _damaged(path: Path, error: Exception) -> Refusal:
    return Refusal(f"{path}: this checkpoint is damaged ({first_line(error)}); remove the folder to start anew")


def _tensors(state: State, parameters: FlatParameters, optimizer: Optimizer, average: Average) -> dict[str, Tensor]:
    tensors = {f"best.{i}": best for i, best in enumerate(state.best_masters)}
    tensors |= {f"average.{i}": value for i, value in enumerate(average.values)}
    for i, flat in enumerate(parameters.flats):
        tensors[f"master.{i}"] = flat.master.detach()
        for name, value in optimizer.state[flat.master].items():
            if value is not None:
                tensors[f"optimizer.{i}.{name}"] = value
    return {name: value.contiguous() for name, value in tensors.items()}


def _take(tensors: dict[str, Tensor], parameters: FlatParameters, optimizer: Optimizer, average: Average) -> None:
    parameters.restore([tensors[f"master.{i}"] for i in range(len(parameters.flats))])
    for i, flat in enumerate(parameters.flats):
        prefix = f"optimizer.{i}."
        optimizer.state[flat.master] = {
            name.removeprefix(prefix): value.to(flat.master.device)
            for name, value in tensors.items()
            if name.startswith(prefix)
        }
    with torch.no_grad():
        for i, value in enumerate(average.values):
            value.copy_(tensors[f"average.{i}"])
