"""A smaller network made out of a larger one that has learnt: with fewer of its layers, or narrower and fresh.

Copied layers: DistilBERT (Sanh et al., 2019), Turc et al. (2019) on why the first weights matter. The vocabulary, and
so every row of tokens, stays that of the larger one.
"""

import copy
import re
from collections.abc import Mapping
from typing import Any, Self

import torch
from pydantic import Field, model_validator
from transformers import PreTrainedConfig, PreTrainedModel

from danlu.machine.hub import local_folder
from danlu.machine.quiet import quiet
from danlu.model.depth import spaced
from danlu.model.folder import SETTINGS, settings_in
from danlu.model.padding import pad_alike, types_alike
from danlu.model.shape import Shape, shape_of
from danlu.model.source import Say, Source, borders_alike, refuse_without, unsaid
from danlu.model.weightless import weightless
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer

_DEPTHS: tuple[Mapping[str, str], ...] = (
    {"encoder": "encoder_layers", "decoder": "decoder_layers"},  # BART and its kin
    {"encoder": "num_layers", "decoder": "num_decoder_layers"},  # T5
    {"whole": "num_hidden_layers"},
)
"""How configurations call the number of layers, of each side where there are two."""

_BLOCK = re.compile(r"(?P<before>.*?\b(?:layers?|h|blocks?))\.(?P<number>\d+)\.(?P<after>.+)")
"""A parameter of a block, such as bert.encoder.layer.3.output.dense.bias."""


