"""Keys and values of rows under way, in common columns: rows join and leave without the others being moved.

All rows end at the same column, so that one step writes one column for all of them; a shorter row begins later, and a
mask hides what is before it. Buffers grow by half and nothing is joined anew at each step.

Legend: B rows, G key-value heads, S columns, D width of a head.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin

STEP = 64
"""Columns that a buffer grows by at least."""

KEPT = 2**27
"""Bytes of buffers that are kept while no row is under way."""


class Window:
    """Which part of the buffers is in use: `rows` from 0, columns `begin` to `end`; and how large they are."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows = 0
        self.begin = 0
        self.end = 0
        self.room = (rows, columns)

    @property
    def width(self) -> int:
        """Columns in use."""
        return self.end - self.begin


class Columns(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """The keys and values of one layer."""

    is_sliding = False

    def __init__(self, window: Window) -> None:
        self.window = window
        self.held: tuple[Tensor, Tensor] | None = None

    @property
    def keys(self) -> Tensor | None:  # type: ignore[override]
        """(B, G, S, D) of what is in use."""
        return None if self.held is None else self._used(self.held[0])

    @property
    def values(self) -> Tensor | None:  # type: ignore[override]
        """(B, G, S, D) of what is in use."""
        return None if self.held is None else self._used(self.held[1])

    @property
    def is_initialized(self) -> bool:  # type: ignore[override]
        """Whether anything was written."""
        return self.held is not None

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Buffers of zeros: what nobody has written is masked, and must be a number."""
        rows, columns = self.window.room
        self.held = tuple(  # type: ignore[assignment]
            like.new_zeros(rows, like.shape[1], columns, like.shape[3]) for like in (key_states, value_states)
        )

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write behind the last column; the window moves on once all layers have written."""
        if self.held is None:
            self.lazy_initialization(key_states, value_states)
            assert self.held is not None
        window, (keys, values) = self.window, self.held
        stop = window.end + key_states.shape[2]
        keys[: window.rows, :, window.end : stop] = key_states
        values[: window.rows, :, window.end : stop] = value_states
        return keys[: window.rows, :, window.begin : stop], values[: window.rows, :, window.begin : stop]

    def get_seq_length(self) -> int:
        """Columns before this step."""
        return self.window.width

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns with this step, and the first of them."""
        return self.window.width + query_length, 0

    def get_max_length(self) -> int:
        """None is set."""
        return -1

    def _used(self, held: Tensor) -> Tensor:
        return held[: self.window.rows, :, self.window.begin : self.window.end]


class KeyValues(Cache):
    """The keys and values of all layers; what transformers calls a cache."""

    layers: list[Columns]  # type: ignore[assignment]

    def __init__(self, rows: int = 0, columns: int = 0) -> None:
        """Room for so many rows and columns; it grows."""
        self.window = Window(rows, columns)
        super().__init__(layer_class_to_replicate=lambda: Columns(self.window))  # type: ignore[arg-type]

    def advance(self, columns: int) -> None:
        """So many columns were written by all layers."""
        self.window.end += columns

    def reserve(self, rows: int, columns: int, *, front: int = 0) -> None:
        """Make room for `rows` in all, for `columns` behind the last in use, and for `front` before the first."""
        window = self.window
        if rows <= window.room[0] and window.end + columns <= window.room[1] and front <= window.begin:
            return
        width = window.width
        room = (max(rows, window.room[0]), front + width + columns + max(STEP, width // 2))
        for layer in self.layers:
            if layer.held is None:
                continue
            held = []
            for old in layer.held:
                new = old.new_zeros(room[0], old.shape[1], room[1], old.shape[3])
                new[: window.rows, :, front : front + width] = old[: window.rows, :, window.begin : window.end]
                held.append(new)
            layer.held = (held[0], held[1])
        window.room, window.begin, window.end = room, front, front + width

    def adopt(self, other: "KeyValues", places: Sequence[tuple[int, int]], *, right: bool = True) -> None:
        """Append rows of `other`, each (row, tokens): its first tokens, put to the right end, or to the left one."""
        window = self.window
        first = window.rows
        if not first:
            window.begin = window.end = 0
        missing = max(0, max(tokens for _, tokens in places) - window.width)
        if right:
            self.reserve(first + len(places), 1, front=missing)
            window.begin -= missing
        else:
            self.reserve(first + len(places), missing)
            window.end += missing
        while len(self.layers) < len(other.layers):
            self.layers.append(Columns(window))
        window.rows += len(places)
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            if theirs.held is None:
                continue
            if mine.held is None:
                mine.lazy_initialization(*theirs.held)
            assert mine.held is not None
            for new, old in zip(mine.held, theirs.held, strict=True):
                for number, (row, tokens) in enumerate(places):
                    at = window.end - tokens if right else window.begin
                    begin = other.window.begin
                    new[first + number, :, at : at + tokens] = old[row, :, begin : begin + tokens]

    def select(self, index: Sequence[int]) -> None:
        """Row i becomes what row `index[i]` was; rows that stay in their place are not touched."""
        window = self.window
        self.reserve(len(index), 0)
        moved = [row for row, old in enumerate(index) if row != old]
        if moved:
            used = slice(window.begin, window.end)
            for layer in self.layers:
                for held in layer.held or ():
                    target = torch.tensor(moved, device=held.device)
                    source = torch.tensor([index[row] for row in moved], device=held.device)
                    held[target, :, used] = held[:, :, used].index_select(0, source)
        window.rows = len(index)
        if not index and self.bytes > KEPT:
            self._let_go()

    def _let_go(self) -> None:
        """Give back the buffers, whose shapes stay known; one long text would hold their memory for good."""
        self.window.room, self.window.begin, self.window.end = (0, 0), 0, 0
        for layer in self.layers:
            if layer.held is not None:
                keys, values = (held.new_zeros(0, held.shape[1], 0, held.shape[3]) for held in layer.held)
                layer.held = keys, values

    @property
    def bytes(self) -> int:
        """Of all buffers."""
        return sum(held.numel() * held.element_size() for layer in self.layers for held in layer.held or ())

    def row_bytes(self, tokens: int) -> int:
        """Of so many columns of one row."""
        held = [each for layer in self.layers for each in layer.held or ()]
        return tokens * sum(each.shape[1] * each.shape[3] * each.element_size() for each in held)

    def row(self, row: int, length: int, tokens: int) -> "KeyValues":
        """A copy of the first `tokens` of the last `length` columns of a row, with no room for more."""
        copy = KeyValues(1, tokens)
        begin = self.window.end - length
        for layer in self.layers:
            copy.layers.append(Columns(copy.window))
            if layer.held is not None:
                keys, values = (held[row : row + 1, :, begin : begin + tokens].clone() for held in layer.held)
                copy.layers[-1].held = keys, values
        copy.window.rows, copy.window.end = 1, tokens
        return copy


def beginnings(read: Sequence["KeyValues"], tokens: int, columns: int) -> "KeyValues":
    """The first `tokens` of the only row of each, as rows with room for `columns` more."""
    both = KeyValues(len(read), tokens + columns)
    for each in read:
        both.adopt(each, [(0, tokens)])
    both.reserve(len(read), columns)
    return both
