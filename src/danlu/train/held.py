"""How much memory the parameters of a training take, with all that is kept of them."""

from typing import TYPE_CHECKING

from danlu.model.word_rows import parameters_of
from danlu.train.optimizer import moment_bytes
from danlu.train.parameters import storage_bytes

if TYPE_CHECKING:
    from danlu.train.run import TrainingRun


def bytes_a_parameter(run: "TrainingRun", validated: bool) -> float:
    """What is held for the parameters, trained or not, divided by their number; gradients of a step come and go.

    `validated`: whether the best weights are looked for.
    """
    everything = list(run.model.parameters())
    held = storage_bytes([*everything, *run.parameters.tensors()])
    copies = bool(run.settings.average) + (validated and run.every() < run.total)
    held += sum(value.nbytes * copies for value in run.parameters.values())
    name, momentum = run.settings.optimizer, run.settings.momentum
    held += sum(moment_bytes(name, share, momentum) for share in run.parameters.shares)
    return held / parameters_of(run.model)