class Student(Source):
    """The network of a bundle or a folder with fewer layers, or a narrower one of its family."""

    of: str = Field(description="'@stage', the folder of a bundle or of a pretrained model, or a name on the hub")
    layers: int | None = Field(default=None, ge=1, description="of each side; None: as many")
    copied: tuple[int, ...] | None = Field(
        default=None,
        description="which layers, from 1, are taken over; None: as far apart as they come out, the last too",
    )
    width: int | None = Field(
        default=None, ge=8, description="of the hidden states; then all weights are fresh. None: the same, and copied"
    )
    heads: int | None = Field(default=None, ge=1, description="of a narrower one; None: each as wide as before")
    feed_forward: int | None = Field(default=None, ge=8, description="of a narrower one; None: in the same proportion")
    dropout: float | None = Field(default=None, ge=0, lt=1, description="None: as the larger one's configuration says")

    @model_validator(mode="after")
    def _is_of_one_sort(self) -> Self:
        if self.width is None and self.layers is None and self.copied is None:
            raise ValueError("a student needs fewer 'layers', or a smaller 'width'; give one, or take kind pretrained")
        if self.width is None and (self.heads or self.feed_forward):
            raise ValueError("'heads' and 'feed_forward' are those of a narrower network; give its 'width' too")
        if self.width is not None and self.copied is not None:
            raise ValueError("'copied' layers are as wide as they were, and 'width' makes fresh ones; leave one out")
        if self.copied is not None and self.layers not in (None, len(self.copied)):
            raise ValueError(
                f"'copied' names {len(self.copied)} layers, and 'layers' says {self.layers}; leave one out"
            )
        if self.copied is not None and not self.copied:
            raise ValueError("'copied' names no layer; give numbers from 1, or leave it out")
        return self

    def inputs(self) -> list[str]:
        """What it is made out of, where that is no stage's; see `Part.inputs`."""
        return [] if self.of.startswith("@") else [self.of]

    def shape(self) -> Shape:
        """As config.json says."""
        return shape_of(self._settings())

    def tokenizer_path(self) -> str | None:
        """The tokenizer lies beside the larger one."""
        return self.of

    def build(
        self, auto_class: str, tokenizer: Tokenizer, config: dict[str, Any], say: Say = unsaid
    ) -> PreTrainedModel:
        """The student in float32; what is copied, or that all is fresh, is said.

        Raises:
            Refusal: as `Pretrained.build` does; or it is no smaller network of this family.
        """
        if self.width is not None:
            found = self._narrower(auto_class, tokenizer, config)
            say(f"{self.of}: a student of its family, {self.width:,} wide, begins fresh")
            return found
        larger = self._pretrained.build(auto_class, tokenizer, config, say)
        places = self._places(larger.config)
        settings = self._shallower(larger.config, places)
        with quiet():
            smaller: PreTrainedModel = type(larger)(settings)
        weights = larger.state_dict()
        with torch.no_grad():
            for name, value in smaller.state_dict().items():
                own = _from(name, places)
                value.copy_(weights[own if own in weights else name])  # T5's first block alone has biases of positions
        smaller.name_or_path = smaller.config.name_or_path = larger.name_or_path
        if getattr(larger, "generation_config", None) is not None:
            smaller.generation_config = copy.deepcopy(larger.generation_config)
        told = "; ".join(
            f"{'' if side == 'whole' else f'of the {side} '}{', '.join(str(place + 1) for place in chosen)}"
            for side, chosen in places.items()
        )
        say(f"{self.of}: the student has its layers {told}")
        return smaller

    def outline(self, auto_class: str, tokenizer: Tokenizer, config: dict[str, Any]) -> PreTrainedModel:
        """What config.json describes, made smaller; no weights are read. See `Source.outline`."""
        if self.width is not None:
            with torch.device("meta"):
                return weightless(self._narrower(auto_class, tokenizer, config))
        larger = self._pretrained.outline(auto_class, tokenizer, config)
        settings = self._shallower(larger.config, self._places(larger.config))
        with quiet(), torch.device("meta"):
            return weightless(type(larger)(settings))

    @property
    def _pretrained(self) -> Source:
        """The larger one as it is."""
        return Source.model_validate({"kind": "pretrained", "path": self.of, "dropout": self.dropout})

    def _settings(self) -> PreTrainedConfig:
        return settings_in(local_folder(self.of, SETTINGS), self.of)

    def _places(self, config: PreTrainedConfig) -> dict[str, tuple[int, ...]]:
        """Of each side of the larger network the layers that are taken over, from 0."""
        found = {}
        for side, name in _depths(config, self.of).items():
            deep = int(getattr(config, name))
            wanted = len(self.copied) if self.copied else self.layers or deep
            chosen = self.copied or (spaced(deep, wanted) if wanted <= deep else ())
            if not chosen or not all(1 <= place <= deep for place in chosen):
                raise Refusal(
                    f"{self.of}: has {deep} layers{'' if side == 'whole' else f' in its {side}'}, and the student is "
                    f"to have {'layer ' + str(max(self.copied)) if self.copied else wanted}; give 'layers' up to {deep}"
                    + (", and 'copied' from 1 on" if self.copied else "")
                )
            found[side] = tuple(place - 1 for place in chosen)
        return found

    def _shallower(self, config: PreTrainedConfig, places: dict[str, tuple[int, ...]]) -> PreTrainedConfig:
        settings = copy.deepcopy(config)
        for side, name in _depths(config, self.of).items():
            setattr(settings, name, len(places[side]))
        kinds = getattr(config, "layer_types", None)
        if kinds is not None and "whole" in places:
            settings.layer_types = [kinds[place] for place in places["whole"]]
        return settings

    def _narrower(self, auto_class: str, tokenizer: Tokenizer, config: dict[str, Any]) -> PreTrainedModel:
        """A fresh network of the same family, of this width."""
        import transformers

        larger = self._settings()
        for name, value in config.items():
            setattr(larger, name, value)
        refuse_without(auto_class, larger, self.of)
        settings = self._resized(larger)
        with quiet():
            found: PreTrainedModel = getattr(transformers, auto_class).from_config(settings, dtype=torch.float32)
        pad_alike(found, tokenizer, self.of)
        types_alike(found, tokenizer)
        borders_alike(found, config)
        return found

    def _resized(self, larger: PreTrainedConfig) -> PreTrainedConfig:
        """The configuration of a narrower network of the family."""
        assert self.width is not None
        between = getattr(larger, "intermediate_size", None)
        if between is None or larger.is_encoder_decoder:
            raise Refusal(
                f"{self.of}: how to make a network of the family '{larger.model_type}' narrower is not known; give "
                "'layers' alone, or take 'kind: scratch' with the same tokenizer"
            )
        wide, heads = int(larger.hidden_size), int(larger.num_attention_heads)
        fewer = self.heads or max(1, round(self.width * heads / wide))
        if self.width > wide or self.width % fewer or (self.width // fewer) % 2:
            raise Refusal(
                f"{self.of}: is {wide:,} wide with {heads} heads, and a student of width {self.width:,} with {fewer} "
                f"is none; give a 'width' up to {wide:,} that is an even multiple of 'heads'"
            )
        settings = self._shallower(larger, self._places(larger))
        groups = getattr(larger, "num_key_value_heads", None) or fewer
        sizes = {
            "hidden_size": self.width,
            "num_attention_heads": fewer,
            "num_key_value_heads": fewer if fewer % groups else groups,
            "head_dim": self.width // fewer,
            "intermediate_size": self.feed_forward or max(8, round(between * self.width / wide)),
        }
        drop = ("hidden_dropout_prob", "attention_probs_dropout_prob", "attention_dropout")
        sizes |= {} if self.dropout is None else dict.fromkeys(drop, self.dropout)
        for name, value in sizes.items():
            if hasattr(settings, name):
                setattr(settings, name, value)
        return settings


def _depths(config: PreTrainedConfig, name: str) -> Mapping[str, str]:
    """What the configuration calls the number of its layers, by side."""
    for names in _DEPTHS:
        if ("decoder" in names) == bool(config.is_encoder_decoder) and all(hasattr(config, n) for n in names.values()):
            return names
    raise Refusal(
        f"{name}: models of the family '{config.model_type}' do not say how many layers they have; take a pretrained "
        "network of the size that you want"
    )


def _from(name: str, places: dict[str, tuple[int, ...]]) -> str:
    """The name in the larger network of a tensor of the student."""
    block = _BLOCK.fullmatch(name)
    if block is None:
        return name
    side = "whole" if "whole" in places else "decoder" if "decoder." in block["before"] else "encoder"
    return f"{block['before']}.{places[side][int(block['number'])]}.{block['after']}"
