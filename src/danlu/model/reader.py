"""What a model has read of some rows, and what it says of their next tokens.

`Whole` reads each row from its beginning at every step, which is right for every family; `danlu.model.cached` reads
each token once, and finds out where it may.

Legend: B rows, N new rows, T tokens, V vocabulary.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from danlu.model.heads import kept_logits


@dataclass(frozen=True)
class Prompt:
    """What is read before anything is written.

    - `ids`: what a decoder reads; of an encoder-decoder, its start token and what is forced.
    - `source`: what an encoder reads; None for a decoder alone.
    - `forced`: how many of the last `ids` count as written.
    - `kept`: special tokens that are text where they are written.
    """

    ids: tuple[int, ...]
    source: tuple[int, ...] | None = None
    forced: int = 0
    kept: frozenset[int] = frozenset()


class Reader(ABC):
    """Rows under way; the logits (B, V) of their next tokens are those of the model, unchanged, in float32.

    - `mixes`: whether rows of unlike lengths may be read side by side.
    """

    mixes: bool = True

    def __init__(self, model: nn.Module, padding: int) -> None:
        self.model = model
        self.padding = padding
        self.device = next(model.parameters()).device

    @abstractmethod
    def enter(self, prompts: Sequence[Prompt]) -> Tensor:
        """Append a row a prompt; the logits (N, V) of these alone."""

    @abstractmethod
    def step(self, tokens: Sequence[int]) -> Tensor:
        """Read the next token of each row."""

    @abstractmethod
    def ahead(self, tokens: Sequence[int]) -> Tensor:
        """Read so many next tokens of the only row; the logits (T, V) after each of them."""

    @abstractmethod
    def forget(self, tokens: int) -> None:
        """Take back so many tokens of the only row."""

    @abstractmethod
    def select(self, index: Sequence[int]) -> None:
        """Row i becomes what row `index[i]` was; rows that are not named leave."""

    def room_for(self, rows: int, tokens: int, source: int) -> bool:
        """Whether so many rows can be kept, of which the longest comes to so many tokens, and its source to so many."""
        return True

    def remember(self, row: int, ids: Sequence[int]) -> None:  # noqa: B027 - who keeps nothing has nothing to do
        """Keep what was read of a row, of whose text these tokens are the first, for others that begin so."""

    def padded(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Rows padded to the right, (N, T): nothing looks ahead, so that needs no mask."""
        width = max(map(len, rows))
        return torch.tensor([[*row, *[self.padding] * (width - len(row))] for row in rows], device=self.device)

    def last(self, inputs: dict[str, Any], lengths: Sequence[int], width: int) -> Tensor:
        """Logits (N, V) at the last token of each row."""
        places = torch.tensor(lengths, device=self.device) - 1
        keep = torch.arange(width, device=self.device) == places[:, None]
        return kept_logits(self.model, inputs, keep).float()

    def sources(self, prompts: Sequence[Prompt]) -> dict[str, Tensor]:
        """What the encoder reads, and which of it is padding; nothing for a decoder alone."""
        rows = [prompt.source for prompt in prompts if prompt.source is not None]
        if not rows:
            return {}
        ids = self.padded(rows)
        lengths = torch.tensor([len(row) for row in rows], device=self.device)
        mask = torch.arange(ids.shape[1], device=self.device) < lengths[:, None]
        return {"input_ids": ids, "attention_mask": mask.long()}


class Whole(Reader):
    """Reads each row from its beginning at every step."""

    def __init__(self, model: nn.Module, padding: int) -> None:
        super().__init__(model, padding)
        self._rows: list[tuple[Prompt, tuple[int, ...]]] = []

    def enter(self, prompts: Sequence[Prompt]) -> Tensor:
        """See `Reader.enter`."""
        rows = [(prompt, prompt.ids) for prompt in prompts]
        self._rows += rows
        return self._read(rows)

    def step(self, tokens: Sequence[int]) -> Tensor:
        """See `Reader.step`."""
        self._rows = [(prompt, (*ids, token)) for (prompt, ids), token in zip(self._rows, tokens, strict=True)]
        return self._read(self._rows)

    def ahead(self, tokens: Sequence[int]) -> Tensor:
        """See `Reader.ahead`."""
        ((prompt, ids),) = self._rows
        self._rows = [(prompt, (*ids, *tokens))]
        logits: Tensor = self.model(**self._inputs(self._rows)).logits[0, -len(tokens) :].float()
        return logits

    def forget(self, tokens: int) -> None:
        """See `Reader.forget`."""
        ((prompt, ids),) = self._rows
        self._rows = [(prompt, ids[: len(ids) - tokens])]

    def select(self, index: Sequence[int]) -> None:
        """See `Reader.select`."""
        self._rows = [self._rows[row] for row in index]

    def _inputs(self, rows: list[tuple[Prompt, tuple[int, ...]]]) -> dict[str, Any]:
        inputs: dict[str, Any] = self.sources([prompt for prompt, _ in rows])
        inputs["decoder_input_ids" if inputs else "input_ids"] = self.padded([ids for _, ids in rows])
        return inputs | {"use_cache": False}

    def _read(self, rows: list[tuple[Prompt, tuple[int, ...]]]) -> Tensor:
        lengths = [len(ids) for _, ids in rows]
        return self.last(self._inputs(rows), lengths, max(lengths))
