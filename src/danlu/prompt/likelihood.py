"""How likely a decoder finds each of some continuations, where what they share is read once.

A prompt is read once for all its continuations, what all prompts begin with (the examples) once for all prompts, and
of continuations that begin alike the beginning once: they are walked down as a tree, a token at a time.

Legend: B rows, N prompts, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from danlu.model.reader import Prompt, Reader

TOKENS = 8192
"""Tokens that are kept at once, those of continuations included: half a gigabyte of a model of 7 billion parameters."""


@dataclass(frozen=True)
class Continued:
    """A prompt, and what may follow it."""

    prompt: Prompt
    follow: tuple[tuple[int, ...], ...]

    @property
    def length(self) -> tuple[int, int]:
        """Tokens of the prompt on both sides."""
        return len(self.prompt.ids), len(self.prompt.source or ())

    @property
    def room(self) -> int:
        """Tokens that are kept of it at most: each continuation of several tokens may take a row."""
        rows = max(1, sum(len(ids) > 1 for ids in self.follow))
        return rows * (sum(self.length) + self.depth)

    @property
    def depth(self) -> int:
        """Tokens of the longest continuation."""
        return max(map(len, self.follow))


@torch.inference_mode()
def log_likelihoods(reader: Reader, asked: Sequence[Continued]) -> list[list[float]]:
    """The logarithm of the probability of each continuation of each prompt, in nats; `reader` is left empty."""
    found: dict[int, list[float]] = {}
    for numbers in _batches(asked, alike=not reader.mixes):
        found |= dict(zip(numbers, _walked(reader, [asked[number] for number in numbers]), strict=True))
    return [found[number] for number in range(len(asked))]


def _batches(asked: Sequence[Continued], *, alike: bool) -> Iterator[list[int]]:
    """Numbers of prompts of about one length, or of the very same; two at least, since one shares nothing."""
    batch: list[int] = []
    held = 0
    for number in sorted(range(len(asked)), key=lambda number: asked[number].length):
        room = asked[number].room
        full = len(batch) >= 2 and held + room > TOKENS
        if batch and (full or (alike and asked[batch[0]].length != asked[number].length)):
            yield batch
            batch, held = [], 0
        batch.append(number)
        held += room
    if batch:
        yield batch


def _walked(reader: Reader, batch: Sequence[Continued]) -> list[list[float]]:
    """Go down the trees of all prompts side by side; a row is a prompt and the continuations that begin alike."""
    totals = [[0.0] * len(each.follow) for each in batch]
    rows = [(number, list(range(len(each.follow)))) for number, each in enumerate(batch)]
    logits_BV = reader.enter([each.prompt for each in batch])
    depth = 0
    while rows:
        logs_BV = torch.log_softmax(logits_BV.float(), -1)
        asked = [
            (row, batch[number].follow[each][depth], number, each)
            for row, (number, members) in enumerate(rows)
            for each in members
        ]
        depth += 1
        children: dict[tuple[int, int], list[int]] = {}
        places = torch.tensor([place for *place, _, _ in asked], device=logs_BV.device)
        found = logs_BV[places[:, 0], places[:, 1]].tolist()
        for value, (row, token, number, each) in zip(found, asked, strict=True):
            totals[number][each] += value
            if len(batch[number].follow[each]) > depth:
                children.setdefault((row, token), []).append(each)
        reader.select([row for row, _ in children])
        if children:
            logits_BV = reader.step([token for _, token in children])
        rows = [(rows[row][0], members) for (row, _), members in children.items()]
    return totals
