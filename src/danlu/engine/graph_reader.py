"""Each token read once, by a graph that is given what it has kept of all tokens before.

Rows end in the same column: what is kept of a shorter one begins further to the right, and a mask hides the columns
before it.

Legend: B rows, N new rows, T tokens, S columns that are kept, V vocabulary.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from danlu.engine.graph import PAST, PLACES, PRESENT, Arrays, Graph
from danlu.model.reader import Prompt, Reader

Ids = NDArray[np.int64]


def rows_of(kept: NDArray[Any], index: Sequence[int]) -> NDArray[Any]:
    """These rows, by all cores: with 4 beams of 32 texts NumPy's one core took a third of a step for it."""
    found: NDArray[Any] = torch.from_numpy(kept).index_select(0, torch.tensor(index)).numpy()
    return found


class GraphReader(Reader):
    """Reads with a graph that has `past` and `places`; keys and values are (B, H, S, D) each.

    - `beside`: what else the graph is given of the rows that are read.
    """

    def __init__(self, graph: Graph, padding: int) -> None:
        self.model, self.padding, self.device = graph, padding, torch.device("cpu")
        self._graph = graph
        self._lengths_B: Ids = np.zeros(0, np.int64)
        self._kept: Arrays = {}
        self.beside: Arrays = {}

    def enter(self, prompts: Sequence[Prompt]) -> Tensor:
        """See `Reader.enter`."""
        rows = [prompt.ids for prompt in prompts]
        lengths_N = np.array([len(row) for row in rows], np.int64)
        ids_NT = self.padded(rows).numpy()
        logits_NV, read = self._run(ids_NT, {}, np.zeros(len(rows), np.int64), lengths_N, lengths_N[:, None] - 1)
        before, most = self._kept, int(max([*self._lengths_B, *lengths_N]))
        first = len(self._lengths_B)
        for name, new_NHTD in read.items():
            rows_heads = (first + len(rows), new_NHTD.shape[1])
            kept = np.zeros((*rows_heads, most, new_NHTD.shape[3]), new_NHTD.dtype)
            if first:
                kept[:first, :, most - before[name].shape[2] :] = before[name]
            for row, length in enumerate(lengths_N):
                kept[first + row, :, most - length :] = new_NHTD[row, :, :length]
            self._kept[name] = kept
        self._lengths_B = np.concatenate([self._lengths_B, lengths_N])
        return logits_NV[:, 0]

    def step(self, tokens: Sequence[int]) -> Tensor:
        """See `Reader.step`."""
        ids_B1, last_B1 = np.array(tokens, np.int64)[:, None], np.zeros((len(tokens), 1), np.int64)
        logits_BV, self._kept = self._run(ids_B1, self._kept, self._lengths_B, self._lengths_B + 1, last_B1)
        self._lengths_B = self._lengths_B + 1
        return logits_BV[:, 0]

    def ahead(self, tokens: Sequence[int]) -> Tensor:
        """See `Reader.ahead`."""
        ids_1T, places_1T = np.array([tokens], np.int64), np.arange(len(tokens), dtype=np.int64)[None]
        after_1 = self._lengths_B + len(tokens)
        logits_1TV, self._kept = self._run(ids_1T, self._kept, self._lengths_B, after_1, places_1T)
        self._lengths_B = after_1
        return logits_1TV[0]

    def forget(self, tokens: int) -> None:
        """See `Reader.forget`."""
        self._kept = {name: kept[:, :, : kept.shape[2] - tokens] for name, kept in self._kept.items()}
        self._lengths_B = self._lengths_B - tokens

    def select(self, index: Sequence[int]) -> None:
        """See `Reader.select`; columns that nobody reads any more go."""
        same = list(index) == list(range(len(self._lengths_B)))
        self._lengths_B = self._lengths_B[list(index)]
        most = int(max(self._lengths_B, default=0))
        if not index:
            self._kept = {}
        elif not same or any(kept.shape[2] > most for kept in self._kept.values()):
            self._kept = {name: rows_of(kept[:, :, kept.shape[2] - most :], index) for name, kept in self._kept.items()}

    def _run(self, ids_BT: Ids, past: Arrays, before_B: Ids, after_B: Ids, places_BK: Ids) -> tuple[Tensor, Arrays]:
        """Logits (B, K, V) at places of `ids_BT`, and what is kept afterwards.

        `before_B` tokens of each row were read before, `after_B` are afterwards. Rows of a past end in one column,
        those that begin do so in the first.
        """
        tokens = ids_BT.shape[1]
        width = tokens + (next(iter(past.values())).shape[2] if past else 0)
        columns_S = np.arange(width)
        mask_BS = columns_S >= width - after_B[:, None] if past else columns_S < after_B[:, None]
        given = {
            "input_ids": ids_BT,
            "attention_mask": mask_BS.astype(np.int64),
            "position_ids": before_B[:, None] + np.arange(tokens, dtype=np.int64),
        }
        feed = self._graph.fed(
            {name: value for name, value in given.items() if name in self._graph.shapes} | self.beside
        )
        feed[PLACES] = places_BK
        feed |= {f"{PAST}{name}": np.ascontiguousarray(kept) for name, kept in past.items()}
        found = self._graph.run(feed)
        kept = {name.removeprefix(PRESENT): value for name, value in found.items() if name.startswith(PRESENT)}
        return torch.from_numpy(found["logits"]).float(), kept
