"""What a method may ask of the network about one row.

N variants of a row, T tokens, D width of a layer, W words.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from danlu.explain.aim import Aim
from danlu.explain.inside import ROOM, Inside, hidden_states
from danlu.explain.words import Word

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Asked:
    """One number of one row, and its words; see `Aim`."""

    def __init__(self, inside: Inside, aim: Aim, words: Sequence[Word], spare: int = 0) -> None:
        """Ask the network `inside` for what `aim` says; rows are padded by `spare` tokens, which change nothing."""
        self.inside, self.aim, self.words = inside, aim, tuple(words)
        self.ids_T = aim.item.row.input_ids
        self.text_T = np.zeros(len(self.ids_T), np.bool_)
        """The tokens of texts, which are explained; all others stay as they are."""
        self.text_T[[place for word in words for place in word.tokens]] = True
        self._spare = spare

    def values(self, ids_NT: NDArray[np.integer]) -> Floats:
        """The number (N,) of each variant of the row; by the engine of the bundle where it has no gradients."""
        found = [np.zeros(0)]
        for rows in self._blocks(len(ids_NT)):
            batch = self.aim.narrow(self.inside.batch(self.aim.item, ids_NT[rows], self._spare))
            found.append(self.aim.of(self.inside.said(batch), batch).double().cpu().numpy())
        return np.concatenate(found)

    def without(self, hidden_NT: Bools) -> Floats:
        """The number (N,) where these tokens of the row are hidden behind the mask token, or the padding one."""
        return self.values(np.where(hidden_NT & self.text_T, self.inside.blank, self.ids_T))

    @cached_property
    def value(self) -> float:
        """The number of the row as it is."""
        return float(self.values(self.ids_T[None])[0])

    @cached_property
    def read(self) -> Tensor:
        """What goes into the first layer of the network, (T, D); see `Inside.read`."""
        return self._read(self.ids_T)

    @cached_property
    def baseline(self) -> Tensor:
        """The same where every token of a text is the padding token, (T, D); special tokens stay."""
        return self._read(np.where(self.text_T, self.inside.stand_in, self.ids_T))

    def slopes(self, points_NTD: Tensor) -> tuple[Floats, Tensor]:
        """The number (N,) at points between rows as they are read, and its gradient there, (N, T, D)."""
        values, slopes = [], []
        for rows in self._blocks(len(points_NTD)):
            given = points_NTD[rows].detach().clone().requires_grad_()
            number_N = self._at(given)
            (slope,) = torch.autograd.grad(number_N.sum(), given)
            values.append(number_N.detach().double().cpu().numpy())
            slopes.append(slope.detach()[:, : len(self.ids_T)])
        return np.concatenate(values), torch.cat(slopes)

    def read_from(self) -> Floats:
        """How much of the number is read from what the trunk gives at each token, (T,), all 1 together.

        It is the length of the gradient there: 1 at the first token of a BERT, the same everywhere under a mean.
        """
        given = self.read[None].detach().clone().requires_grad_()
        with hidden_states(self.inside.model) as found:
            number_N = self._at(given)
        (slope,) = torch.autograd.grad(number_N.sum(), found[-1])
        length_T = slope[0, : len(self.ids_T)].double().norm(dim=-1).cpu().numpy()
        return np.asarray(length_T / max(length_T.sum(), 1e-30))

    def _at(self, points_NTD: Tensor) -> Tensor:
        count, width = len(points_NTD), len(self.ids_T)
        batch = self.inside.batch(self.aim.item, np.repeat(self.ids_T[None], count, 0), self._spare)
        batch = self.aim.narrow(batch)
        padding = self.inside.read(batch)[:, width:] if self._spare else points_NTD[:, :0]
        given = torch.cat([points_NTD[:, :width], padding], 1)
        with self.inside.reading(given):
            return self.aim.of(self.inside.said_by(self.inside.model, batch), batch)

    def _read(self, ids_T: NDArray[np.integer]) -> Tensor:
        batch = self.aim.narrow(self.inside.batch(self.aim.item, ids_T[None]))
        return self.inside.read(batch)[0]

    def _blocks(self, count: int) -> list[slice]:
        size = max(1, ROOM // (len(self.ids_T) + self._spare))
        return [slice(start, start + size) for start in range(0, count, size)]
