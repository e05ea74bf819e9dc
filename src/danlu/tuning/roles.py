"""Frozen networks that a loss reads beside the one that learns: a teacher, a reference.

A network is asked for each row by itself, without padding and by one core, so that what it says is a function of that
row alone: the same bits in whatever batch the row stands, whether they were kept or are asked for again, and after an
interruption. The cores take turns with the rows of a batch.

Legend: B rows, T tokens, C as the task says, H heads.
"""

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.machine.crew import Crew, on_one_core
from danlu.model.heads import unwrapped
from danlu.model.replica import replica
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.tuning.kept import Kept, key_of, row_of, unpadded

ROOM = 2**28
"""Logits over a vocabulary, by their number, that all cores may hold at once; of some tasks there are a few copies."""


class Roles:
    """The networks of a task's roles, by name, and the loss that reads them."""

    def __init__(self, task: Task, networks: Mapping[str, nn.Module]) -> None:
        """Ask `networks`, which are not trained and are in evaluation mode, as `task` wants it."""
        self.task, self.networks = task, networks
        self._kept: Kept | None = None
        self._crew: Crew | None = None
        self._copies: dict[str, list[nn.Module]] = {}

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The loss of the task, as `Task.loss`, with what the roles say of the batch among its targets."""
        return self.task.loss(model, self.told(batch))

    def beforehand(self, batch: Batch) -> Batch:
        """The batch with all that can be said of it before the model that learns is asked; see `loss`."""
        return self.told(batch)

    def counted(self, batch: Batch) -> Batch:
        """The batch with what counts in the loss, as the task has made it."""
        return batch

    def over(self, networks: Mapping[str, nn.Module]) -> "Roles":
        """The same loss with other networks, such as those without weights."""
        return Roles(self.task, networks)

    def told(self, batch: Batch) -> Batch:
        """The batch with targets `role.name`, zero where there is padding.

        These are (B,), (B, C), (B, T, C), or (B, H, T, T) of pairs of tokens. Who was told before is not told again.
        """
        if not self.networks or any(name.partition(".")[0] in self.networks for name in batch.targets):
            return batch
        kept_BT = unpadded(batch.inputs)
        rows = [_row(batch, row, kept_T) for row, kept_T in enumerate(kept_BT)]
        targets = dict(batch.targets)
        for role, network in self.networks.items():
            said = self._all_said(role, network, rows)
            for name in said[0]:
                targets[f"{role}.{name}"] = _stacked([each[name] for each in said], kept_BT)
        return replace(batch, targets=targets)

    @contextmanager
    def by_all_cores(self) -> Iterator[None]:
        """Within the block all cores are asked."""
        with ExitStack() as stack:
            if self._on_processor() and torch.get_num_threads() > 1:
                self._crew = stack.enter_context(closing(Crew(torch.get_num_threads())))
            try:
                yield
            finally:
                self._crew, self._copies = None, {}

    @contextmanager
    def keeping(self, folder: Path) -> Iterator[None]:
        """As `by_all_cores`, and where it `keeps`, what is said of a row is then read from a file in `folder`."""
        with ExitStack() as stack:
            stack.enter_context(self.by_all_cores())
            if self.networks and self.keeps:
                folder.mkdir(parents=True, exist_ok=True)
                place = stack.enter_context(tempfile.TemporaryDirectory(prefix="features-", dir=folder))
                self._kept = stack.enter_context(closing(Kept(Path(place) / "said")))
            try:
                yield
            finally:
                self._kept = None

    @property
    def keeps(self) -> bool:
        """Whether a row is asked about once; not where a task draws its rows anew each time (`Task.repeats`)."""
        return self.task.repeats

    def _on_processor(self) -> bool:
        devices = {next(network.parameters()).device.type for network in self.networks.values()}
        return devices == {"cpu"}

    def _all_said(self, role: str, network: nn.Module, rows: Sequence[Batch]) -> list[dict[str, Tensor]]:
        """What a network says of each row; where the calling thread has several cores, each takes the next row."""
        crew = self._crew
        if crew is None or torch.get_num_threads() == 1:
            return [self._said(role, network, row) for row in rows]
        if role not in self._copies:
            self._copies[role] = [replica(network) for _ in range(crew.size)]
        left: SimpleQueue[int] = SimpleQueue()
        for number in range(len(rows)):
            left.put(number)
        most = ROOM // max(1, *(_logits(network, row) for row in rows))

        def some(copy: nn.Module) -> dict[int, dict[str, Tensor]]:
            found = {}
            with suppress(Empty):
                while True:
                    number = left.get_nowait()
                    found[number] = self._said(role, copy, rows[number])
            return found

        parts = crew.run([partial(some, copy) for copy in self._copies[role][: max(1, min(most, len(rows)))]])
        said = {number: each for part in parts for number, each in part.items()}
        return [said[number] for number in range(len(rows))]

    def _said(self, role: str, network: nn.Module, row: Batch) -> dict[str, Tensor]:
        if self._kept is None:
            return self._asked(network, row)
        device = row.inputs["input_ids"].device
        key = key_of(row.inputs | {f"target {name}": value for name, value in row.targets.items()}, (role,))
        found = self._kept.find(key)
        if found is None:
            found = self._asked(network, row)
            self._kept.add(key, found)
        return {name: value.to(device) for name, value in found.items()}  # what was kept comes from the processor

    @torch.no_grad()
    def _asked(self, network: nn.Module, row: Batch) -> dict[str, Tensor]:
        where = row.inputs["input_ids"].device.type
        with on_one_core(), torch.autocast(where, enabled=False):
            return {name: value.detach() for name, value in self.says(network, row).items()}

    def says(self, network: nn.Module, row: Batch) -> dict[str, Tensor]:
        """What a network says of a row; see `Task.role_says`."""
        return self.task.role_says(network, row)


def begun_roles(task: Task, given: Collection[str]) -> list[str]:
    """The roles that are the model as it was before it learns, for want of another.

    Raises:
        Refusal: there are more or fewer of them given than the task names.
    """
    begun = [name for name in task.roles if name in task.as_begun and name not in given]
    if {*given, *begun} != set(task.roles):
        needs = f"needs {', '.join(task.roles)}" if task.roles else "has none"
        known = ", ".join(given) or "none"
        raise Refusal(f"the task {task.kind} {needs} under 'roles', and there are: {known}; write a source for each")
    return begun


def _logits(network: nn.Module, row: Batch) -> int:
    """How many logits a network that writes has of a row; 0 of another."""
    inner = unwrapped(network)
    writes = isinstance(inner, PreTrainedModel) and inner.get_output_embeddings() is not None  # type: ignore[no-untyped-call]
    return row.tokens * int(inner.config.get_text_config().vocab_size) if writes else 0


def _row(batch: Batch, row: int, kept_T: Tensor) -> Batch:
    """A batch of one row without padding, with those targets that have an entry a row."""
    rows = len(batch.inputs["input_ids"])
    targets = {name: value for name, value in batch.targets.items() if value.dim() and len(value) == rows}
    return Batch(
        inputs={name: value[None] for name, value in row_of(batch.inputs, row, kept_T).items()},
        targets={name: value[None] for name, value in row_of(targets, row, kept_T).items()},
        counts={},
        examples=np.zeros(1, np.int64),
        tokens=int(kept_T.sum()),
    )


def _stacked(said: Sequence[Tensor], kept_BT: Tensor) -> Tensor:
    if said[0].dim() < 2:
        return torch.stack(list(said))
    if said[0].dim() == 3:
        return _in_pairs(said, kept_BT)
    stacked_BTC = said[0].new_zeros(*kept_BT.shape, *said[0].shape[1:])
    stacked_BTC[kept_BT.to(stacked_BTC.device)] = torch.cat(list(said))
    return stacked_BTC


def _in_pairs(said: Sequence[Tensor], kept_BT: Tensor) -> Tensor:
    rows, width = kept_BT.shape
    stacked_BHTT = said[0].new_zeros(rows, len(said[0]), width, width)
    for row, value_HTT in enumerate(said):
        places_T = kept_BT[row].nonzero()[:, 0].to(value_HTT.device)
        stacked_BHTT[row][:, places_T[:, None], places_T] = value_HTT
    return stacked_BHTT
