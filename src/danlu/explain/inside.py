"""A network that is looked into: what any engine says of rows, and of one of torch also gradients and attention.

N variants of a row, T tokens, D width of a layer, L layers, H heads.
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
from danlu.model.positions import VIRTUAL, counts_from_padding
from danlu.model.replica import replica
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.tuning.layers import blocks_of

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
        model: Any = self.network.model
        plain: Any = replica(model) if model.dtype == torch.float32 else copy.deepcopy(model).to(torch.float32)
        for parameter in plain.parameters():
            parameter.requires_grad_(False)  # noqa: FBT003
        ready: PreTrainedModel = plain.train(mode=False)
        return ready

    @cached_property
    def with_attention(self) -> PreTrainedModel:
        """The same, by the kernel of transformers that gives its attention (`eager`).

        Raises:
            Refusal: the model has no attention, or none that it tells.
        """
        plain = replica(self.model)
        inner = unwrapped(plain)
        if inner.config.is_encoder_decoder or bool(getattr(plain, VIRTUAL, 0)):
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
        """The token that stands for none: padding, or what is unknown, or the end where there is no such token.

        Some networks give padding no position, which would move all tokens behind it (RoBERTa).
        """
        known = [self.tokenizer.pad_token_id, self.tokenizer.unk_token_id, self.tokenizer.eos_token_id]
        if self.has_gradients and counts_from_padding(unwrapped(self.model)):
            known = [self.tokenizer.mask_token_id, *known[1:]]
        return next((int(number) for number in known if number is not None), 0)

    @cached_property
    def blank(self) -> int:
        """The token that hides another: the mask where there is one, else as `stand_in`."""
        mask = self.tokenizer.mask_token_id
        return self.stand_in if mask is None else int(mask)

    def batch(self, item: Encoded, ids_NT: NDArray[np.integer], spare: int = 0) -> Batch:
        """Variants of a row that differ in token numbers, as the task puts them in a batch, with `spare` padding."""
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

    def read(self, batch: Batch) -> Tensor:
        """What goes into the first layer of each token, (N, T, D), its position in it.

        Not the row of a table: where a norm follows it, as in BERT, a gradient along that row is nothing but noise.

        Raises:
            Refusal: something stands before the tokens of a row, such as virtual ones.
        """
        found: list[Tensor] = []

        def take(_layer: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            found.append((given[0] if given else named["hidden_states"]).detach())

        handle = self._first_layer.register_forward_pre_hook(take, with_kwargs=True)
        try:
            self.said(batch)
        finally:
            handle.remove()
        if not found or found[0].shape[:2] != batch.inputs["input_ids"].shape:
            raise Refusal(
                "what goes into the first layer of this model is no row of the tokens of a text, as in XLNet, or with "
                "virtual tokens of an adapter; explain it with --method occlusion or shap"
            )
        return found[0]

    @contextmanager
    def reading(self, given_NTD: Tensor) -> Iterator[None]:
        """Within the block this goes into the first layer, whatever the token numbers are."""
        left = [given_NTD]

        def put(_layer: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
            if not left:  # a layer that is gone through again and again
                return None
            return ((left.pop(), *given[1:]), named) if given else (given, named | {"hidden_states": left.pop()})

        handle = self._first_layer.register_forward_pre_hook(put, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()
        assert not left, "the first layer was not asked"

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
    def _first_layer(self) -> nn.Module:
        inner = unwrapped(self.model)
        try:
            (name, *_) = blocks_of(inner)
        except Refusal:
            raise Refusal(
                f"models of the family '{inner.config.model_type}' do not tell their layers; explain it with --method "
                "occlusion or shap"
            ) from None
        return inner.get_submodule(name.rstrip("."))


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
