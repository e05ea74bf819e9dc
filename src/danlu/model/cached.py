"""Each token read once: keys and values are kept, and rows of unlike lengths share a step.

Whether a family's keys and values can be kept, and whether rows of unlike lengths may share columns, is found by
trying it (`danlu.model.readers`).

Legend: B rows, N new rows, T tokens, V vocabulary.
"""

import inspect
from collections import defaultdict
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn
from transformers import EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from danlu.machine.device import free_on
from danlu.model.heads import trunk, unwrapped
from danlu.model.kv import KeyValues, beginnings
from danlu.model.places import let_go, place_by_hand, placed
from danlu.model.read_before import SHARED, ReadBefore
from danlu.model.reader import Prompt, Reader

UNASKED = 2**28
"""Bytes of keys and values more, before which nobody asks how much memory is left."""


class Cached(Reader):
    """Reads each token once, and keeps the keys and values of all before it."""

    def __init__(self, model: nn.Module, padding: int, *, mixes: bool = True, before: ReadBefore | None = None) -> None:
        super().__init__(model, padding)
        self.before = ReadBefore() if before is None else before
        inner = unwrapped(model)
        self.mixes = mixes
        self._two_sided = bool(inner.config.is_encoder_decoder)
        self._takes_positions = "position_ids" in inspect.signature(inner.forward).parameters
        self.kept, self._crossed = KeyValues(), KeyValues()
        self._lengths_B = torch.zeros(0, dtype=torch.long, device=self.device)
        self._sources_B = torch.zeros(0, dtype=torch.long, device=self.device)
        self._even = True
        place_by_hand(trunk(model))

    def enter(self, prompts: Sequence[Prompt]) -> Tensor:
        """See `Reader.enter`; what prompts begin with that was read before is not read again."""
        logits = self._enter_two(prompts) if self._two_sided else self._enter_one([prompt.ids for prompt in prompts])
        self._settle(torch.cat([self._lengths_B, _lengths([prompt.ids for prompt in prompts], self.device)]))
        return logits

    def step(self, tokens: Sequence[int]) -> Tensor:
        """See `Reader.step`."""
        kept = self.kept
        kept.reserve(len(tokens), 1)
        width = kept.window.width + 1
        ids_B1, lengths_B1 = torch.tensor(tokens, device=self.device)[:, None], self._lengths_B[:, None]
        mask = None
        if not self._even:
            mask = (torch.arange(width, device=self.device) >= width - 1 - lengths_B1).long()
        logits = self.read(ids_B1, lengths_B1, mask)
        kept.advance(1)
        self._lengths_B = self._lengths_B + 1
        return logits

    def ahead(self, tokens: Sequence[int]) -> Tensor:
        """See `Reader.ahead`."""
        self.kept.reserve(1, len(tokens))
        places_1T = self._lengths_B[:, None] + torch.arange(len(tokens), device=self.device)
        logits_TV = self._read(torch.tensor([tokens], device=self.device), places_1T, None)[0]
        self.kept.advance(len(tokens))
        self._lengths_B = self._lengths_B + len(tokens)
        return logits_TV

    def forget(self, tokens: int) -> None:
        """See `Reader.forget`."""
        self.kept.advance(-tokens)
        self._lengths_B = self._lengths_B - tokens

    def read(self, ids_B1: Tensor, lengths_B1: Tensor, mask: Tensor | None) -> Tensor:
        """Logits (B, V) after the next token of each row, which has so many before it; `mask` hides columns (B, S)."""
        return self._read(ids_B1, lengths_B1, mask)[:, -1]

    def _read(self, ids_BT: Tensor, places_BT: Tensor, mask: Tensor | None) -> Tensor:
        """Logits (B, T, V) after each of the next tokens of each row."""
        inputs: dict[str, Any] = {"use_cache": True}
        if self._two_sided:
            inputs |= self._crossing(len(ids_BT))
            inputs |= {"decoder_input_ids": ids_BT, "decoder_attention_mask": mask}
        else:
            inputs |= {"input_ids": ids_BT, "attention_mask": mask, "past_key_values": self.kept}
            if self._takes_positions:
                inputs["position_ids"] = places_BT
        placed(places_BT)
        try:
            logits: Tensor = self.model(**inputs).logits.float()
        finally:
            let_go()
        return logits

    def select(self, index: Sequence[int]) -> None:
        """See `Reader.select`; columns that nobody reads any more are passed by."""
        self.kept.select(index)
        rows = torch.tensor(index, dtype=torch.long, device=self.device)
        if self._two_sided:
            self._crossed.select(index)
            self._sources_B = self._sources_B[rows]
        self._settle(self._lengths_B[rows])

    def _settle(self, lengths_B: Tensor) -> None:
        self._lengths_B = lengths_B
        if len(lengths_B):
            least, most = map(int, lengths_B.aminmax())
            self._even = least == most
            self.kept.window.begin = self.kept.window.end - most

    def room_for(self, rows: int, tokens: int, source: int) -> bool:
        """See `Reader.room_for`: all rows have the columns of the longest, and buffers grow by half."""
        bytes_a_row = 1.5 * self.kept.row_bytes(tokens) + self._crossed.row_bytes(source)
        more = rows * bytes_a_row - self.kept.bytes - self._crossed.bytes
        return more <= UNASKED or more <= free_on(self.device) / 2

    def remember(self, row: int, ids: Sequence[int]) -> None:
        """See `Reader.remember`."""
        length = int(self._lengths_B[row])
        tokens = min(length, len(ids))
        if not self._two_sided and tokens >= SHARED and self.kept.row_bytes(tokens) <= self.before.most_bytes:
            self.before.keep(ids[:tokens], self.kept.row(row, length, tokens))

    def _enter_one(self, rows: list[tuple[int, ...]]) -> Tensor:
        """Equal prompts are read once, and those with as many tokens read before side by side."""
        apart = list(dict.fromkeys(rows))
        common, shared = self._read_common(apart)
        groups: defaultdict[int, list[tuple[int, KeyValues | None]]] = defaultdict(list)
        for number, row in enumerate(apart):
            read, tokens = self.before.longest(row)
            if shared > tokens:
                read, tokens = common, shared
            groups[tokens].append((number, read))
        logits, first, order = [], self.kept.window.rows, list[tuple[int, ...]]()
        for tokens, members in groups.items():
            rest = [apart[number][tokens:] for number, _ in members]
            ids_NT = self.padded(rest)
            known = [each for _, each in members if each is not None]
            width = ids_NT.shape[1]
            read = beginnings(known, tokens, width) if known else KeyValues(len(members), width)
            read.window.rows = len(members)
            inputs = {"input_ids": ids_NT, "past_key_values": read, "use_cache": True}
            logits.append(self.last(inputs, [len(row) for row in rest], width))
            read.advance(width)
            self.kept.adopt(read, [(place, len(apart[number])) for place, (number, _) in enumerate(members)])
            order += [apart[number] for number, _ in members]
        if order == rows:
            return torch.cat(logits)
        places = [order.index(row) for row in rows]
        self.kept.select([*range(first), *(first + place for place in places)])
        return torch.cat(logits)[places]

    def _read_common(self, rows: list[tuple[int, ...]]) -> tuple[KeyValues | None, int]:
        """What has read all that prompts begin with alike, and how much that is; unless most of it was read before."""
        least, most = min(rows), max(rows)
        alike = zip(least, most[: min(map(len, rows)) - 1], strict=False)
        common = least[: sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], alike))]
        if len(rows) == 1 or len(common) < SHARED or 2 * self.before.longest((*common, 0))[1] >= len(common):
            return None, 0
        read = KeyValues(1, len(common))
        read.window.rows = 1
        inputs = {"input_ids": self.padded([common]), "past_key_values": read, "use_cache": True}
        self.last(inputs, [len(common)], len(common))
        read.advance(len(common))
        self.before.keep(common, read)
        return read, len(common)

    def _enter_two(self, prompts: Sequence[Prompt]) -> Tensor:
        ids_NT, sources = self.padded([prompt.ids for prompt in prompts]), self.sources(prompts)
        read = KeyValues(len(prompts), ids_NT.shape[1])
        crossed = KeyValues(len(prompts), sources["input_ids"].shape[1])
        read.window.rows = crossed.window.rows = len(prompts)
        both = EncoderDecoderCache(read, crossed)
        inputs = {**sources, "decoder_input_ids": ids_NT, "past_key_values": both, "use_cache": True}
        lengths = [len(prompt.ids) for prompt in prompts]
        logits = self.last(inputs, lengths, ids_NT.shape[1])
        read.advance(ids_NT.shape[1])
        crossed.advance(sources["input_ids"].shape[1])
        self.kept.adopt(read, list(enumerate(lengths)))
        places = [(number, len(prompt.source or ())) for number, prompt in enumerate(prompts)]
        self._crossed.adopt(crossed, places, right=False)
        self._sources_B = torch.cat([self._sources_B, torch.tensor([n for _, n in places], device=self.device)])
        return logits

    def _crossing(self, rows: int) -> dict[str, Any]:
        """What a decoder needs to read its encoder's keys; what they were made of is not read again."""
        width = self._crossed.window.width
        dtype = next(self.model.parameters()).dtype
        unread = torch.zeros(1, 1, 1, dtype=dtype, device=self.device).expand(rows, width, 1)
        both = EncoderDecoderCache(self.kept, self._crossed)
        both.is_updated = dict.fromkeys(range(len(self.kept.layers)), True)
        mask = (torch.arange(width, device=self.device) < self._sources_B[:, None]).long()
        return {
            "encoder_outputs": BaseModelOutput(last_hidden_state=unread),
            "attention_mask": mask,
            "past_key_values": both,
        }


def _lengths(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    return torch.tensor([len(row) for row in rows], dtype=torch.long, device=device)
