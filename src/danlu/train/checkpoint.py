"""Checkpoints: all that a training needs to go on as if it had never stopped.

Written beside, synced and renamed: a kill at any instant leaves the one before. Tensors are safetensors, the
rest json; nothing is pickled. The order of the data, masks and dropout are pure functions of seed and step, so
the step's number is their state.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from danlu.machine.files import folder_in_place
from danlu.machine.hub import first_line
from danlu.machine.joining import asked_for
from danlu.refusal import Refusal
from danlu.train.average import Average
from danlu.train.parameters import Parameters

TENSORS, STATE = "tensors.safetensors", "state.json"

Kept = dict[str, Tensor]


@dataclass
class State:
    """Where a training stands, besides its tensors.

    - `step`: how many optimizer steps are done.
    - `best`: the best validation score, and `best_step` where it was reached; `stale`: validations since.
    - `scale`, `good`: of the float16 loss scaler.
    - `threads`, `replicas`: sums on a CPU depend on them in their last bits; elsewhere there are 0 threads.
    - `of_ranks`: the threads of each rank, where there are several; none of those that were kept before that was told.
    - `ranks`: how many processes shared each step; with another number it goes on, with other last digits.
    - `precision`: what `auto` was measured to be; another measurement may say otherwise.
    - `guard`: see `danlu.train.guard.Standing`.
    - `best_values`, `best_method`: parameters and the method's own tensors there, none where the present ones are it.
    """

    fingerprint: str
    threads: int
    replicas: int
    precision: str
    ranks: int = 1
    step: int = 0
    best: float | None = None
    best_step: int = 0
    stale: int = 0
    scale: float = 65536.0
    good: int = 0
    guard: dict[str, Any] = field(default_factory=dict)
    of_ranks: list[int] = field(default_factory=list)
    best_values: list[Tensor] = field(default_factory=list)
    best_method: Kept = field(default_factory=dict)

    def to_plain(self) -> dict[str, object]:
        """All but the tensors."""
        tensors = ("best_values", "best_method")
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name not in tensors}


def save(
    folder: Path, state: State, parameters: Parameters, optimizer: Optimizer, average: Average, method: Kept
) -> None:
    """Write a checkpoint into `folder` and remove the older ones; raises `Refusal` when the disk is full.

    `method` are the tensors that the tuning method keeps beside the parameters.
    """
    final = folder / f"step-{state.step:08d}"
    tensors = parameters.state(optimizer)
    tensors |= _numbered("best", state.best_values) | _numbered("average", average.values)
    tensors |= _under("method", method) | _under("best_method", state.best_method)
    with folder_in_place(final) as temporary:
        save_file({name: value.contiguous() for name, value in tensors.items()}, temporary / TENSORS)
        (temporary / STATE).write_text(json.dumps(state.to_plain(), indent=1), encoding="utf-8")
    for other in folder.iterdir():
        if other != final:
            shutil.rmtree(other, ignore_errors=True)


def restore(
    folder: Path, state: State, parameters: Parameters, optimizer: Optimizer, average: Average, method: Kept
) -> State:
    """Take over the newest checkpoint in `folder` if there is one, and return where it stands.

    The tensors of `method` are written over.

    Raises:
        Refusal: it belongs to another recipe or data, was made with another number of threads, or is damaged.
    """
    path = newest(folder)
    if path is None:
        return state
    plain = owned(path, state)
    try:
        with safe_open(path / TENSORS, "pt") as opened:
            kept = _Stored(opened)
            parameters.load(kept, optimizer)
            with torch.no_grad():
                for name, value in (_numbered("average", average.values) | _under("method", method)).items():
                    value.copy_(kept[name])
            best = [name for name in _numbered("best", parameters.values()) if name in kept]
            return State(
                **plain,
                best_values=[kept[name] for name in best],
                best_method={name: kept[f"best_method.{name}"] for name in (method if best else ())},
            )
    except (OSError, KeyError, RuntimeError, SafetensorError) as error:
        raise damaged(path, error) from error


def owned(path: Path, state: State) -> dict[str, Any]:
    """What a checkpoint says beside its tensors, for a training that is at `state` without it.

    Raises:
        Refusal: it belongs to another one, or was made with another number of threads.
    """
    plain = _plain(path)
    if plain["fingerprint"] != state.fingerprint:
        raise Refusal(
            f"{path}: this checkpoint belongs to a run with another recipe, other data or another version; "
            "remove the folder to start anew, or put the recipe back as it was"
        )
    if plain.get("ranks", 1) == state.ranks:
        _refuse_other_threads(path, plain, state)
    return plain | {name: getattr(state, name) for name in ("threads", "replicas", "ranks", "of_ranks")}


def _refuse_other_threads(path: Path, plain: dict[str, Any], state: State) -> None:
    """Refuse other last digits, which on a CPU come from other threads; an accelerator has none of them."""
    replicas = plain["replicas"]
    before, now = plain.get("of_ranks") or [plain["threads"]], state.of_ranks or [state.threads]
    for rank, (kept, own) in enumerate(zip(before, now, strict=False)):
        if not kept or not own or (kept, replicas) == (own, state.replicas):
            continue
        if state.ranks == 1:
            raise Refusal(
                f"{path}: this checkpoint was made with {kept} threads in {replicas} replicas and this machine has "
                f"{own} in {state.replicas}, which gives other last digits; set OMP_NUM_THREADS={asked_for(kept)}, or "
                "remove the folder to start anew"
            )
        raise Refusal(
            f"{path}: this checkpoint was made with {kept} threads in {replicas} replicas, and rank {rank} has {own} "
            f"in {state.replicas}, which gives other last digits; set OMP_NUM_THREADS={asked_for(kept)}, or remove the "
            "folder to start anew"
        )


def precision_of(folder: Path) -> str | None:
    """The number format of the newest checkpoint in `folder`; None without one. Raises `Refusal` if it is damaged."""
    path = newest(folder)
    return None if path is None else str(_plain(path)["precision"])


def ranks_of(folder: Path) -> int | None:
    """How many ranks have made the newest checkpoint in `folder`; None without one."""
    path = newest(folder)
    return None if path is None else int(_plain(path).get("ranks", 1))


def step_of(folder: Path) -> int | None:
    """The step of the newest checkpoint in `folder`; None without one."""
    path = newest(folder)
    number = "" if path is None else path.name.removeprefix("step-")
    return int(number) if number.isdecimal() else None


def newest(folder: Path) -> Path | None:
    """The newest checkpoint in `folder`."""
    return max((path for path in folder.glob("step-*") if path.is_dir()), default=None)


def _plain(path: Path) -> dict[str, Any]:
    try:
        plain: dict[str, Any] = json.loads((path / STATE).read_text(encoding="utf-8"))
        State(**plain)
    except (OSError, ValueError, TypeError) as error:
        raise damaged(path, error) from error
    return plain


def damaged(path: Path, error: Exception) -> Refusal:
    """What to say of a checkpoint that cannot be read."""
    return Refusal(f"{path}: this checkpoint is damaged ({first_line(error)}); remove the folder to start anew")


class _Stored(Mapping[str, Tensor]):
    """Tensors of an open file, read one by one as they are asked for."""

    def __init__(self, opened: Any) -> None:
        self.opened, self.names = opened, frozenset(opened.keys())

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.names:
            raise KeyError(name)
        tensor: Tensor = self.opened.get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _numbered(prefix: str, values: Sequence[Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{i}": value for i, value in enumerate(values)}


def _under(prefix: str, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in values.items()}
