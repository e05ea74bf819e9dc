"""Checkpoints of parameters that are dealt out: each rank writes its part, and any number of ranks reads them.

The parts are written by `torch.distributed.checkpoint` as safetensors, whose headers say which part of which tensor
they are; nothing is pickled. They are copied between two steps and written by a thread while the training goes on. The
folder gets its name when all ranks have written, so a kill at any instant leaves the one before.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from safetensors import SafetensorError
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from danlu.machine.files import full_disk_refused, sync_tree
from danlu.train.average import Average
from danlu.train.checkpoint import STATE, Kept, State, damaged, newest, owned
from danlu.train.layouts.sharded import ShardedParameters

VALUES = ("master", "average", "best")
"""Names of what lies as the parameters do, by their number; moments do, too, where they are no single numbers."""


class Shards:
    """The checkpoints of a training in `folder`."""

    def __init__(self, folder: Path, parameters: ShardedParameters) -> None:
        """For parameters that are dealt out; all ranks make one."""
        self.folder, self.parameters, self.ranks = folder, parameters, parameters.ranks
        self.group = self.ranks.beside
        self.mesh = DeviceMesh.from_group(self.group, "cpu")
        self._thread: Thread | None = None
        self._step = -1  # of the newest
        self._failed: list[BaseException] = []

    def save(self, state: State, optimizer: Optimizer, average: Average, method: Kept) -> None:
        """Copy everything and begin to write it; what was begun before is finished first.

        Raises:
            Refusal: the disk was full when the one before was written.
        """
        self.finish()
        if state.step == self._step:
            return
        self._step = state.step
        tensors = self._tensors(state, optimizer, average)
        copies = {name: value.detach().to("cpu", copy=True) for name, value in tensors.items()}
        copies |= {f"method.{name}": value.detach().cpu().clone() for name, value in method.items()}
        copies |= {f"best_method.{name}": value.detach().cpu().clone() for name, value in state.best_method.items()}
        told = json.dumps(state.to_plain(), indent=1)
        self._thread = Thread(target=self._write, args=(state.step, self._dealt(copies), told), daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until what was begun is written.

        Raises:
            Refusal: the disk is full.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._failed:
            raise self._failed.pop()

    def restore(self, state: State, optimizer: Optimizer, average: Average, method: Kept) -> State:
        """Take over the newest checkpoint if there is one, made by any number of ranks; see `checkpoint.restore`.

        Raises:
            Refusal: it belongs to another recipe or data, or is damaged.
        """
        path = newest(self.folder)
        if path is None:
            return state
        plain = owned(path, state)
        try:
            reader = dcp.HuggingFaceStorageReader(str(path))
            known = reader.read_metadata().state_dict_metadata
            kept = self._dealt({name: self._room(name, known[name]) for name in known})
            dcp.load(kept, storage_reader=reader, process_group=self.group)
            found = {name: value.to_local() if isinstance(value, DTensor) else value for name, value in kept.items()}
            self.parameters.load(found, optimizer)
            with torch.no_grad():
                for i, value in enumerate(average.values):
                    value.copy_(found[f"average.{i}"])
                for name, value in method.items():
                    value.copy_(found[f"method.{name}"])
            where = [f"best.{i}" for i in range(len(self.parameters.order())) if f"best.{i}" in found]
            best_method = {name: found[f"best_method.{name}"] for name in (method if where else ())}
            device = self.parameters.mesh.device_type
            values = [found[name].to(device) for name in where]
            self._step = plain["step"]
            return replace(State(**plain), best_values=values, best_method=best_method)
        except (OSError, KeyError, RuntimeError, ValueError, SafetensorError) as error:
            raise damaged(path, error) from error
        except dcp.CheckpointException as error:  # of several ranks, no Exception
            raise damaged(path, RuntimeError(str(error))) from error

    def _tensors(self, state: State, optimizer: Optimizer, average: Average) -> dict[str, Tensor]:
        tensors = self.parameters.state(optimizer)
        tensors |= {f"average.{i}": value for i, value in enumerate(average.values)}
        return tensors | {f"best.{i}": value for i, value in enumerate(state.best_values)}

    def _dealt(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Each tensor as the part that it is of a whole; single numbers, and what a method keeps, are whole."""
        order = self.parameters.order()
        return {name: self._whole(order, name, value) for name, value in tensors.items()}

    def _whole(self, order: list[int], name: str, value: Tensor) -> Tensor:
        number = _number(name)
        if number is None or not value.dim():
            return value
        return self.parameters.as_whole(order[number], value, self.mesh)

    def _room(self, name: str, known: Any) -> Tensor:
        """Room for what this rank reads of a tensor."""
        number = _number(name)
        if number is None or not len(known.size):
            return torch.empty(known.size, dtype=known.properties.dtype)
        return torch.empty_like(self.parameters.values()[number], device="cpu", dtype=known.properties.dtype)

    def _write(self, step: int, tensors: dict[str, Tensor], told: str) -> None:
        final = self.folder / f"step-{step:08d}"
        temporary = final.with_name(f".{final.name}.partial")
        try:
            with full_disk_refused(final):
                if self.ranks.first:
                    shutil.rmtree(temporary, ignore_errors=True)
                    temporary.mkdir(parents=True)
                dist.barrier(self.group)
                writer = dcp.HuggingFaceStorageWriter(str(temporary), save_distributed=True)
                try:
                    dcp.save(tensors, storage_writer=writer, process_group=self.group)
                except CheckpointException as failed:  # what each rank says, in one that is no Exception
                    raise next(error for error, _ in failed.failures.values()) from failed
                dist.barrier(self.group)
                if self.ranks.first:
                    (temporary / STATE).write_text(told, encoding="utf-8")
                    sync_tree(temporary)
                    temporary.rename(final)
                    for other in self.folder.iterdir():
                        if other != final:
                            shutil.rmtree(other, ignore_errors=True)
        except BaseException as error:
            if self.ranks.first:
                shutil.rmtree(temporary, ignore_errors=True)
            self._failed.append(error)


def _number(name: str) -> int | None:
    """Which of the parameters a tensor belongs to by its name; None for what belongs to none."""
    words = name.split(".")
    return int(words[1]) if words[0] in (*VALUES, "optimizer") else None
