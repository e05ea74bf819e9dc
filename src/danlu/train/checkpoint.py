"""Checkpoints: all that a training needs to go on as if it had never stopped.

Written beside, synced and renamed: a kill at any instant leaves the one before. Tensors are safetensors, the
rest json; nothing is pickled. The order of the data, masks and dropout are pure functions of seed and step, so
the step's number is their state.
"""

import json
import shutil
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

from danlu.machine.files import folder_in_place
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
    """

    fingerprint: str
    threads: int
    replicas: int
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
    found = sorted(path for path in folder.glob("step-*") if path.is_dir())
    if not found:
        return state
    path = found[-1]
    try:
        plain = json.loads((path / STATE).read_text(encoding="utf-8"))
        tensors = load_file(path / TENSORS)
    except (OSError, ValueError, SafetensorError) as error:
        raise Refusal(f"{path}: this checkpoint is damaged ({error}); remove the folder to start anew") from error
    if plain["fingerprint"] != state.fingerprint:
        raise Refusal(
            f"{path}: this checkpoint belongs to a run with another recipe, other data or another version; "
            "remove the folder to start anew, or put the recipe back as it was"
        )
    if (plain["threads"], plain["replicas"]) != (state.threads, state.replicas):
        raise Refusal(
            f"{path}: this checkpoint was made with {plain['threads']} threads in {plain['replicas']} replicas and "
            f"this machine has {state.threads} in {state.replicas}, which gives other last digits; "
            f"set train.threads to {plain['replicas']} and OMP_NUM_THREADS to {plain['threads']}, or remove the folder"
        )
    _take(tensors, parameters, optimizer, average)
    best = [tensors[f"best.{i}"] for i in range(len(parameters.flats)) if f"best.{i}" in tensors]
    return State(**plain, best_masters=best)


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
            name.removeprefix(prefix): value if value.dim() == 0 else value.to(flat.master.device)
            for name, value in tensors.items()
            if name.startswith(prefix)
        }
    with torch.no_grad():
        for i, value in enumerate(average.values):
            value.copy_(tensors[f"average.{i}"])
