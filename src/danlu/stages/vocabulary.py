"""Trains of a vocabulary the rows alone that the data read, and ends with all of them."""

from collections.abc import Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor

from danlu.model.word_rows import keep_rows, word_rows
from danlu.stages.ready import Ready
from danlu.text.batching.encoded import Encoded, tokens_read
from danlu.text.batching.stored_rows import groups_of
from danlu.train.events import Best
from danlu.train.unread import moves_alone, unread
from danlu.tuning.method import Method


def keep_what_is_read(ready: Ready, validated: Sequence[Encoded]) -> None:
    """Let the model hold the embeddings alone of what a training will read, `validated` included.

    Nothing is done where the others would not move in a way that is known: a method may look at all of its weights
    after each step.
    """
    method, prepared = ready.prepared.tuning, ready.prepared
    looks = bool(method.state(ready.model)) or type(method).after_step is not Method.after_step
    invents = prepared.task.invents_tokens or prepared.task.answers_by == "generate"
    dealt = ready.settings.parallel == "fsdp"  # whose sums over the ranks know no single rows
    elsewhere = groups_of(ready.encoded) is not None  # rows that would all have to be fetched to be looked at
    if dealt or looks or invents or elsewhere or not moves_alone(ready.settings, ready.precision):
        return
    special = [prepared.tokenizer.all_special_ids]
    keep_rows(ready.model, chain(special, tokens_read(ready.encoded), tokens_read(validated)))


@torch.no_grad()
def put_into(parameters: Mapping[str, Tensor], best: Best, ready: Ready) -> None:
    """Put the best weights into `parameters`, which stand as they did before the first step.

    Of a vocabulary the rows that were not trained have decayed as they would have.
    """
    narrow = word_rows(ready.model)
    for name, weight in best.weights.items():
        if name not in narrow:
            parameters[name].copy_(weight)
            continue
        table, kept, absent = parameters[name], narrow[name].kept.cpu(), narrow[name].absent.cpu()
        others = table[absent].to(narrow[name].weight.dtype).float()  # as the training rounded it when it began
        total = ready.settings.total_steps(ready.batches().an_epoch())
        groups = ready.prepared.tuning.groups(ready.model, total)
        unread(others, name, ready.settings, groups, best.step, total, frozenset(best.left_out))
        table[kept], table[absent] = weight.to(table.device), others
