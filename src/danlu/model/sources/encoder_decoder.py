"""An encoder that is there already, with a decoder that reads it: a fresh one, or one that is there already.

Rothe, Narayan and Severyn (2020): what a decoder of trained weights lacks is the attention to the encoder.
"""

import copy
from typing import Any, Self

import torch
from pydantic import Field, model_validator
from transformers import PreTrainedConfig, PreTrainedModel

from danlu.machine.hub import first_line, local_folder
from danlu.machine.quiet import quiet
from danlu.model.folder import FILES, open_model, outlined
from danlu.model.label_rows import fresh_in_words, fresh_of, refuse_missing
from danlu.model.new_tokens import make_room, widen
from danlu.model.padding import pad_alike, types_alike
from danlu.model.shape import Shape
from danlu.model.source import Say, Source, borders_alike, refuse_without, unsaid
from danlu.model.weightless import weightless
from danlu.refusal import Refusal
from danlu.text.tokenizing.special import begin_id, end_id, padding_id
from danlu.text.tokenizing.tokenizer import Tokenizer

_LEAST = 0.5  # share of tokens that a decoder must know by number; what nobody uses is spelled in several ways
_DECODES = {"is_decoder": True, "add_cross_attention": True}


class EncoderDecoder(Source):
    """A pretrained encoder and a decoder, which write with the encoder's tokenizer."""

    path: str = Field(description="of the encoder: local folder, '@stage', or a name on the hub")
    decoder: str | None = Field(default=None, description="as 'path'; None: a fresh one of the encoder's family")
    layers: int | None = Field(default=None, ge=1, description="of a fresh decoder; None: as the encoder")
    dropout: float | None = Field(default=None, ge=0, lt=1, description="None: as the weights' configuration says")

    @model_validator(mode="after")
    def _layers_are_of_a_fresh_decoder(self) -> Self:
        if self.decoder is not None and self.layers is not None:
            raise ValueError("'layers' is for a fresh decoder, and 'decoder' names one that has its own; leave one out")
        return self

    def inputs(self) -> list[str]:
        """Both folders; see `Part.inputs`."""
        return [*super().inputs(), *([] if self.decoder is None else [self.decoder])]

    def shape(self) -> Shape:
        """As its kind says."""
        return "encoder_decoder"

    def tokenizer_path(self) -> str | None:
        """The tokenizer lies beside the encoder."""
        return self.path

    def build(
        self, auto_class: str, tokenizer: Tokenizer, config: dict[str, Any], say: Say = unsaid
    ) -> PreTrainedModel:
        """The two as one network, in float32; what begins fresh is said.

        Raises:
            Refusal: a folder is no model, a family has no decoder that reads an encoder, or the decoder has another
                vocabulary than the tokenizer.
        """
        from transformers import AutoModelForCausalLM, EncoderDecoderConfig, EncoderDecoderModel

        refuse_without(auto_class, EncoderDecoderConfig(encoder=_PLAIN, decoder=_PLAIN), "kind: encoder_decoder")
        encoder = self._opened(self.path, tokenizer, say, decodes=False)
        decoder = None if self.decoder is None else self._opened(self.decoder, tokenizer, say, decodes=True)
        try:
            if decoder is None:
                with quiet():
                    decoder = AutoModelForCausalLM.from_config(_fresh(encoder.config, self.layers), dtype=torch.float32)  # type: ignore[no-untyped-call]
                pad_alike(decoder, tokenizer, self.path)
                say(f"{self.path}: its decoder is a fresh one")
            with quiet():
                network = EncoderDecoderModel(encoder=encoder, decoder=decoder)
        except (ValueError, AttributeError) as error:
            family = type((decoder or encoder).config).__name__
            raise Refusal(
                f"{self.decoder or self.path}: transformers has no decoder of {family} that reads an encoder "
                f"({first_line(error)}); name a 'decoder' of another family, such as BERT or GPT-2"
            ) from error
        _name_ends(network, tokenizer)
        borders_alike(network, config)
        types_alike(network, tokenizer)
        return network

    def outline(self, auto_class: str, tokenizer: Tokenizer, config: dict[str, Any]) -> PreTrainedModel:
        """What the two files config.json describe; no weights are read or fetched. See `Source.outline`."""
        from transformers import AutoModelForCausalLM, EncoderDecoderModel

        encoder = outlined(self.path, "AutoModel", {}, self.dropout)
        widen(encoder, tokenizer)
        with quiet(), torch.device("meta"):
            decoder = (
                AutoModelForCausalLM.from_config(_fresh(encoder.config, self.layers))  # type: ignore[no-untyped-call]
                if self.decoder is None
                else outlined(self.decoder, "AutoModelForCausalLM", _DECODES, self.dropout)
            )
            widen(decoder, tokenizer)
            network = EncoderDecoderModel(encoder=encoder, decoder=decoder)
        _name_ends(network, tokenizer)
        types_alike(network, tokenizer)
        return weightless(network)

    def _opened(self, path: str, tokenizer: Tokenizer, say: Say, *, decodes: bool) -> PreTrainedModel:
        folder = local_folder(path, FILES)
        auto_class, fields = ("AutoModelForCausalLM", _DECODES) if decodes else ("AutoModel", {})
        part: PreTrainedModel
        part, report = open_model(folder, path, auto_class, fields, self.dropout)
        fresh = fresh_of(report)
        refuse_missing(path, part, self._not_across(path, fresh) if decodes else fresh)
        if decodes and fresh:  # of an encoder it is the pooler, which no decoder reads
            say(fresh_in_words(path, fresh))
        make_room(part, tokenizer, folder, path, say, _LEAST if decodes else 0.0)
        pad_alike(part, tokenizer, path)
        return part

    def _not_across(self, path: str, fresh: list[str]) -> list[str]:
        """Those of the weights of a decoder that it has when it reads no encoder, too."""
        plain: PreTrainedModel = outlined(path, "AutoModelForCausalLM", _DECODES | {"add_cross_attention": False})
        names = {name for name, _ in plain.named_parameters()}
        return [name for name in fresh if name in names]


_PLAIN: dict[str, Any] = {"model_type": "bert"}


def _fresh(encoder: PreTrainedConfig, layers: int | None) -> PreTrainedConfig:
    """The configuration of a decoder like an encoder, with as many layers."""
    config = copy.deepcopy(encoder)
    config.num_hidden_layers = layers or encoder.num_hidden_layers
    for name, value in _DECODES.items():
        setattr(config, name, value)
    return config


def _name_ends(network: PreTrainedModel, tokenizer: Tokenizer) -> None:
    """Tell the whole what its parts begin, end and pad with."""
    begin, pad = begin_id(tokenizer), padding_id(tokenizer)
    named = {"decoder_start_token_id": pad if begin is None else begin, "pad_token_id": pad}
    named["eos_token_id"] = end_id(tokenizer)  # type: ignore[assignment]
    for settings in (network.config, network.generation_config):
        for name, number in named.items():
            setattr(settings, name, number)
    network.config.vocab_size = network.config.decoder.vocab_size
