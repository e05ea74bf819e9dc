"""Trains of a vocabulary the rows alone that the data read, and ends with all of them."""

from collections.abc import Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from danlu.model.word_rows import keep_rows, word_rows
from danlu.task.task import Task
from danlu.text.batching.encoded import Encoded, tokens_read
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.train.run import Best
from danlu.train.settings import Training
from danlu.train.unread import moves_alone, unread
from danlu.tuning.method import Method


def keep_what_is_read(
    model: nn.Module,
    task: Task,
    method: Method,
    settings: Training,
    precision: str,
    tokenizer: Tokenizer,
    *encoded: Sequence[Encoded],
) -> None:
    """Let `model` hold the embeddings alone of what stands in `encoded`, all that a training will read.

    Nothing is done where the others would not move in a way that is known: a method may look at all of its weights
    after each step.
    """
    looks = bool(method.state(model)) or type(method).after_step is not Method.after_step
    if looks or task.invents_tokens or not moves_alone(settings, precision):
        return
    keep_rows(model, chain([tokenizer.all_special_ids], *map(tokens_read, encoded)))


@torch.no_grad()
def put_into(
    parameters: Mapping[str, Tensor], best: Best, trained: nn.Module, method: Method, settings: Training, total: int
) -> None:
    """Put the best weights into `parameters`, which stand as they did before the `total` steps of a training.

    Of a vocabulary the rows that `trained` does not hold have decayed as they would have there.
    """
    narrow = word_rows(trained)
    for name, weight in best.weights.items():
        if name not in narrow:
            parameters[name].copy_(weight)
            continue
        table, kept, absent = parameters[name], narrow[name].kept.cpu(), narrow[name].absent.cpu()
        others = table[absent].to(narrow[name].weight.dtype).float()  # as the training rounded it when it began
        unread(others, name, settings, method.groups(trained, total), best.step, total)
        table[kept], table[absent] = weight.to(table.device), others
