"""Which training examples are like a text, and which pull at its answer.

Like: the cosine of what the trunk says of both, the mean over tokens. Pull: the inner product of both gradients of the
loss by the parameters above the trunk, that of the text for the answer that it got (TracIn of the last layer and one
checkpoint: Pruthi et al., 2020); where it is positive, learning the example has moved the answer this way.

T tokens, D width of the trunk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from danlu.bundle.bundle import Bundle
from danlu.data.record import Record, text_of
from danlu.explain.inside import Inside, hidden_states
from danlu.explain.rows import answer_of, windows_of
from danlu.model.heads import trunk, unwrapped
from danlu.refusal import Refusal
from danlu.task.one_label import OneLabel
from danlu.task.rewritten import rewritten
from danlu.task.task import Task
from danlu.task.tasks.multilabel import Multilabel
from danlu.task.tasks.regress import Regress


@dataclass(frozen=True)
class Example:
    """A record of the data, and what it has to do with a text.

    - `number`: of the record, from 0; `text`, `label`: its own.
    - `cosine`: of the vectors of both texts, 1 where they say the same to the trunk.
    - `influence`: how much learning it pulls at the answer; None where there is no layer above the trunk, or no label.
    """

    number: int
    text: str
    label: str
    cosine: float
    influence: float | None


def examples_for(
    bundle: Bundle, item: str | Record, data: Sequence[Record], most: int = 5, adapter: str | None = None
) -> list[Example]:
    """The nearest records of `data` to a text, the nearest first, and behind them those that pull most at its answer.

    `most` of each; those that are both are told once. Raises `Refusal` for an engine without gradients, a network of
    encoder and decoder, no data, and a record that the task cannot read.
    """
    if not data:
        raise Refusal("there are no examples to look among; give data with records")
    predictor = bundle.predictor_of(bundle.serves if adapter is None else adapter)
    inside = Inside(predictor.network, predictor.task, predictor.tokenizer)
    if unwrapped(inside.model).config.is_encoder_decoder or predictor.task.answers_by == "generate":
        raise Refusal(f"the task {predictor.task.kind} writes; examples are found for tasks that answer for one text")
    given = {"text": item} if isinstance(item, str) else dict(item)
    (record, *others) = rewritten([given, *data], predictor.rewriters)
    own_D, pull = _looked_at(inside, _answered(inside, record), 0)
    found = []
    for number, other in enumerate(others):
        vector_D, slope = _looked_at(inside, other, number)
        cosine = float(torch.nn.functional.cosine_similarity(own_D, vector_D, dim=0))
        influence = None if slope is None or pull is None else float(pull @ slope)
        found.append(Example(number, _text(data[number]), _label(other, predictor.task), cosine, influence))
    nearest = sorted(found, key=lambda each: -each.cosine)[:most]
    pulling = sorted((each for each in found if each.influence is not None), key=lambda each: -abs(each.influence or 0))
    return [*nearest, *(each for each in pulling[:most] if each not in nearest)]


def _answered(inside: Inside, record: Record) -> Record:
    """The record with the answer of the model as its truth, of tasks that have one that can be told so."""
    task = inside.task
    if not isinstance(task, OneLabel | Multilabel | Regress):
        return record
    told = answer_of(inside, windows_of(inside, record), record)
    truth = {"label": "label", "labels": "labels", "number": "score"}
    return record | {column: told[name] for name, column in truth.items() if name in told}


def _looked_at(inside: Inside, record: Record, number: int) -> tuple[Tensor, Tensor | None]:
    """The vector of a record, (D,), and its gradient by all that is above the trunk, as one vector."""
    task, labelled = _cut(inside.task), _has_truth(record, inside.task)
    try:
        try:
            (item, *_) = task.encode([record], inside.tokenizer, inside.network.limit, labelled=labelled)
        except Refusal:  # of a label that was not learnt; the text may be near all the same
            labelled = False
            (item, *_) = task.encode([record], inside.tokenizer, inside.network.limit, labelled=False)
    except Refusal as refusal:
        raise Refusal(f"record {number + 1:,}: {str(refusal).removeprefix('record 1: ')}") from None
    if len(item.rows) > 1:
        raise Refusal(f"the task {task.kind} answers from several rows of tokens; examples are found for tasks of one")
    batch = inside.batch(item, item.row.input_ids[None]).to(next(inside.model.parameters()).device)
    above, own = _above(inside)
    with hidden_states(inside.model) as states:
        said = task.forward(inside.model, batch.inputs, task.places(batch))
    vector_D = states[0][0].detach().mean(0)
    if not labelled or not (above or own):
        return vector_D, None
    losses = task.losses({**said, **{f"own.{name}": value for name, value in own.items()}}, batch)
    slopes = torch.autograd.grad(
        torch.stack([loss.float() for loss in losses.values()]).sum(), [*above, *own.values()], allow_unused=True
    )
    return vector_D, torch.cat([slope.detach().flatten() for slope in slopes if slope is not None])


def _above(inside: Inside) -> tuple[list[Tensor], dict[str, Tensor]]:
    """The parameters above the trunk, with gradients, and those of the task itself."""
    model = inside.model
    below = {id(parameter) for parameter in trunk(model).parameters()}
    above: list[Tensor] = [parameter.requires_grad_() for parameter in model.parameters() if id(parameter) not in below]
    return above, {name: value.requires_grad_() for name, value in inside.task.parameters().items()}


def _cut(task: Task) -> Any:
    if getattr(task, "too_long", None) in ("stop", "drop"):
        return task.model_copy(update={"too_long": "truncate"})
    return task


def _has_truth(record: Record, task: Task) -> bool:
    told = [column for column in task.columns if column not in (*task.reads, *task.also_reads)]
    return bool(told) and all(column in record for column in told)


def _label(record: Record, task: Task) -> str:
    own = [record[column] for column in task.columns if column in record and column not in task.reads]
    return ", ".join(map(str, own[0] if own and isinstance(own[0], list) else own[:1]))


def _text(record: Record) -> str:
    columns = [column for column in ("text", "context", "tokens", "words") if column in record]
    return text_of(record, columns[0]) if columns else ""
