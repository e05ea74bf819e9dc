"""A graph that was exported, behind the face of a model of transformers: the tasks ask it as they ask any model.

Inputs and outputs go by name. Beside those of the model a graph may have

- `places` (B, K): the positions of each row at which alone a language model says words, its logits are (B, K, V);
- `past.N.key`, `past.N.value` (B, H, P, D): what N layers have kept of P tokens before these, and `present.N.key`,
  `present.N.value` (B, H, P + T, D): what they are to keep.

Legend: B rows, T tokens, K places, P tokens before, H heads, D width of a head, V vocabulary.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from danlu.machine.door import file_inside, read_json
from danlu.model.folder import GENERATION, settings_in
from danlu.model.heads import places_wanted
from danlu.refusal import Refusal

Arrays = dict[str, NDArray[Any]]
Run = Callable[[Mapping[str, NDArray[Any]]], Arrays]
"""Computes all outputs of a graph by name; may be called by several threads."""
Shapes = Mapping[str, tuple[int, ...]]
"""Of each input of a graph, its numbers of dimensions that do not vary, -1 for those that do."""

PLACES = "places"
PAST, PRESENT = "past.", "present."
_AGAIN = "copy or export the bundle again"


class Said(dict[str, Tensor]):
    """What a model gives, by key and by attribute, as transformers' outputs are read."""

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Graph(nn.Module):
    """A model of transformers to those who ask it; what it computes is a graph."""

    def __init__(self, folder: Path, run: Run, shapes: Shapes) -> None:
        super().__init__()
        self.run, self.shapes = run, dict(shapes)
        self.config = settings_in(folder, str(folder))
        plain = read_json(file_inside(folder, GENERATION), _AGAIN) if (folder / GENERATION).exists() else {}
        self.generation_config = SimpleNamespace(**plain)
        self.base_model = nn.Identity()  # where `danlu.model.heads` keeps its hook; it is never called
        self.past = sorted({name.removeprefix(PAST) for name in shapes if name.startswith(PAST)})

    def get_decoder(self) -> nn.Module:
        """What stands for the trunk of an encoder-decoder."""
        return self.base_model

    def forward(self, **inputs: Any) -> Said:
        """What the model says of these inputs; what is no tensor is a switch of caches, which a graph has not.

        Raises:
            Refusal: the graph was made without one of the inputs.
        """
        return self.said({name: value.numpy() for name, value in inputs.items() if isinstance(value, Tensor)})

    def said(self, given: Mapping[str, NDArray[Any]]) -> Said:
        """What the graph says of these inputs, at the places that are wanted."""
        keep_BT = places_wanted() if PLACES in self.shapes else None
        feed, counts = self.fed(given), [0]
        if PLACES in self.shapes:
            feed[PLACES], counts = _places(keep_BT, feed["input_ids"].shape)
        found = {name: torch.from_numpy(value) for name, value in self.run(feed).items() if PRESENT not in name}
        if keep_BT is not None:
            kept = [logits_KV[:count] for logits_KV, count in zip(found["logits"], counts, strict=True)]
            found["logits"] = torch.cat(kept)[None]
        return Said(found)

    def fed(self, given: Mapping[str, NDArray[Any]]) -> Arrays:
        """All inputs of the graph but `places`: those that are given, and what a row without a past has of others."""
        if unknown := sorted(given.keys() - self.shapes.keys()):
            raise Refusal(f"the graph was exported without the input '{unknown[0]}'; export the bundle again")
        rows, tokens = given["input_ids"].shape[0], given["input_ids"].shape[-1]
        feed = {
            name: np.ascontiguousarray(value, np.float32 if value.dtype.kind == "f" else np.int64)
            for name, value in given.items()
        }
        for name, shape in self.shapes.items():
            if name in feed or name == PLACES:
                continue
            if name.startswith(PAST):
                feed[name] = np.zeros((rows, shape[1], 0, shape[3]), np.float32)
            elif name == "position_ids":
                feed[name] = np.broadcast_to(np.arange(tokens, dtype=np.int64), (rows, tokens)).copy()
            elif name == "attention_mask":
                feed[name] = np.ones((rows, tokens), np.int64)
            elif name == "token_type_ids":
                feed[name] = np.zeros((rows, tokens), np.int64)
            else:
                raise Refusal(f"the graph wants the input '{name}', which is not given; export the bundle again")
        return feed


def _places(keep_BT: Tensor | None, shape: Sequence[int]) -> tuple[NDArray[np.int64], list[int]]:
    """The positions of each row, (B, K), and how many of them count; all where none are named."""
    rows, tokens = shape[0], shape[-1]
    if keep_BT is None:
        return np.broadcast_to(np.arange(tokens, dtype=np.int64), (rows, tokens)).copy(), [tokens] * rows
    counts_B = keep_BT.sum(1).tolist()
    places_BK = np.zeros((rows, max(1, *counts_B)), np.int64)
    for row, keep_T in enumerate(keep_BT):
        places_BK[row, : counts_B[row]] = torch.nonzero(keep_T)[:, 0].numpy()
    return places_BK, counts_B
