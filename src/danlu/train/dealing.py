"""How the batches of a step are dealt out to ranks, and what a rank does that gets none.

All ranks go through equally many batches, for some ways to share a model need every one of them at each. Where they do
not come out even, the rest compute the first batch once more, and count nothing of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from danlu.machine.ranks import Ranks, grouped
from danlu.model.four_bits import hidden_elements
from danlu.refusal import Refusal
from danlu.text.batching.batch import Batch
from danlu.train.optimizer import lay_out
from danlu.train.parameters import Parameters
from danlu.train.settings import Training
from danlu.tuning.group import Group
from danlu.tuning.method import Method


def dealt(jobs: Sequence[Callable[[], Batch]], rank: int, ranks: int) -> Iterator[Batch]:
    """The batches of one rank, made by every `ranks`-th of `jobs`; one that counts nothing where there is none left."""
    for first in range(0, len(jobs), ranks):
        mine = first + rank
        yield jobs[mine]() if mine < len(jobs) else idle(jobs[0]())


def idle(batch: Batch) -> Batch:
    """The batch, of which nothing counts."""
    return replace(batch, counts=dict.fromkeys(batch.counts, 0), tokens=0)


def counting(sums: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    """The losses of a batch, zero where it counts nothing, with gradients that are zero."""
    return dict(sums) if batch.tokens else {name: value * 0 for name, value in sums.items()}


def replicas_for(settings: Training, device: torch.device) -> int:
    """How many replicas share a batch: on a CPU as many as the settings say, on an accelerator one.

    One replica on two cores was faster than two of one core each: 24,200 tokens/s against 21,900 with 2,048
    tokens a step, 21,800 against 16,000 with 1,024 (2 layers of 256, 2026-11).
    """
    return settings.threads if device.type == "cpu" else 1


def parts_for(settings: Training, device: torch.device, ranks: int, *, whole: bool) -> int:
    """Into how many parts each batch is cut, so that a step has work for every rank; 1 where it has to stay `whole`.

    Raises:
        Refusal: it has to, and some of the ranks would have none; or each rank was to have replicas besides.
    """
    if not whole and ranks > 1:
        if settings.threads > 1:
            raise Refusal(
                f"train.threads: {settings.threads} replicas share the batches of one process, and here {ranks} "
                "processes share them; leave it out"
            )
        return -(-ranks // settings.accumulate)
    if not whole:
        return max(replicas_for(settings, device), -(-ranks // settings.accumulate))
    if settings.accumulate < ranks:
        raise Refusal(
            f"the examples of a batch are learnt from one another, so each stays whole on one rank, and a step of "
            f"{settings.accumulate} leaves {ranks - settings.accumulate} of {ranks} ranks without work; set "
            f"train.accumulate to a multiple of {ranks}, or start fewer processes"
        )
    return 1


def dealt_out(
    settings: Training, model: nn.Module, groups: Sequence[Group], method: Method, ranks: Ranks
) -> Parameters:
    """The trained parameters as the settings want them: whole on each rank, or a part on each.

    Raises:
        Refusal: the optimizer or the method need them whole.
    """
    if settings.parallel != "fsdp":
        return lay_out(settings.optimizer, model, groups)
    if settings.rollback:
        raise Refusal(
            "train.rollback: goes back with whole weights, and with 'parallel: fsdp' each rank has a part of them; "
            "take 'parallel: ddp', or leave it out"
        )
    if settings.optimizer not in ("adamw", "sgd"):
        raise Refusal(
            f"train.optimizer: '{settings.optimizer}' moves whole matrices, and with 'parallel: fsdp' each rank has a "
            "part of them; take adamw or sgd, or 'parallel: ddp'"
        )
    looks = ("after_step", "after_gradients", "penalty")
    if any(getattr(type(method), name) is not getattr(Method, name) for name in looks):
        raise Refusal(
            f"tuning '{method.kind}' looks at whole weights after each step, and with 'parallel: fsdp' each rank has a "
            "part of them; take 'parallel: ddp', or another tuning"
        )
    if hidden_elements(model):
        raise Refusal(
            "tuning.weights: 'nf4' keeps several weights in a number, and 'parallel: fsdp' deals out numbers of one "
            "format; take 'parallel: ddp', or plain weights"
        )
    from danlu.train.layouts.sharded import ShardedParameters  # brings torch's distributed tensors

    return ShardedParameters(model, groups, grouped(ranks))
