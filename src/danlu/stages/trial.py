"""Whether a model can learn a task at all, found by trying it before anything is trained.

What a family of transformers raises where a task, a method or a packed row is beyond it becomes one sentence here,
so that no list of families has to be kept.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from danlu.machine.device import device
from danlu.machine.hub import first_line
from danlu.model.dropout import seed_dropout
from danlu.model.fast import use_our_attention
from danlu.model.heads import unwrapped
from danlu.model.recomputed_layers import layers_kept, recompute_layers, recomputes
from danlu.model.source import refuse_without
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.batching.batch import Batch, Slice
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.train.batches import Batches
from danlu.tuning.features import cached_trunk
from danlu.tuning.method import Method
from danlu.tuning.roles import Roles

FIRST = 64  # rows among which the shortest is looked for
RAISED = (ValueError, TypeError, LookupError, AttributeError, RuntimeError, AssertionError, ImportError)


def suited(model: nn.Module, task: Task, tokenizer: Tokenizer, say: Callable[[str], None]) -> Task:
    """The task as `model`, still in float32, can do it; see `Task.suited`.

    Raises:
        Refusal: the model cannot learn it.
    """
    inner = unwrapped(model)
    refuse_without(task.auto_class, inner.config, type(inner).__name__)  # what is saved has to be opened again
    use_our_attention(model)
    with _in_a_sentence(model, task.kind), torch.random.fork_rng():
        return task.suited(model, tokenizer, say)


def recompute(model: nn.Module, method: Method) -> None:
    """Let the layers of a model be computed anew on the way back.

    Raises:
        Refusal: they cannot be, or nothing would be gained.
    """
    if method.freezes_trunk:
        raise Refusal(
            f"train.recompute: no gradient enters the layers with the tuning method '{method.kind}', so nothing is "
            "kept of them that could be computed anew; leave it out"
        )
    recompute_layers(model)


def try_a_step(batches: Batches, model: nn.Module, roles: Roles, method: Method, folder: Path) -> None:
    """The loss and the gradients of the shortest of the first rows; nothing of them stays.

    Raises:
        Refusal: the model raises what is not meant for people.
    """
    lengths = [len(batches.encoded[row]) for row in range(min(len(batches.encoded), FIRST))]
    shortest = np.argsort(lengths, kind="stable")[:1]
    piece = Slice(shortest, lengths[shortest[0]], lengths[shortest[0]])
    with _in_a_sentence(model, f"{roles.task.kind} with tuning '{method.kind}'"), ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng())
        (batch,) = batches.micro_batches(piece, (0, 0), device())
        if method.freezes_trunk:
            stack.enter_context(cached_trunk(model, [batch], folder))
        if anew := recomputes(model):
            with layers_kept(model), torch.no_grad():
                right = _loss(roles, model, batch)
        loss = _loss(roles, model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
    model.zero_grad(set_to_none=True)
    if anew and not torch.allclose(loss.detach(), right, rtol=1e-3, equal_nan=True):
        raise Refusal(
            f"train.recompute: the layers of '{unwrapped(model).config.model_type}' lose what the tuning method "
            f"'{method.kind}' hands them when they are computed anew (loss {float(loss):.4g} instead of "
            f"{float(right):.4g}); leave it out, or use another method"
        )


def _loss(roles: Roles, model: nn.Module, batch: Batch) -> Tensor:
    seed_dropout(0)
    torch.manual_seed(0)
    return sum(roles.loss(model, batch).values(), torch.zeros((), device=device()))


@contextmanager
def _in_a_sentence(model: nn.Module, what: str) -> Iterator[None]:
    try:
        yield
    except (Refusal, torch.OutOfMemoryError):
        raise
    except RAISED as error:
        raise Refusal(
            f"models of the family '{unwrapped(model).config.model_type}' cannot learn {what} here "
            f"({type(error).__name__}: {first_line(error)}); choose a model of another family"
        ) from error
