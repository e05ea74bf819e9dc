"""How large the model of a training is, what a token of it costs, and how long it takes, told before the first step."""

import torch
from torch import nn

from danlu.machine.meter import Meter
from danlu.model.beside import put_beside, share_tables
from danlu.model.own import put_in
from danlu.model.source import unsaid
from danlu.model.weightless import weightless
from danlu.stages.ready import Prepared, Ready
from danlu.stages.trial import RAISED
from danlu.task.task import Task
from danlu.train.batches import Batches
from danlu.train.counts import Work, usual_work
from danlu.train.dry_run import DryRun, dry_run

NAME = "size.json"
"""How many parameters the model has, how many of them are trained, and operations a token."""


def work_of(ready: Ready, batches: Batches) -> Work | None:
    """Operations a token, roles included; None for a network that looks at values which it has only when it runs."""
    networks = {name: weightless(network) for name, network in ready.roles.networks.items()}
    try:
        return usual_work(ready.model, batches, ready.roles.over(networks).loss)
    except RAISED:
        return None


def rehearsed(ready: Ready, batches: Batches, *, sizes: bool = False) -> DryRun:
    """A few steps as the training takes them, frozen networks asked by all cores; see `dry_run`."""
    roles = ready.roles
    with roles.by_all_cores():
        return dry_run(
            ready.model,
            batches,
            roles.loss,
            ready.settings,
            precision=ready.precision,
            features=ready.prepared.tuning.freezes_trunk,
            sizes=sizes,
            beforehand=roles.beforehand,
            once=roles.keeps,
        )


def outlined(prepared: Prepared) -> tuple[nn.Module, Task]:
    """The network with what the method adds, without weights, and the task as it can do it, as far as that shows."""
    task, tokenizer = prepared.task, prepared.tokenizer
    bare = prepared.source.outline(task.auto_class, tokenizer, task.config())
    tuned = put_in(prepared.tuning.apply(bare), task.parameters())
    networks = {}
    for name, source in prepared.learners.items():
        taught = task.taught(name)
        networks[name] = source.outline(taught.auto_class, tokenizer, taught.config())
        share_tables(tuned, networks[name])
    model = weightless(put_beside(tuned, networks) if networks else tuned)
    try:
        with Meter(), torch.random.fork_rng(devices=[]):
            return model, task.suited(model, tokenizer, unsaid)
    except RAISED:  # it is found by trying, for which there are no weights
        return model, task


def flops(count: float) -> str:
    """Operations with the prefix that suits them."""
    for size, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if count >= size:
            return f"{count / size:.3g} {prefix}FLOP"
    return f"{count:,.0f} FLOP"
