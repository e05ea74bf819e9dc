"""Weights that are there already: in a local folder, or on the Hugging Face hub."""

from typing import Any

import torch
from pydantic import Field
from transformers import PreTrainedModel

from danlu.machine.hub import local_folder
from danlu.model.folder import FILES, SETTINGS, open_model, outlined, settings_in
from danlu.model.label_rows import follow_labels, fresh_in_words, fresh_of, known_labels, refuse_missing
from danlu.model.new_tokens import make_room, widen
from danlu.model.padding import pad_alike, types_alike, types_as_given
from danlu.model.shape import Shape, shape_of
from danlu.model.source import Say, Source, borders_alike, unsaid
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer


class Pretrained(Source):
    """A network with weights from a folder, a hub name, or an earlier stage."""

    path: str = Field(description="local folder, '@stage', or a name on the hub such as google-bert/bert-base-chinese")
    dropout: float | None = Field(default=None, ge=0, lt=1, description="None: as the weights' configuration says")

    def build(
        self, auto_class: str, tokenizer: Tokenizer, config: dict[str, Any], say: Say = unsaid
    ) -> PreTrainedModel:
        """Load the weights in float32; a head that the folder does not hold starts fresh, which is said.

        The rows of a head that it holds follow their labels by name; labels without names (LABEL_0) are their numbers.
        Tokens that the tokenizer has beyond the one in the folder begin as the mean of the pieces they replace.

        Raises:
            Refusal: there is no such folder or name, it holds no safetensors, it needs code of its own, or it
                lacks weights of the trunk.
        """
        network = self._opened(auto_class, tokenizer, config, say, whole=False)
        types_alike(network, tokenizer)
        return network

    def whole(
        self, auto_class: str, tokenizer: Tokenizer, config: dict[str, Any], say: Say = unsaid
    ) -> PreTrainedModel:
        """The same of weights that are all there, to be asked as they are.

        Raises:
            Refusal: see `build`; or a part of what is asked would begin fresh, and so answer by chance.
        """
        network = self._opened(auto_class, tokenizer, config, say, whole=True)
        types_as_given(network, tokenizer)
        return network

    def _opened(
        self, auto_class: str, tokenizer: Tokenizer, config: dict[str, Any], say: Say, *, whole: bool
    ) -> PreTrainedModel:
        def fresh(told: str) -> None:
            if not whole:
                say(told)
            elif auto_class != "AutoModel":  # of a trunk alone nobody reads the pooler, and the rest is never fresh
                raise Refusal(f"{told}; what is asked of it must be learnt first, in a stage of kind 'train'")

        folder = local_folder(self.path, FILES)

        def opened(fields: dict[str, Any]) -> tuple[PreTrainedModel, dict[str, Any]]:
            return open_model(folder, self.path, auto_class, fields, self.dropout, ignore_mismatched_sizes=True)

        network, report = opened(config)
        if auto_class == "AutoModel":
            _empty_pooler(network, report)
        refuse_missing(self.path, network, fresh_of(report))
        if config.get("id2label"):
            known = {key: value for key, value in config.items() if key not in ("id2label", "label2id")}
            follow_labels(network, report, known_labels(folder), lambda: opened(known), self.path, say, fresh)
        elif lacking := fresh_of(report):
            fresh(fresh_in_words(self.path, lacking))
        if whole:
            _refuse_random_rows(self.path, network, tokenizer)
        make_room(network, tokenizer, folder, self.path, say)
        pad_alike(network, tokenizer, self.path)
        borders_alike(network, config)
        return network

    def outline(self, auto_class: str, tokenizer: Tokenizer, config: dict[str, Any]) -> PreTrainedModel:
        """What config.json describes; no weights are read or fetched. See `Source.outline`."""
        network: PreTrainedModel = outlined(self.path, auto_class, config, self.dropout)
        widen(network, tokenizer)
        pad_alike(network, tokenizer, self.path)
        types_alike(network, tokenizer)
        return network

    def shape(self) -> Shape:
        """As config.json says."""
        return shape_of(settings_in(local_folder(self.path, SETTINGS), self.path))

    def tokenizer_path(self) -> str | None:
        """The tokenizer lies beside the weights."""
        return self.path


@torch.no_grad()
def _empty_pooler(network: PreTrainedModel, report: dict[str, Any]) -> None:
    """Let a pooler that begins fresh be 0: of a trunk alone nobody reads it, and each opening would draw another."""
    for name, parameter in network.named_parameters():
        if name.startswith("pooler.") and name in report["missing_keys"]:
            parameter.zero_()


def _refuse_random_rows(path: str, network: PreTrainedModel, tokenizer: Tokenizer) -> None:
    """Refuse tokens for which the network has no row, but for the one that pads, which nobody reads."""
    rows = getattr(network.get_input_embeddings(), "num_embeddings", len(tokenizer))
    new = [token for token, number in tokenizer.get_vocab().items() if number >= rows and token != tokenizer.pad_token]
    if new:
        raise Refusal(
            f"{path}: its tokenizer has {len(tokenizer):,} tokens and the network rows for {rows:,}, so '{new[0]:.40}' "
            "would be read as noise; give the tokenizer that belongs to the weights, or train it first"
        )
