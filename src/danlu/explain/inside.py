"""A network that is looked into: what any engine says of rows, and of one of torch also gradients and attention.

N variants of a row, T tokens, E width of an embedding, L layers, H heads.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.engine.engine import Network
from danlu.engine.engines.torch import TorchNetwork
from danlu.machine.seed import generator
from danlu.model.heads import trunk, unwrapped
from danlu.model.positions import VIRTUAL
from danlu.model.replica import replica
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer

ROOM = 8192  # tokens of a batch


class Inside:
    """A network with its task and tokenizer; weights are seen in float32, and never changed."""

    def __init__(self, network: Network, task: Task, tokenizer: Tokenizer) -> None:
        """Look into `network` by the `task` that it does."""
        self.network, self.task, self.tokenizer = network, task, tokenizer

    @property
    def has_gradients(self) -> bool:
        """Whether the engine computes with a model of torch."""
        return isinstance(self.network, TorchNetwork)

    @cached_property
    def model(self) -> PreTrainedModel:
        """The model in float32, a copy that shares its weights where they are that already.

        Raises:
            Refusal: the engine holds no such model.
        """
        if not isinstance(self.network, TorchNetwork):
            raise Refusal(
                "this bundle is computed by an engine without gradients; explain it with --method occlusion or shap, "
                "which need its answers alone, or explain the bundle that it was made of"
            )
        model = self.network.model
        plain: Any = replica(model) if model.dtype == torch.float32 else copy.deepcopy(model).float()
        for parameter in plain.parameters():
            parameter.requires_grad_(requires_grad=False)
        ready: PreTrainedModel = plain.train(mode=False)
        return ready

    @cached_property
    def with_attention(self) -> PreTrainedModel:
        """The same, by the kernel of transformers that gives its attention (`eager`).

        Raises:
            Refusal: the model has no attention, or none that it tells.
        """
        plain = replica(self.model).train(mode=False)
        inner = unwrapped(plain)
        if inner.config.is_encoder_decoder or getattr(plain, VIRTUAL, 0):
            why = "it has an encoder and a decoder" if inner.config.is_encoder_decoder else "of its virtual tokens"
            raise Refusal(f"the attention of this model is not shown, since {why}; use another --method")
        try:
            inner.set_attn_implementation("eager")
        except ValueError:
            raise Refusal("this model has no attention that could be shown; use another --method") from None
        return plain

    @property
    def limit(self) -> int:
        """Tokens that a row may have."""
        longest = getattr(self.task, "max_length", None)
        return min(self.network.limit, longest or self.network.limit)

    def filled(self, item: Encoded) -> bool:
        """Whether a row is one of several, or has lost something for want of room."""
        return bool(item.cut or item.start or len(item) >= self.limit)

    @cached_property
    def stand_in(self) -> int:
        """The token that stands for none: padding, or what is unknown, or the end where there is no such token."""
        known = (self.tokenizer.pad_token_id, self.tokenizer.unk_token_id, self.tokenizer.eos_token_id)
        return next((int(number) for number in known if number is not None), 0)

    @cached_property
    def blank(self) -> int:
        """The token that hides another: the mask where there is one, else as `stand_in`."""
        mask = self.tokenizer.mask_token_id
        return self.stand_in if mask is None else int(mask)

    def batch(self, item: Encoded, ids_NT: NDArray[np.integer], spare: int = 0) -> Batch:
        """Variants of a row that differ in token numbers, as the task puts them in a batch; `spare` tokens of padding."""
        rows = [replace(item.row, input_ids=ids_T.astype(np.int32)) for ids_T in ids_NT]
        variants = [replace(item, rows=(row,)) for row in rows]
        return self.task.collate(variants, len(item) + spare, self.tokenizer, generator(0, "explain"))

    def said(self, batch: Batch) -> Mapping[str, Tensor]:
        """What the network says of a batch; without gradients."""
        if self.has_gradients:
            with torch.no_grad():
                return self.said_by(self.model, batch)
        with torch.inference_mode():
            return self.network.forward(self.task, batch.to(self.network.device))

    def said_by(self, model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """What a copy of the model says, with gradients where they are taken."""
        here = batch.to(next(model.parameters()).device)
        return self.task.forward(model, here.inputs, self.task.places(here))

    def embeddings(self, batch: Batch) -> Tensor:
        """What the network reads of each token, (N, T, E), before positions are added."""
        found: list[Tensor] = []
        handle = self._table.register_forward_hook(lambda _module, _given, output: found.append(output.detach()))
        try:
            self.said(batch)
        finally:
            handle.remove()
        if not found:
            raise Refusal("this model does not read its tokens by a table; use --method occlusion or shap")
        return found[0]

    @contextmanager
    def reading(self, given_NTE: Tensor) -> Iterator[None]:
        """Within the block the model reads these embeddings, whatever the token numbers are."""
        left = [given_NTE]
        handle = self._table.register_forward_hook(lambda _module, _given, output: left.pop() if left else output)
        try:
            yield
        finally:
            handle.remove()
        assert not left, "the embeddings were not read"

    def attention(self, item: Encoded) -> Tensor:
        """How much each token looks at each, (L, H, T, T), rows from which it looks; each sums to 1.

        Raises:
            Refusal: see `with_attention`.
        """
        batch = self.batch(item, item.row.input_ids[None])
        here = batch.to(next(self.with_attention.parameters()).device)
        with torch.no_grad():
            told = self.with_attention(**here.inputs, output_attentions=True)
        layers = getattr(told, "attentions", None)
        if not layers or any(layer is None or layer.shape[-1] != layer.shape[-2] for layer in layers):
            raise Refusal("this model has no attention that could be shown; use another --method")
        return torch.cat(list(layers)).float()

    @cached_property
    def _table(self) -> nn.Module:
        inner: Any = unwrapped(self.model)
        return (inner.get_encoder() if inner.config.is_encoder_decoder else inner).get_input_embeddings()  # type: ignore[no-any-return]


@contextmanager
def hidden_states(model: nn.Module) -> Iterator[list[Tensor]]:
    """Within the block, what the trunk of a model gives last, (N, T, D), each time that it is called."""
    found: list[Tensor] = []

    def take(_trunk: Any, _given: Any, output: Any) -> None:
        found.append(output.last_hidden_state)

    handle = trunk(model).register_forward_hook(take, prepend=True)  # before others that keep some places alone
    try:
        yield found
    finally:
        handle.remove()
