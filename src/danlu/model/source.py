"""The promise of a model source: where the network and its first weights come from."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from danlu.model.shape import Shape
from danlu.model.sizing import Depth
from danlu.model.weightless import weightless
from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer

Say = Callable[[str], None]
"""Where a line goes that a person should see."""


def unsaid(_line: str) -> None:
    """Nobody watches."""


class Source(Part):
    """Where a model comes from."""

    folder: ClassVar[str] = "danlu.model.sources"

    @abstractmethod
    def build(
        self, auto_class: str, tokenizer: Tokenizer, config: dict[str, Any], say: Say = unsaid
    ) -> PreTrainedModel:
        """The model as `transformers`' `auto_class` makes it, in float32, with `config`'s fields set.

        `config` is what the task says of its head, such as `num_labels` and `id2label`; `say` is told which weights
        could not be taken over as they are.
        """

    def outline(self, auto_class: str, tokenizer: Tokenizer, config: dict[str, Any]) -> PreTrainedModel:
        """The same network without its weights, on torch's meta device; see `build`."""
        with torch.device("meta"):
            return weightless(self.build(auto_class, tokenizer, config))

    @abstractmethod
    def shape(self) -> Shape:
        """What the network is made of, told without its weights."""

    def narrower(self, share: float) -> "Source":
        """A source of the same family whose network has about a share of this one's width.

        Raises `Refusal` where none can be made.
        """
        raise Refusal(
            f"a network of kind '{self.kind}' comes with its own width; name the smaller one beside it under 'roles'"
        )

    def seeded(self, seed: int) -> Self:
        """This source with first weights that follow from a seed, unless it has one of its own."""
        return self

    def minutes_to_train(self) -> float | None:
        """For how many minutes of training a size is to be chosen; None where the size is known."""
        return None

    def sized(self, shape: Depth) -> Self:
        """This source with a size that was chosen; only asked of one that has `minutes_to_train`."""
        raise AssertionError(f"{self.kind} has no size to be chosen")

    def tokenizer_path(self) -> str | None:
        """The folder or name whose tokenizer belongs to the weights; None for a fresh network."""
        return None


BORDERS = ("decoder_start_token_id", "eos_token_id", "forced_bos_token_id")
"""What a text begins and ends with: settings of a configuration, and of how a model writes."""


def borders_alike(network: PreTrainedModel, fields: Mapping[str, Any]) -> None:
    """Let `network` begin and end what it writes as `fields` say, whichever of its settings a program reads."""
    for settings in (network.config, getattr(network, "generation_config", None)):
        for name in BORDERS:
            known = settings is not None and (settings is not network.config or hasattr(settings, name))
            if known and fields.get(name) is not None:  # configurations of transformers 5 may not hold all of them
                setattr(settings, name, fields[name])


_HEADS = {
    "AutoModelForCausalLM": ("predicts the next token (causal_lm)", "masked_lm"),
    "AutoModelForMaskedLM": ("guesses hidden tokens (masked_lm)", "causal_lm"),
    "AutoModelForMultipleChoice": ("has a head for choices", "of what it can do"),
    "AutoModelForPreTraining": ("has heads for pretraining (next_sentence, replaced_token)", "masked_lm"),
    "AutoModelForSeq2SeqLM": ("reads one text and writes another", "of what it can do"),
}


def refuse_without(auto_class: str, config: PreTrainedConfig, name: str) -> None:
    """Raise a `Refusal` where transformers has no model of this family for `auto_class`."""
    import transformers

    families = getattr(transformers, auto_class)._model_mapping
    if type(config) in families:
        return
    does, other = _HEADS.get(auto_class, (f"is an {auto_class}", "another"))
    raise Refusal(
        f"{name}: transformers has no model of the family '{config.model_type}' that {does}; "
        f"choose the task {other}, or a model of another family"
    )
