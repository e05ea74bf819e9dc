"""An encoder and a decoder that were exported, a graph each, behind the face of one model of transformers.

The encoder's takes `input_ids` and `attention_mask` (B, S) and gives `cross.N.keys`, `cross.N.values` (B, H, S, D):
what N layers of the decoder look at of what was read. The decoder's is that of a decoder alone
(`danlu.engine.graph`), and takes these too, with `source_mask` (B, S).

Legend: B rows, S tokens that are read, H heads, D width of a head.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from danlu.engine.graph import Arrays, Graph, Run, Said, Shapes
from danlu.engine.graph_reader import GraphReader, rows_of
from danlu.model.reader import Prompt

CROSS = "cross."
SOURCE_MASK = "source_mask"


class TwoGraphs(Graph):
    """An encoder-decoder to those who ask it; its `run` and `shapes` are those of the decoder."""

    def __init__(self, folder: Path, decoder: tuple[Run, Shapes], encoder: tuple[Run, Shapes]) -> None:
        super().__init__(folder, *decoder)
        self._encoder = encoder[0]

    def forward(self, **inputs: Any) -> Said:
        """See `Graph.forward`; what is read has the names that it has in transformers."""
        given = {name: value.numpy() for name, value in inputs.items() if isinstance(value, Tensor)}
        ids_BS = given.pop("input_ids")
        mask_BS = given.pop("attention_mask", np.ones(ids_BS.shape, np.int64))
        written = {name.removeprefix("decoder_"): value for name, value in given.items()}
        return self.said(written | self.read(ids_BS, mask_BS))

    def read(self, ids_BS: NDArray[Any], mask_BS: NDArray[Any]) -> Arrays:
        """What the decoder's graph takes of what was read."""
        mask_BS = np.ascontiguousarray(mask_BS, np.int64)
        found = self._encoder({"input_ids": np.ascontiguousarray(ids_BS, np.int64), "attention_mask": mask_BS})
        return found | {SOURCE_MASK: mask_BS}


class TwoSidedReader(GraphReader):
    """Reads a source once, when its row begins, and keeps what the decoder looks at of it."""

    def __init__(self, graph: TwoGraphs, padding: int) -> None:
        super().__init__(graph, padding)
        self._two = graph
        self._sources_B = np.zeros(0, np.int64)  # a number for each source, which its beams share
        self._begun = 0

    def enter(self, prompts: Sequence[Prompt]) -> Tensor:
        """See `Reader.enter`."""
        sources = self.sources(prompts)
        before = self.beside
        self.beside = self._two.read(sources["input_ids"].numpy(), sources["attention_mask"].numpy())
        logits_NV = super().enter(prompts)
        self.beside = _below(before, self.beside) if before else self.beside
        self._sources_B = np.append(self._sources_B, np.arange(self._begun, self._begun + len(prompts)))
        self._begun += len(prompts)
        return logits_NV

    def select(self, index: Sequence[int]) -> None:
        """See `Reader.select`; columns in which no row has a token any more go."""
        super().select(index)
        before, self._sources_B = self._sources_B, self._sources_B[list(index)]
        if np.array_equal(before, self._sources_B):  # beams of one source look at the same
            return
        if not index:
            self.beside = {}
            return
        width = int(self.beside[SOURCE_MASK][list(index)].sum(1).max())
        self.beside = {
            name: rows_of(kept[:, :width] if kept.ndim == 2 else kept[:, :, :width], index)
            for name, kept in self.beside.items()
        }


def _below(one: Arrays, other: Arrays) -> Arrays:
    """Rows of both, what is narrower filled up with what the mask hides."""
    return {name: np.concatenate(_as_wide(one[name], other[name])) for name in one}


def _as_wide(*kept: NDArray[Any]) -> list[NDArray[Any]]:
    """Both with the same number of tokens; (B, S) or (B, H, S, D)."""
    axis = 1 if kept[0].ndim == 2 else 2
    most = max(each.shape[axis] for each in kept)
    return [
        np.pad(each, [(0, most - each.shape[axis]) if place == axis else (0, 0) for place in range(each.ndim)])
        for each in kept
    ]


def graph_of(folder: Path, opened: Sequence[tuple[Run, Shapes]]) -> Graph:
    """One graph, or that of a decoder and that of its encoder, as a model."""
    decoder, *encoder = opened
    return TwoGraphs(folder, decoder, *encoder) if encoder else Graph(folder, *decoder)


def reader_of(graph: Graph, padding: int) -> GraphReader:
    """What reads with a graph that has a past."""
    return TwoSidedReader(graph, padding) if isinstance(graph, TwoGraphs) else GraphReader(graph, padding)
