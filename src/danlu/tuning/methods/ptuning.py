"""Soft prompts whose vectors a small network writes (Liu et al. 2021, "GPT Understands, Too": P-tuning).

That network is there to train alone: what is saved, and serves, are the vectors that it has written.
"""

from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.tuning.added import ADDED, fill, read
from danlu.tuning.virtual import NAME, Vectors, Virtual


class Ptuning(Virtual):
    """Train vectors before each text, the network that they go through first, and the head where it is a fresh one."""

    encoder: Literal["mlp", "lstm"] = Field(
        default="mlp", description="lstm: two layers that read the vectors from both sides, below a layer of mlp"
    )
    width: int | None = Field(
        default=None, ge=1, description="values between the layers of the encoder; None: as the model's embeddings"
    )

    def load(self, model: PreTrainedModel, folder: Path) -> nn.Module:
        """The base, in float32, with the vectors that `save` left in `folder`, as those of a soft prompt.

        Raises:
            Refusal: they were left by another method, belong to another base, or are damaged.
        """
        tuned = self.apply(model)
        for name, encoder in _encoders(tuned).items():
            setattr(tuned.get_submodule(name.removesuffix(f".{NAME}")), NAME, Vectors(encoder.written()))
        fill(self._kept(tuned), read(folder / ADDED, self.kind, self.base(tuned)), folder / ADDED)
        return tuned

    def _vectors(self, like_PD: Tensor) -> Vectors:
        return _Encoder(super()._vectors(like_PD), self.encoder, self.width, beside=self.init == "words")

    def _kept(self, model: nn.Module) -> dict[str, Tensor]:
        """The vectors alone of what writes them."""
        kept = super()._kept(model)
        for name, encoder in _encoders(model).items():
            within = f"weights.{name}."
            kept = {key: value for key, value in kept.items() if not key.startswith(within)}
            with torch.no_grad():  # in which an LSTM is computed by the kernels of answers, not of training
                kept[f"{within}weight"] = encoder.written()
        return kept


class _Encoder(Vectors):
    """Vectors that go through a network; `beside` adds what it says to them, which is nothing in the beginning."""

    def __init__(self, first: Vectors, kind: str, width: int | None, *, beside: bool) -> None:
        super().__init__(first.weight)
        size = first.weight.shape[1]
        width, self.beside, self.both = width or size, beside, None
        if kind == "lstm":
            self.both = nn.LSTM(size, width, num_layers=2, bidirectional=True, batch_first=True)
            layers = [nn.Linear(2 * width, 2 * width), nn.ReLU(), nn.Linear(2 * width, size)]
        else:
            layers = [nn.Linear(size, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, size)]
        if beside:
            nn.init.zeros_(layers[-1].weight)  # type: ignore[arg-type]
            nn.init.zeros_(layers[-1].bias)  # type: ignore[arg-type]
        self.layers = nn.Sequential(*layers)
        self.to(first.weight)

    def written(self) -> Tensor:
        """What the network makes of the vectors."""
        given = self.weight if self.both is None else self.both(self.weight[None])[0][0]
        found: Tensor = self.layers(given)
        return self.weight + found if self.beside else found


def _encoders(model: nn.Module) -> dict[str, _Encoder]:
    return {name: module for name, module in model.named_modules() if isinstance(module, _Encoder)}
