"""A recurrent language model: embedding, gated recurrent units, dense to the vocabulary (Cho et al., 2014).

Its layers are those of Chung et al. (2014), with dropout between them alone (Zaremba et al., 2014): what language
models were before attention, to be compared with. To import this file makes transformers know it, so a bundle with it
opens in any program that does.

Legend: B rows, T tokens, D width, N documents, L layers, V vocabulary.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import transformers.initialization as first_weights
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, GenerationMixin, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput


class GruConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """Sizes of a network; a row of any length can be read, so `max_position_embeddings` is for us alone to go by."""

    model_type = "gru"

    vocab_size: int = 8000
    hidden_size: int = 256
    num_hidden_layers: int = 2
    dropout: float | int = 0.1
    max_position_embeddings: int = 512
    initializer_range: float = 0.02
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    tie_word_embeddings: bool = True


@dataclass
class GruOutput(BaseModelOutput):
    """What the trunk gives; `states` are those of each layer after each token, (B, T, D), of rows of one document."""

    states: tuple[Tensor, ...] | None = None


class _Gru(PreTrainedModel):  # type: ignore[no-untyped-call]
    config_class = GruConfig
    base_model_prefix = "model"

    def _init_weights(self, module: nn.Module) -> None:
        """Uniform within 1 / sqrt(D), as torch begins its recurrent layers."""
        if not isinstance(module, nn.GRU):
            super()._init_weights(module)  # type: ignore[no-untyped-call]
            return
        bound = 1 / math.sqrt(module.hidden_size)
        for parameter in module.parameters():
            first_weights.uniform_(parameter, -bound, bound)


class GruModel(_Gru):  # type: ignore[no-untyped-call]
    """Layers over embeddings; each token is read with what is remembered of those before it."""

    def __init__(self, config: GruConfig) -> None:
        """As the configuration says."""
        super().__init__(config)
        width = config.hidden_size
        self.embed_tokens = nn.Embedding(config.vocab_size, width, config.pad_token_id)
        self.layers = nn.ModuleList(nn.GRU(width, width, batch_first=True) for _ in range(config.num_hidden_layers))
        self.dropout = nn.Dropout(config.dropout)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        segments: Tensor | None = None,
        state: Tensor | None = None,
        **_others: Any,
    ) -> GruOutput:
        """Hidden states (B, T, D) of tokens, or of their vectors.

        Each document that `segments` (B, T) tell apart begins with an empty memory. Padding, which has the segment -1
        or no mark in `attention_mask` (B, T), is passed by wherever it stands. `state` (L, B, D) is what is remembered
        at the beginning, of rows that are one document each.
        """
        hidden = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        apart = _apart(segments, attention_mask)
        hidden = self.dropout(hidden)
        if apart is not None:
            hidden = apart.laid(hidden)
        states = []
        for number, layer in enumerate(self.layers):
            remembered, _ = layer(hidden, None if state is None else state[number : number + 1].contiguous())
            states.append(remembered)
            hidden = self.dropout(remembered)
        if apart is None:
            return GruOutput(last_hidden_state=hidden, states=tuple(states))
        return GruOutput(last_hidden_state=apart.put_back(hidden))


class GruForCausalLM(_Gru, GenerationMixin):  # type: ignore[no-untyped-call]
    """A network that says how likely each next token is."""

    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}  # noqa: RUF012

    def __init__(self, config: GruConfig) -> None:
        """As the configuration says."""
        super().__init__(config)
        self.model = GruModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None, **others: Any
    ) -> CausalLMOutput:
        """Logits (B, T, V) of the token after each; see `GruModel.forward`."""
        output = self.model(input_ids=input_ids, attention_mask=attention_mask, **others)
        return CausalLMOutput(logits=self.lm_head(output.last_hidden_state))

    def prepare_inputs_for_generation(  # type: ignore[override]
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **_others: Any
    ) -> dict[str, Any]:
        """For `generate` of transformers, which knows no state of this kind: a row is read whole at every step."""
        return {"input_ids": input_ids, "attention_mask": attention_mask}


@dataclass(frozen=True)
class _Apart:
    """Where the tokens of rows stand once each document has a row of its own.

    - `read`: (N, W), the place of each token of a document among all places of the rows; padding reads place 0.
    - `back`: (B * T,), where among the N * W what a place became stands; padding has what stands first.
    """

    read: Tensor
    back: Tensor
    rows: tuple[int, int]

    def laid(self, hidden_BTD: Tensor) -> Tensor:
        """(N, W, D)."""
        flat = hidden_BTD.flatten(0, 1)
        return flat.index_select(0, self.read.flatten()).view(*self.read.shape, -1)

    def put_back(self, hidden_NWD: Tensor) -> Tensor:
        """(B, T, D)."""
        return hidden_NWD.flatten(0, 1).index_select(0, self.back).view(*self.rows, -1)


def _apart(segments_BT: Tensor | None, mask_BT: Tensor | None) -> _Apart | None:
    """How documents are laid into rows of their own; None where each row is one that padding may follow."""
    if segments_BT is None:
        if mask_BT is None or bool((mask_BT[:, 1:] <= mask_BT[:, :-1]).all()):
            return None
        segments_BT = torch.zeros_like(mask_BT)
    rows, width = segments_BT.shape
    there_BT = segments_BT >= 0 if mask_BT is None else (segments_BT >= 0) & mask_BT.bool()
    places_M = there_BT.flatten().nonzero()[:, 0]
    row_M, segment_M = places_M // width, segments_BT.flatten()[places_M]
    begins_M = torch.ones_like(places_M, dtype=torch.bool)
    begins_M[1:] = (row_M[1:] != row_M[:-1]) | (segment_M[1:] != segment_M[:-1])
    document_M = begins_M.cumsum(0) - 1
    first_N = begins_M.nonzero()[:, 0]
    within_M = torch.arange(len(places_M), device=places_M.device) - first_N[document_M]
    longest = int(within_M.max()) + 1 if len(within_M) else 1
    read = places_M.new_zeros(max(len(first_N), 1), longest)
    read[document_M, within_M] = places_M
    back = places_M.new_zeros(rows * width)
    back[places_M] = document_M * longest + within_M
    return _Apart(read, back, (rows, width))


AutoConfig.register(GruConfig.model_type, GruConfig, exist_ok=True)
AutoModel.register(GruConfig, GruModel, exist_ok=True)
AutoModelForCausalLM.register(GruConfig, GruForCausalLM, exist_ok=True)
