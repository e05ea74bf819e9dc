"""`size: auto` of a fresh network: chosen once, when its training begins, and kept in the stage's folder."""

import json
from dataclasses import asdict, replace
from functools import cache

import torch
from torch import nn

from danlu.machine.device import matmul_rate
from danlu.machine.door import read_json
from danlu.machine.files import write_text
from danlu.model.fast import DTYPES
from danlu.model.sizing import Asked, Depth, chosen, shapes
from danlu.model.source import Say
from danlu.stages.ready import Learnt, Prepared, rows_of
from danlu.stages.size import outlined
from danlu.stages.stage import Place
from danlu.task.task import Task
from danlu.text.batching.encoded import sizes_of
from danlu.train.batches import Batches
from danlu.train.counts import count_parameters, count_work, usual
from danlu.train.settings import Training

NAME = "chosen.json"
"""The shape that was chosen, and the steps to train it, where the recipe does not say how long."""

REACHED = 0.45  # of the measured limit; layers of 256 and wider reached 40 to 65 % on CPUs (2026-11)
_ANEW = "remove the folder of the stage, and its size is chosen anew"


def sized(
    prepared: Prepared, learnt: Learnt, settings: Training, precision: str, place: Place, say: Say
) -> tuple[Prepared, Training]:
    """What a model is built from with the shape that suits its minutes, and how long it is trained.

    Both are as they were where no size is asked for, or where the training has begun already.
    """
    minutes = prepared.source.minutes_to_train()
    if minutes is None:
        return prepared, settings
    file = place.folder / NAME
    if file.is_file():
        kept = read_json(file, _ANEW)
    else:
        kept = _choose(prepared, learnt, settings, precision, minutes)
        write_text(file, json.dumps(kept) + "\n")
    say(kept["told"])
    steps = kept["steps"]
    length = settings if steps is None else settings.model_copy(update={"steps": steps})
    return replace(prepared, source=prepared.source.sized(Depth(**kept["shape"]))), length


def _choose(
    prepared: Prepared, learnt: Learnt, settings: Training, precision: str, minutes: float
) -> dict[str, object]:
    @cache
    def of(shape: Depth) -> tuple[nn.Module, Task]:
        return outlined(replace(prepared, source=prepared.source.sized(shape)))

    model, task = of(next(shapes()))
    encoded = rows_of(learnt, replace(prepared, task=task), model, settings)
    batches = Batches(
        encoded,
        lambda rows, width, rng: task.collate(rows, width, prepared.tokenizer, rng),
        prepared.seed,
        tokens=settings.batch_tokens,
        examples=settings.batch_examples,
        accumulate=settings.accumulate,
        parts=1,
    )
    piece = usual(batches)
    batch = next(batches.micro_batches(piece, (0, 0), torch.device("cpu")))

    @cache
    def shallow(width: int, heads: int, layers: int) -> tuple[float, float]:
        found, _ = of(Depth(layers, width, heads))
        work = count_work(found, task.loss, batch, piece.tokens, piece.width)
        padded = piece.tokens / batch.tokens  # padding is computed, too
        return work.training * padded, count_parameters(found).parameters

    def deep(shape: Depth, place: int) -> float:
        """Each layer adds as much as the second one does."""
        one, two = (shallow(shape.width, shape.heads, layers)[place] for layers in (1, 2))
        return one + (shape.layers - 1) * (two - one)

    tokens, an_epoch = float(sizes_of(encoded).tokens), batches.an_epoch()
    told = settings.steps is not None or settings.epochs is not None
    trained = tokens * settings.total_steps(an_epoch) / an_epoch if told else None
    rate = REACHED * matmul_rate(DTYPES[precision])
    asked = Asked(tokens, trained, rate, lambda shape: deep(shape, 0), lambda shape: round(deep(shape, 1)))
    found = chosen(asked, minutes)
    steps = None if told else max(1, round(found.tokens / tokens * an_epoch))
    return {"shape": asdict(found.shape), "steps": steps, "told": found.told(minutes)}
