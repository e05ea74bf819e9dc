"""A fresh network with random weights.

BERT (Devlin et al., 2019), RoBERTa (Liu et al., 2019), ELECTRA (Clark et al., 2020), XLNet (Yang et al., 2019); GPT-2
(Radford et al., 2019), Llama (Touvron et al., 2023), Qwen3 (2025); BART (Lewis et al., 2020), T5 (Raffel et al., 2020),
and as Marian the original Transformer (Vaswani et al., 2017); beside them gated recurrent units (Cho et al., 2014); in
the sizes of the BERT miniatures (Turc et al., 2019)
or with fields of one's own.
"""

from dataclasses import asdict
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from transformers import PreTrainedModel

from danlu.machine.quiet import quiet
from danlu.model.architecture import Architecture, Sizes, configuration, shape_of_architecture
from danlu.model.neighbours import look_at_neighbours
from danlu.model.padding import pad_alike, types_alike
from danlu.model.shape import Shape
from danlu.model.sizing import Depth
from danlu.model.source import Say, Source, borders_alike, refuse_without, unsaid
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer

SIZES = {"tiny": (2, 128, 2), "mini": (4, 256, 4), "small": (4, 512, 8), "base": (12, 768, 12)}
"""Layers, width and heads."""


class Scratch(Source):
    """A network that starts from nothing."""

    architecture: Architecture = "bert"
    size: Literal["tiny", "mini", "small", "base", "auto"] = Field(
        default="mini", description="auto: as deep and wide as can be trained in 'minutes' here"
    )
    minutes: float | None = Field(default=None, gt=0, description="of training, for which size 'auto' chooses")
    layers: int | None = Field(default=None, ge=1, description="of each side; overrides the size's")
    width: int | None = Field(default=None, ge=8, description="of the hidden states; overrides the size's")
    heads: int | None = Field(default=None, ge=1, description="attention heads; overrides the size's; gru has none")
    feed_forward: int | None = Field(
        default=None, ge=8, description="width between; None: 4 x width, llama and qwen3 8/3"
    )
    embedding: int | None = Field(
        default=None, ge=8, description="width of the word embeddings of electra; None: as the hidden states"
    )
    positions: int = Field(default=512, ge=8, description="longest row, in tokens")
    dropout: float = Field(default=0.1, ge=0, lt=1)
    tied: bool = Field(default=True, description="whether head and word embeddings are one table; False: for decoders")
    seed: int | None = Field(default=None, description="of the first weights; None: follows from the recipe's")
    attention: Literal["random", "neighbours"] = Field(
        default="random", description="where the first layer looks at first; 'neighbours' is for bert"
    )

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if (self.size == "auto") != (self.minutes is not None):
            raise ValueError(
                "'size: auto' chooses for 'minutes' of training, and nothing else does; give both or neither"
            )
        given = [name for name in ("layers", "width", "heads") if getattr(self, name) is not None]
        if self.size == "auto" and given:
            raise ValueError(f"'size: auto' chooses '{given[0]}'; leave it out, or give all three and no 'size'")
        _, width, heads = self._sizes()
        given = [name for name in ("heads", "feed_forward") if getattr(self, name) is not None]
        if self.architecture == "gru" and given:
            raise ValueError(f"'{given[0]}' is of Transformers, and gru is none; leave it out")
        if not self.tied and self.shape() != "decoder":
            raise ValueError(
                "'tied: false' is for the architectures gpt2, llama, qwen3 and gru; leave it out for others"
            )
        if self.architecture != "gru" and (width % heads or (width // heads) % 2):
            raise ValueError(f"width {width} must be an even multiple of heads {heads}")
        if self.embedding is not None and self.architecture != "electra":
            raise ValueError("'embedding' is for the architecture electra; leave it out for others")
        if self.attention == "neighbours" and self.architecture != "bert":
            raise ValueError("attention 'neighbours' is for the architecture bert; leave it out for others")
        return self

    def build(
        self, auto_class: str, tokenizer: Tokenizer, config: dict[str, Any], say: Say = unsaid
    ) -> PreTrainedModel:
        """The network, its vocabulary that of the tokenizer; that all of it is fresh needs no saying."""
        import torch
        import transformers

        if self.size == "auto":
            raise Refusal(
                "size auto: is chosen by a stage of kind 'train', from its data; give a size by name, or layers, width "
                "and heads"
            )
        with quiet(), torch.random.fork_rng():
            torch.manual_seed(self.seed or 0)
            layers, width, heads = self._sizes()
            sizes = Sizes(layers, width, heads, self.feed_forward, self.positions, self.dropout, self.embedding)
            untied = {} if self.tied else {"tie_word_embeddings": False}
            settings = configuration(self.architecture, sizes, tokenizer, config | untied)
            refuse_without(auto_class, settings, f"architecture '{self.architecture}'")
            network: PreTrainedModel = getattr(transformers, auto_class).from_config(settings)
            pad_alike(network, tokenizer, self.architecture)
            types_alike(network, tokenizer)
            borders_alike(network, config)
            if self.attention == "neighbours":
                look_at_neighbours(network.base_model)  # type: ignore[arg-type]
            return network

    def seeded(self, seed: int) -> Self:
        """See `Source.seeded`."""
        return self if self.seed is not None else self.model_copy(update={"seed": seed})

    def narrower(self, share: float) -> Self:
        """See `Source.narrower`: fewer heads as wide as before, and of electra the word embeddings as they are."""
        _, width, heads = self._sizes()
        fewer = max(1, round(heads * share))
        sizes = {"heads": fewer, "width": fewer * (width // heads)}
        if self.feed_forward is not None:
            sizes["feed_forward"] = max(8, round(self.feed_forward * fewer / heads))
        if self.architecture == "electra":
            sizes["embedding"] = self.embedding or width
        return self.model_copy(update=sizes)

    def shape(self) -> Shape:
        """As the architecture says."""
        return shape_of_architecture(self.architecture)

    def minutes_to_train(self) -> float | None:
        """For `size: auto`."""
        return self.minutes

    def sized(self, shape: Depth) -> Self:
        """With layers, width and heads."""
        return self.model_copy(update={**asdict(shape), "size": "mini", "minutes": None})

    def _sizes(self) -> tuple[int, int, int]:
        layers, width, heads = SIZES.get(self.size, SIZES["mini"])
        return self.layers or layers, self.width or width, self.heads or heads
