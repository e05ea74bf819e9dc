"""What a student may follow its teacher in: the outcomes that both see for the same things (Hinton et al., 2015).

Legend: N things, C outcomes.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from danlu.data.record import Record
from danlu.model.own import inside
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer

LEAST = -1e30
"""The logit of an outcome that is not there: finite, so that gradients stay numbers."""


@dataclass(frozen=True)
class Outcomes:
    """What a network holds of N things.

    - `form`: "one": exactly one of the outcomes is so, by a softmax; "each": each is so or not, by a sigmoid;
      "number": there is one, and its value is told.
    - `values`: (N, C), logits, -inf for an outcome that a thing does not have; or numbers (N, 1).
    - `unit`: by which a difference of numbers is divided.
    """

    form: Literal["one", "each", "number"]
    values: Tensor
    unit: float = 1.0


class Followed(Task):
    """A task whose student can follow a teacher of the same task, on records with and without labels."""

    @property
    def followed(self) -> bool:
        """Whether this task, as it is, has outcomes."""
        return True

    @abstractmethod
    def outcomes(self, said: Mapping[str, Tensor], batch: Batch) -> Outcomes:
        """What a network holds of the things of a batch, from what `forward` gave, or `role_says` of its rows.

        Of one batch there are the same things whoever has said it.
        """

    def things(self, batch: Batch) -> int:
        """How many things of a batch have outcomes."""
        return len(batch.examples)

    def unlabelled(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int) -> list[Encoded]:
        """Rows whose labels nobody knows; `collate` puts them beside labelled ones, and `losses` passes them by."""
        return self.encode(records, tokenizer, limit, labelled=False)

    def said(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """What the model says of a batch, and the parameters of the task, as `losses` reads them."""
        own = {f"own.{name}": value for name, value in (inside(model) or self.parameters()).items()}
        return {**self.forward(model, batch.inputs, self.places(batch)), **own}


def can_be_followed(task: Task) -> bool:
    """Whether a student may follow a teacher of this task."""
    return isinstance(task, Followed) and task.followed and not task.roles


def divergence(student: Outcomes, teacher: Outcomes, temperature: float) -> Tensor:
    """How far a student is from its teacher, summed over things, float32 at least.

    Of outcomes T^2 * KL(teacher || student), both softened by the temperature T, in nats; of outcomes that are each so
    or not the mean over these; of numbers half the square of the difference in units, whatever the temperature.
    """
    own_NC, theirs_NC = (_wide(each.values) for each in (student, teacher))
    if student.form == "number":
        return ((own_NC - theirs_NC) / student.unit).square().sum() / 2
    if student.form == "each":
        return temperature**2 * _each(own_NC / temperature, theirs_NC / temperature).mean(-1).sum()
    log_NC, wanted_NC = (
        torch.log_softmax(values_NC.clamp(min=LEAST) / temperature, -1) for values_NC in (own_NC, theirs_NC)
    )
    return temperature**2 * (wanted_NC.exp() * (wanted_NC - log_NC)).sum()


def _each(own_NC: Tensor, theirs_NC: Tensor) -> Tensor:
    """KL of a coin from a coin, by their logits, (N, C)."""
    share_NC = torch.sigmoid(theirs_NC)
    there_NC = share_NC * (functional.logsigmoid(theirs_NC) - functional.logsigmoid(own_NC))
    return there_NC + (1 - share_NC) * (functional.logsigmoid(-theirs_NC) - functional.logsigmoid(-own_NC))


def _wide(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()
