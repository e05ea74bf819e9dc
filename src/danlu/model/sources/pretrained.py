"""Weights that are there already: in a local folder, or on the Hugging Face hub."""

from pathlib import Path
from typing import Any

from pydantic import Field
from safetensors import SafetensorError
from transformers import PreTrainedModel

from danlu.machine.hub import first_line, local_folder
from danlu.model.label_rows import follow_labels, fresh_in_words, fresh_of, labels_of
from danlu.model.new_tokens import make_room
from danlu.model.quiet import quiet
from danlu.model.source import Say, Source, unsaid
from danlu.refusal import Refusal
from danlu.text.tokenizer import Tokenizer

FILES = ["*.json", "*.safetensors", "vocab*", "merges.txt", "*.model"]


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
        import transformers

        folder = local_folder(self.path, FILES)
        _refuse_pickles(folder)
        try:
            given, settings = (
                transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, **fields)
                for fields in ({}, config)
            )
            _set_dropout(settings, self.dropout)
            network, report = _opened(folder, auto_class, settings)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise Refusal(
                f"{self.path}: no model could be read there ({first_line(error)}); "
                "give a folder with config.json and model.safetensors, such as save_pretrained writes"
            ) from error
        _refuse_missing(self.path, network, report)
        if config.get("id2label"):
            follow_labels(network, report, labels_of(given), lambda: _opened(folder, auto_class, given), self.path, say)
        elif fresh := fresh_of(report):
            say(fresh_in_words(self.path, fresh))
        make_room(network, tokenizer, folder, self.path)
        if network.config.pad_token_id is None:  # a decoder that classifies looks for the last token before padding
            network.config.pad_token_id = tokenizer.pad_token_id
        return network

    def tokenizer_path(self) -> str | None:
        """The tokenizer lies beside the weights."""
        return self.path


def _opened(folder: Path, auto_class: str, settings: Any) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The network, and what of it the folder does not hold."""
    import transformers

    with quiet():
        network, report = getattr(transformers, auto_class).from_pretrained(
            folder,
            config=settings,
            dtype="float32",
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    return network, report


def _set_dropout(settings: Any, dropout: float | None) -> None:
    names = ("hidden_dropout_prob", "attention_probs_dropout_prob", "resid_pdrop", "embd_pdrop", "attn_pdrop")
    for name in (*names, "attention_dropout", "dropout", "dropout_rate"):
        if dropout is not None and hasattr(settings, name):
            setattr(settings, name, dropout)


def _refuse_pickles(folder: Path) -> None:
    if list(folder.glob("*.safetensors")):
        return
    pickles = [file.name for file in folder.iterdir() if file.suffix in {".bin", ".pt", ".pth", ".pkl", ".ckpt"}]
    if pickles:
        raise Refusal(
            f"{folder / pickles[0]}: weights in a pickle can run code and are not loaded; "
            "convert them to model.safetensors with save_pretrained on a machine that you trust them on"
        )


def _refuse_missing(path: str, network: PreTrainedModel, report: dict[str, Any]) -> None:
    """Weights above the trunk, its pooler included, may start fresh; those of the trunk may not."""
    trunk: Any = network.base_model
    names = {key for key, _ in network.named_parameters()} if trunk is network else None
    prefix = f"{network.base_model_prefix}."
    lacking = [
        key
        for key in fresh_of(report)
        if (key in names if names is not None else key.startswith(prefix)) and ".pooler." not in key
    ]
    if lacking:
        raise Refusal(
            f"{path}: {len(lacking)} tensors of the trunk are missing or of another shape than config.json says, "
            f"the first being {lacking[0]}; the folder is damaged or of another architecture"
        )
