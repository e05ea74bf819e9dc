"""The lines of the log: means over the steps since the one before, and where their time went."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from danlu.text.batching.batch import LOGGED
from danlu.train.flops import attention_share, flops_a_token
from danlu.train.loop import Step
from danlu.train.timing import shares

if TYPE_CHECKING:
    from danlu.train.run import TrainingRun


def line(run: "TrainingRun", recent: Sequence[Step]) -> dict[str, Any]:
    """The line of some steps that came one after the other, the last of them where the training stands."""
    seconds = sum(step.seconds for step in recent)
    tokens = sum(step.tokens for step in recent)
    width = float(run.batches.reader.sizes.widths[:1000].mean())
    speed = tokens / max(seconds, 1e-9)
    operations = speed * flops_a_token(run.model, width)
    run.limit.beside(seconds, operations / run.ranks.count)
    losses = recent[-1].losses
    alone = sum(not name.startswith(LOGGED) for name in losses) == 1  # then it is the loss
    return run.placed(
        {
            **_means({"loss": [step.loss for step in recent]}),
            **_means(
                {
                    name.removeprefix(LOGGED): [step.losses[name] for step in recent]
                    for name in losses
                    if not alone or name.startswith(LOGGED)
                }
            ),
            "rate": recent[-1].rate,
            **_means({"gradient_norm": [step.gradient_norm for step in recent]}),
            "tokens_per_second": round(speed, 1),
            "share_of_limit": round(operations / run.limit.best / run.ranks.count, 4),
            "limit": round(run.limit.best * run.ranks.count, -6),
            "limit_in_the_middle": round(run.limit.middle * run.ranks.count, -6),
            "attention": round(attention_share(run.model, width), 4),
            **shares(recent),
            "seconds": round(seconds, 4),
        }
    )


def _means(values: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Over what is finite, of those of which anything is: a step may be left out, and json has no infinity."""
    finite = {name: [value for value in own if math.isfinite(value)] for name, own in values.items()}
    return {name: sum(own) / len(own) for name, own in finite.items() if own}
