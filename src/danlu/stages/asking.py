"""The model of a training, asked by the very path that serves: encode, predict, decode."""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from typing import Any

from torch import nn

from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.machine.device import device
from danlu.stages.ready import Prepared, Ready
from danlu.task.task import Task
from danlu.train.fitting import whole_network_refused

Opened = Callable[[], AbstractContextManager[Predictor]]


def opened(stack: ExitStack, model: nn.Module, prepared: Prepared) -> Opened:
    """What gives a predictor of a model that goes on learning: the same one each time, until `stack` is closed.

    A model that lies on the CPU between validations, as `fsdp` leaves it, is brought to the device each time, and
    asked by replicas made there: those of the time before hold the weights of the time before.
    """
    if next(model.parameters()).device.type != device().type:
        return lambda: _brought(model, prepared)
    lasting = stack.enter_context(_predictor(model, prepared.task, prepared))
    return lambda: nullcontext(lasting)


def settled(task: Task, model: nn.Module, ready: Ready) -> Task:
    """The task with what it chooses by the answers of the best model on the validation records, if there are any.

    Where it asks for answers, `ready` is left without weights: the device may have no room for them beside the model.
    """
    if not ready.validation:
        return task
    with closing(_outputs(task, model, ready)) as outputs:
        return task.settled(ready.validation, outputs)


def _outputs(task: Task, model: nn.Module, ready: Ready) -> Generator[Any]:
    for network in (ready.model, *ready.roles.networks.values()):
        network.to("meta")
    with _predictor(model.to(device()), task, ready.prepared) as predictor:
        yield from predictor.outputs(ready.validation)


@contextmanager
def _brought(model: nn.Module, prepared: Prepared) -> Iterator[Predictor]:
    where = next(model.parameters()).device
    with whole_network_refused():
        try:
            with _predictor(model.to(device()), prepared.task, prepared) as predictor:
                yield predictor
        finally:
            model.to(where)


def _predictor(model: nn.Module, task: Task, prepared: Prepared) -> Predictor:
    return Predictor(TorchNetwork(model), task, prepared.tokenizer)  # type: ignore[arg-type]
