"""The promise of a pruning: what it takes out of a network, so that what is left is an ordinary model again."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from transformers import PreTrainedModel

from danlu.data.record import Record
from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer

_UNITS = {
    "weights": "single weights",
    "layers": "whole layers",
    "heads": "attention heads",
    "groups": "groups of attention heads",
}
"""What shares are taken of, as it is said."""


@dataclass(frozen=True)
class Subject:
    """What is pruned.

    - `model`: in float32, as transformers makes it of a plain folder; it stays as it is.
    - `records`: those by which it is found what matters, as the model reads them; they have their truth.
    - `seed`: of what a task draws in a row.
    """

    model: PreTrainedModel
    tokenizer: Tokenizer
    task: Task
    records: Sequence[Record] = ()
    seed: int = 0


@dataclass(frozen=True)
class Pruned:
    """What is left: a model and a tokenizer of their own.

    - `told`: what went, for people and for `danlu.json`.
    - `task`: the task, where it names tokens that have other numbers now; None: as it was.
    """

    model: PreTrainedModel
    tokenizer: Tokenizer
    told: dict[str, Any] = field(default_factory=dict)
    task: Task | None = None


def share_of(share: float, count: int, kind: str, units: str) -> int:
    """How many of `count` units, of a kind in `_UNITS`, a share of them is.

    Raises:
        Refusal: none, or all.
    """
    fewer = round(share * count)
    if not 0 < fewer < count:
        left, called = "all of them" if fewer == 0 else "none of them", _UNITS[units]
        raise Refusal(
            f"{kind}: a share of {share:g} of {count} {called} leaves {left}; the share of one is {1 / count:.2g}"
        )
    return fewer


class Pruning(Part):
    """What of a network is taken out."""

    folder: ClassVar[str] = "danlu.compress.prunings"

    moves_answers: ClassVar[bool] = True
    """Whether answers to texts like those of the data move, so that a training afterwards can win something back."""

    keeps_trained: ClassVar[bool] = True
    """Whether what it has done is still there after such a training."""

    cuts_otherwise: ClassVar[bool] = False
    """Whether texts unlike those of the data are cut into other tokens than before."""

    @abstractmethod
    def pruned(self, subject: Subject) -> Pruned:
        """What is left of a network.

        Raises:
            Refusal: the family has no place for a smaller one, nothing would go, or nothing would be left.
        """
