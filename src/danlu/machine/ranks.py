"""The processes that do one piece of work together, as plain integers, and what they tell each other.

Sums go through torch's process group; all else goes through its store as json, where a rank may wait for hours for
what another does alone, without a collective that would time out.
"""

import itertools
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from danlu.refusal import Refusal

if TYPE_CHECKING:
    from torch import Tensor

Result = TypeVar("Result")

_LOOK = 5.0  # seconds of one wait at the store, after which it is waited again


class Dismissed(Exception):
    """Another rank has refused, or says why: this one has nothing to add."""


class Lost(Refusal):
    """Another rank has ended without a word."""


@dataclass(frozen=True, eq=False)
class Ranks:
    """This process among others that run the same.

    - `rank`, `count`: which of how many it is; `local`: which of those on this machine.
    - `group`, `store`: torch's process group, and its store; None where it is alone.
    - `beside`: a second group of the same processes, of gloo, for a thread of its own.
    """

    rank: int = 0
    count: int = 1
    local: int = 0
    group: Any = None
    store: Any = None
    beside: Any = None
    _calls: Iterator[int] = field(default_factory=partial(itertools.count, 1), repr=False)

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.count > 1

    def place(self, number: int) -> int:
        """Where what is number `number` here stands among all that is dealt out to the ranks in turn."""
        return self.rank + number * self.count

    def total(self, values: Sequence[float]) -> list[float]:
        """The sum over the ranks of each value."""
        if not self.several:
            return list(values)
        import torch

        found: list[float] = self.add(torch.tensor([float(value) for value in values], dtype=torch.float64)).tolist()
        return found

    def each(self, number: int) -> list[int]:
        """The number of each rank, in their order."""
        return [int(value) for value in self.total([number * (rank == self.rank) for rank in range(self.count)])]

    def add(self, tensor: "Tensor") -> "Tensor":
        """Sum a tensor over the ranks, in place; each has the same bits afterwards."""
        if self.several:
            import torch.distributed as dist

            dist.all_reduce(tensor, group=self.group)
        return tensor

    def follow(self, tensor: "Tensor") -> "Tensor":
        """Take over, in place, what the first rank has in this tensor."""
        if self.several:
            import torch.distributed as dist

            dist.broadcast(tensor, group=self.group, group_src=0)
        return tensor

    def choice(self, number: int) -> int:
        """The number that the first rank gives."""
        if not self.several:
            return number
        import torch

        return int(self.follow(torch.tensor(number)))

    def told(self, make: Callable[[], Result]) -> Result:
        """What the first rank makes of it, as json; the others wait as long as it takes."""
        if not self.several:
            return make()
        key = self._key("told")
        if self.first:
            made = make()
            self.store.set(key, json.dumps(made))
            return made
        return json.loads(self._read(key))  # type: ignore[no-any-return]

    def tell(self, order: Mapping[str, Any] | None) -> None:
        """Let the others, which `hear`, do something; None lets them go."""
        if self.several:
            self.store.set(self._key("order"), json.dumps(order))

    def hear(self) -> dict[str, Any] | None:
        """What the first rank wants of this one, waited for as long as it takes."""
        order: dict[str, Any] | None = json.loads(self._read(self._key("order")))
        return order

    @contextmanager
    def meeting(self) -> Iterator[dict[str, str]]:
        """What each rank does before all go on together; facts that are noted in it must be the same everywhere.

        Raises:
            Refusal: on the first rank, what any of them has refused, or a fact in which one differs.
            Dismissed: on the others, which have nothing more to say.
        """
        facts: dict[str, str] = {}
        if not self.several:
            yield facts
            return
        refused: Refusal | None = None
        try:
            yield facts
        except Refusal as error:
            refused = error
        key = self._key("meeting")
        said = {"refused": str(refused) if refused else None, "facts": facts, "machine": socket.gethostname()}
        self.store.set(f"{key}/{self.rank}", json.dumps(said))
        if not self.first:
            if json.loads(self._read(f"{key}/verdict")):
                raise Dismissed
            return
        others = {rank: json.loads(self._read(f"{key}/{rank}")) for rank in range(1, self.count)}
        verdict = (
            str(refused) if refused else next(filter(None, (_verdict(facts, *each) for each in others.items())), "")
        )
        self.store.set(f"{key}/verdict", json.dumps(verdict))
        if verdict:
            raise refused or Refusal(verdict)

    def _key(self, what: str) -> str:
        """A key that all ranks have in common, since all go through the same calls in the same order."""
        return f"{what}/{next(self._calls)}"

    def _read(self, key: str) -> bytes:
        import torch.distributed as dist

        while True:
            try:
                self.store.wait([key], timedelta(seconds=_LOOK))
            except dist.DistStoreError:  # not yet there
                time.sleep(0)
            else:
                return self.store.get(key)  # type: ignore[no-any-return]


ALONE = Ranks()
"""A process that runs by itself."""


def grouped(ranks: Ranks) -> Ranks:
    """The same with a process group, which one that is alone makes for itself."""
    if ranks.group is not None:
        return ranks
    import torch
    import torch.distributed as dist

    if not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    return replace(ranks, group=dist.group.WORLD, beside=dist.new_group(backend="gloo"))


def _verdict(facts: Mapping[str, str], rank: int, said: Mapping[str, Any]) -> str:
    """Why the work cannot be done together with this rank; empty where it can."""
    who = f"rank {rank} on {said['machine']}"
    if said["refused"]:
        return f"{who}: {said['refused']}"
    for name in dict.fromkeys([*facts, *said["facts"]]):
        own, theirs = facts.get(name, "none"), said["facts"].get(name, "none")
        if own != theirs:
            return (
                f"{who}: {name}: {theirs}, and the first rank has {own}; all ranks need the same recipe, data, "
                "versions and folder of runs"
            )
    return ""
