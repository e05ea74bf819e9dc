"""The checkpoints of a training, however its parameters lie: whole on each rank, or dealt out."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

from torch.optim import Optimizer

from danlu.machine.ranks import Ranks
from danlu.train import checkpoint
from danlu.train.average import Average
from danlu.train.checkpoint import Kept, State
from danlu.train.parameters import Parameters

if TYPE_CHECKING:
    from danlu.train.layouts.sharded import ShardedParameters


class Checkpoints:
    """Those in one folder: the first rank writes what all have alike, and each its own part of what is dealt out."""

    def __init__(self, folder: Path, parameters: Parameters, ranks: Ranks) -> None:
        """For `parameters`; nothing is read yet."""
        self.folder, self.parameters, self.ranks = folder, parameters, ranks
        self._shards = None
        if not parameters.complete:
            from danlu.train.shards import Shards  # brings torch's distributed checkpoints

            self._shards = Shards(folder, cast("ShardedParameters", parameters))

    def restore(self, state: State, optimizer: Optimizer, average: Average, method: Kept) -> State:
        """Take over the newest checkpoint if there is one, and return where it stands; see `checkpoint.restore`."""
        if self._shards:
            return self._shards.restore(state, optimizer, average, method)
        return checkpoint.restore(self.folder, state, self.parameters, optimizer, average, method)

    def save(self, state: State, optimizer: Optimizer, average: Average, method: Kept) -> None:
        """Write a checkpoint, or begin to; raises `Refusal` when the disk is full."""
        if self._shards:
            self._shards.save(state, optimizer, average, method)
        elif self.ranks.first:
            checkpoint.save(self.folder, state, self.parameters, optimizer, average, method)

    def finish(self) -> None:
        """Wait for what was begun; raises `Refusal` when the disk is full."""
        if self._shards:
            self._shards.finish()
