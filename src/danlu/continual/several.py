"""Rows of several tasks in one batch, and the loss of all of them: every row weighs alike, whatever its task.

A mean for each task would let the one row of a task weigh as much as all others together. So what a task loses is
divided by how much counts in one of its examples, which is a number of the data, and then by the number of examples.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from danlu.continual.networks import Networks
from danlu.machine.seed import generator
from danlu.task.task import Task
from danlu.text.batching.batch import LOGGED, Batch
from danlu.text.batching.encoded import Encoded, Sizes
from danlu.text.tokenizing.tokenizer import Tokenizer

LEARNT, BESIDE = "learnt", "beside"
"""The loss of the rows, and what is added to it."""
TRIED = 256  # examples from which it is known how much counts in one

Value = TypeVar("Value")

Added = Callable[[Networks, Mapping[str, Batch], int], Tensor]
"""What is added to the loss of a batch, as a sum over its examples; it is given these by task, and their number."""


@dataclass(slots=True)
class Of(Encoded):
    """An example, and the name of the task that it is of."""

    name: str = ""


def named(encoded: Sequence[Encoded], name: str) -> list[Of]:
    """The examples with the name of their task."""
    return [Of(**{item.name: getattr(each, item.name) for item in fields(Encoded)}, name=name) for each in encoded]


@dataclass(frozen=True)
class Several:
    """The tasks of a training, by name, each with what counts in one of its examples, by objective.

    - `heads`: the name of the network that each is learnt by.
    - `added`: what is added to the loss.
    """

    tasks: Mapping[str, Task]
    heads: Mapping[str, str]
    tokenizer: Tokenizer
    each: Mapping[str, Mapping[str, float]]
    added: tuple[Added, ...] = ()

    @classmethod
    def of(
        cls,
        tasks: Mapping[str, Task],
        heads: Mapping[str, str],
        tokenizer: Tokenizer,
        rows: Sequence[Of],
        added: Sequence[Added] = (),
    ) -> "Several":
        """Find how much counts in an example of each task by looking at some of its `rows`."""
        each = {}
        for name, task in tasks.items():
            some = [row for row in rows if row.name == name][:TRIED]
            width = max(map(len, some))
            counts = task.collate(some, width, tokenizer, generator(0, "counted")).counts
            each[name] = {key: (count / len(some)) or 1.0 for key, count in counts.items()}
        return cls(tasks, heads, tokenizer, each, tuple(added))

    def along(self, done: float) -> "Several":
        """This, with each task as it is when a share `done` of the training is."""
        return replace(self, tasks={name: task.along(done) for name, task in self.tasks.items()})

    def collate(self, rows: Sequence[Encoded], width: int, rng: np.random.Generator) -> Batch:
        """One batch of the rows of each task; inputs, targets and counts have its name before theirs."""
        whole = Batch({}, {}, {LEARNT: 0.0, BESIDE: float(len(rows))}, np.arange(len(rows)), 0)
        for name, task in self.tasks.items():
            own = [row for row in rows if isinstance(row, Of) and row.name == name]
            whole.counts |= {f"{LOGGED}{name} {key}": 0.0 for key in self.each[name]}
            if not own:
                continue
            part = task.collate(own, width, self.tokenizer, rng)
            whole.inputs |= {f"{name} {key}": value for key, value in part.inputs.items()}
            whole.targets |= {f"{name} {key}": value for key, value in part.targets.items()}
            whole.counts |= {f"{LOGGED}{name} {key}": value for key, value in part.counts.items()}
            learnt = [count / self.each[name][key] for key, count in part.counts.items() if not key.startswith(LOGGED)]
            whole.counts[LEARNT] += sum(learnt) / len(learnt)
            whole.tokens += part.tokens
        return whole

    def sizes(self, rows: Sequence[Encoded]) -> Sizes:
        """What each row costs a batch, as its own task says."""
        widths, each, written = (np.full(len(rows), value, np.int64) for value in (0, 1, 0))
        for name, task in self.tasks.items():
            places = [place for place, row in enumerate(rows) if isinstance(row, Of) and row.name == name]
            if not places:
                continue
            own = task.sizes([rows[place] for place in places], self.tokenizer)
            widths[places] = own.widths
            each[places] = 1 if own.rows is None else own.rows
            written[places] = 0 if own.targets is None else own.targets
        return Sizes(widths, each if (each > 1).any() else None, written if written.any() else None)

    def parts(self, batch: Batch) -> dict[str, Batch]:
        """What a batch holds of each task of which it has rows."""
        found = {}
        for name in self.tasks:
            inputs = _own(batch.inputs, f"{name} ")
            if inputs:
                counts = _own(batch.counts, f"{LOGGED}{name} ")
                found[name] = replace(batch, inputs=inputs, targets=_own(batch.targets, f"{name} "), counts=counts)
        return found

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Sums of what all rows lose, and of what is added; see `danlu.train.loop.Loss`."""
        assert isinstance(model, Networks)
        learnt, sums, parts = [], dict[str, Tensor](), self.parts(batch)
        for name, part in parts.items():
            found = self.tasks[name].loss(model.of(self.heads[name]), part)
            for key, value in found.items():
                sums[f"{LOGGED}{name} {key}"] = value.detach()
                if not key.startswith(LOGGED):
                    learnt.append(value.float() / self.each[name][key])
        added = [each(model, parts, len(batch.examples)) for each in self.added]
        if added:
            sums[BESIDE] = torch.stack(added).sum()
        return {LEARNT: torch.stack(learnt).sum(), **sums}


def _own(values: Mapping[str, Value], start: str) -> dict[str, Value]:
    return {key.removeprefix(start): value for key, value in values.items() if key.startswith(start)}
