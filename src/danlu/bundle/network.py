"""A network with its tokenizer from a bundle, or from any Hugging Face folder or hub name, to be used as it is."""

from pathlib import Path

from transformers import PreTrainedModel

from danlu.bundle import manifest
from danlu.machine.device import device
from danlu.machine.hub import local_folder
from danlu.model.folder import open_model
from danlu.refusal import Refusal
from danlu.text.tokenizing.folder import open_tokenizer
from danlu.text.tokenizing.tokenizer import Tokenizer

FILES = ["*.json", "*.safetensors", "vocab*", "merges.txt", "*.model", "*.spm"]


def open_network(path: str, auto_class: str) -> tuple[PreTrainedModel, Tokenizer]:
    """The network as `transformers`' `auto_class` opens it, in float32, and the tokenizer beside it.

    A bundle is checked against its hashes first. Raises `Refusal` where there is no such folder or name, a bundle has
    changed, weights are missing or no safetensors, or there is no fast tokenizer.
    """
    folder = _folder(path)
    if (folder / manifest.NAME).is_file():
        manifest.read(folder)
        if served := manifest.served_by(folder):
            raise Refusal(
                f"{path}: is served by its adapter '{served}', and its weights alone are not the model; give one "
                "without adapters"
            )
    model, told = open_model(folder, path, auto_class, {})
    tokenizer = open_tokenizer(folder, path)
    lacking = [name for name in sorted(map(str, told["missing_keys"])) if not name.endswith("position_ids")]
    if lacking:
        raise Refusal(
            f"{path}: holds no weights for '{lacking[0]}', so it was not trained as {auto_class}; give a model that was"
        )
    return model.to(device()).eval(), tokenizer


def _folder(path: str) -> Path:
    folder = local_folder(path, FILES)
    inside = folder / "bundle"
    return inside if not (folder / "config.json").is_file() and (inside / manifest.NAME).is_file() else folder
