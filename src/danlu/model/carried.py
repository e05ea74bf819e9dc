"""Each token read once by a recurrent network, which remembers the rest as one state a layer.

Legend: B rows, N new rows, T tokens, L layers, D width.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from danlu.model.gru import GruForCausalLM
from danlu.model.heads import trunk, unwrapped
from danlu.model.reader import Prompt, Reader


class Carried(Reader):
    """Keeps the states (L, B, D) after the last token of each row, and of one row those since it was last ahead."""

    def __init__(self, model: nn.Module, padding: int) -> None:
        super().__init__(model, padding)
        self._states: Tensor | None = None
        self._trail: Tensor | None = None

    @staticmethod
    def serves(model: nn.Module) -> bool:
        """Whether a model remembers in this way."""
        return isinstance(unwrapped(model), GruForCausalLM)

    def enter(self, prompts: Sequence[Prompt]) -> Tensor:
        """See `Reader.enter`."""
        ids_NT = self.padded([prompt.ids for prompt in prompts])
        last_N = torch.tensor([len(prompt.ids) - 1 for prompt in prompts], device=self.device)
        rows_N = torch.arange(len(prompts), device=self.device)
        hidden_NTD, states_LNTD = self._read(ids_NT, None)
        states = states_LNTD[:, rows_N, last_N]
        self._states = states if self._states is None else torch.cat([self._states, states], 1)
        return self._logits(hidden_NTD[rows_N, last_N])

    def step(self, tokens: Sequence[int]) -> Tensor:
        """See `Reader.step`."""
        hidden_B1D, states_LB1D = self._read(torch.tensor(tokens, device=self.device)[:, None], self._states)
        self._states = states_LB1D[:, :, 0]
        return self._logits(hidden_B1D[:, 0])

    def ahead(self, tokens: Sequence[int]) -> Tensor:
        """See `Reader.ahead`."""
        assert self._states is not None
        hidden_1TD, states_L1TD = self._read(torch.tensor([tokens], device=self.device), self._states)
        self._trail = torch.cat([self._states[:, :, None], states_L1TD], 2)
        self._states = self._trail[:, :, -1]
        return self._logits(hidden_1TD[0])

    def forget(self, tokens: int) -> None:
        """See `Reader.forget`."""
        if tokens:
            assert self._trail is not None, "no tokens were read ahead"
            self._trail = self._trail[:, :, : self._trail.shape[2] - tokens]
            self._states = self._trail[:, :, -1]

    def select(self, index: Sequence[int]) -> None:
        """See `Reader.select`."""
        if self._states is not None:
            self._states = self._states[:, torch.tensor(index, dtype=torch.long, device=self.device)]

    def _read(self, ids_BT: Tensor, states: Tensor | None) -> tuple[Tensor, Tensor]:
        output: Any = trunk(self.model)(input_ids=ids_BT, state=states)
        return output.last_hidden_state, torch.stack(output.states)

    def _logits(self, hidden_ND: Tensor) -> Tensor:
        head: Any = unwrapped(self.model).get_output_embeddings()  # type: ignore[no-untyped-call]
        logits: Tensor = head(hidden_ND).float()
        return logits
