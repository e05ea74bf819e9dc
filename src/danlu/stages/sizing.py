"""`size: auto` of a fresh network: chosen once, when its training begins, and kept in the stage's folder."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache

import torch
from torch import nn

from danlu.machine.device import matmul_rate
from danlu.machine.door import read_json
from danlu.machine.files import write_text
from danlu.model.fast import DTYPES
from danlu.model.sizing import Asked, Depth, chosen, shapes
from danlu.model.source import Say, Source
from danlu.stages.learners import learners_for
from danlu.stages.ready import Learnt, Prepared, rows_of
from danlu.stages.size import outlined
from danlu.stages.stage import Place
from danlu.task.task import Task
from danlu.train.batches import Batches
from danlu.train.counts import count_parameters, count_work, usual
from danlu.train.loop import Loss
from danlu.train.settings import Training
from danlu.tuning.roles import Roles, begun_roles

NAME = "chosen.json"
"""The shape that was chosen, and the steps to train it, where the recipe does not say how long."""

REACHED = 0.45  # of the measured limit; layers of 256 and wider reached 40 to 65 % on CPUs (2026-11)
_ANEW = "remove the folder of the stage, and its size is chosen anew"


def sized(
    prepared: Prepared,
    learnt: Learnt,
    settings: Training,
    precision: str,
    place: Place,
    say: Say,
    given: Mapping[str, Source],
) -> tuple[Prepared, Training]:
    """What a model is built from with the shape that suits its minutes, and how long it is trained.

    Both are as they were where no size is asked for. What was chosen once stays. `given` are the networks beside it.
    """
    minutes = prepared.source.minutes_to_train()
    if minutes is None:
        return prepared, settings
    file = place.folder / NAME
    if file.is_file():
        kept = read_json(file, _ANEW)
    else:
        rate = REACHED * place.ranks.count * matmul_rate(DTYPES[precision])
        kept = _choose(prepared, learnt, settings, rate, minutes, given)
        write_text(file, json.dumps(kept) + "\n")
    say(kept["told"])
    steps = kept["steps"]
    length = settings if steps is None else settings.model_copy(update={"steps": steps})
    return _of_shape(prepared, Depth(**kept["shape"]), given), length


def keep_chosen(place: Place) -> None:
    """Let all ranks have what the first one has chosen, or had chosen before."""
    file = place.folder / NAME
    kept = place.ranks.told(lambda: file.read_text(encoding="utf-8"))
    if not place.ranks.first and not file.is_file():
        write_text(file, kept)


def _of_shape(prepared: Prepared, shape: Depth, given: Mapping[str, Source]) -> Prepared:
    """The same with a network of this shape, and with those that learn beside such a one."""
    source = prepared.source.sized(shape)
    return replace(prepared, source=source, learners=learners_for(prepared.task, given, source))


def _loss(prepared: Prepared, task: Task, given: Mapping[str, Source]) -> Loss:
    """The loss of the task, with networks of its roles that have no weights."""
    sources = {name: source for name, source in given.items() if name not in task.learners}
    sources |= dict.fromkeys(begun_roles(task, sources), prepared.source)
    networks = {
        name: source.outline(task.auto_class, prepared.tokenizer, task.config()).requires_grad_(requires_grad=False)
        for name, source in sources.items()
    }
    return Roles(task, networks).loss


def _choose(
    prepared: Prepared,
    learnt: Learnt,
    settings: Training,
    rate: float,
    minutes: float,
    given: Mapping[str, Source],
) -> dict[str, object]:
    @cache
    def of(shape: Depth) -> tuple[nn.Module, Task, Loss]:
        own = _of_shape(prepared, shape, given)
        found, able = outlined(own)
        return found, able, _loss(own, able, given)

    model, task, _ = of(next(shapes()))
    encoded = rows_of(learnt, replace(prepared, task=task), model, settings)
    batches = Batches(
        encoded,
        lambda rows, width, rng: task.collate(rows, width, prepared.tokenizer, rng),
        prepared.seed,
        tokens=settings.batch_tokens,
        examples=settings.batch_examples,
        accumulate=settings.accumulate,
        parts=1,
        sizes=lambda rows: task.sizes(rows, prepared.tokenizer),
    )
    piece = usual(batches)
    batch = next(batches.micro_batches(piece, (0, 0), torch.device("cpu")))

    @cache
    def shallow(width: int, heads: int, layers: int) -> tuple[float, float]:
        found, _, loss = of(Depth(layers, width, heads))
        work = count_work(found, loss, batch, piece.tokens, piece.width)
        padded = piece.tokens / batch.tokens  # padding is computed, too
        anew = work.forward if settings.recompute else 0.0
        return (work.training + anew) * padded, count_parameters(found).parameters

    def deep(shape: Depth, place: int) -> float:
        """Each layer adds as much as the second one does."""
        one, two = (shallow(shape.width, shape.heads, layers)[place] for layers in (1, 2))
        return one + (shape.layers - 1) * (two - one)

    sizes, an_epoch = task.sizes(encoded, prepared.tokenizer), batches.an_epoch()
    tokens = sizes.tokens * batch.tokens / sizes[piece.examples].tokens  # as many as rows come to, and not may
    told = settings.steps is not None or settings.epochs is not None
    trained = tokens * settings.total_steps(an_epoch) / an_epoch if told else None
    asked = Asked(tokens, trained, rate, lambda shape: deep(shape, 0), lambda shape: round(deep(shape, 1)))
    found = chosen(asked, minutes)
    steps = None if told else max(1, round(found.tokens / tokens * an_epoch))
    return {"shape": asdict(found.shape), "steps": steps, "told": found.told(minutes)}
