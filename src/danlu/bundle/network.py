"""A network with its tokenizer from a bundle, or from any Hugging Face folder or hub name, to be used as it is."""

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from danlu.bundle import manifest
from danlu.data.cleaning.clean import rewriters_of
from danlu.data.cleaning.cleaner import Rewriter
from danlu.machine.device import device
from danlu.machine.door import read_json
from danlu.machine.hub import local_folder
from danlu.model.folder import open_model, settings_in
from danlu.model.shape import Shape, shape_of
from danlu.refusal import Refusal
from danlu.text.tokenizing.folder import open_tokenizer
from danlu.text.tokenizing.tokenizer import Tokenizer

FILES = ["*.json", "*.safetensors", "vocab*", "merges.txt", "*.model", "*.spm"]

LANGUAGE_MODELS: dict[Shape, str] = {
    "decoder": "AutoModelForCausalLM",
    "encoder_decoder": "AutoModelForSeq2SeqLM",
    "encoder": "AutoModelForMaskedLM",
}
"""How transformers calls the class that says words, by shape."""


def open_network(path: str, auto_class: str) -> tuple[PreTrainedModel, Tokenizer]:
    """The network as `transformers`' `auto_class` opens it, in float32, and the tokenizer beside it.

    A bundle is checked against its hashes first. Raises `Refusal` where there is no such folder or name, a bundle has
    changed, weights are missing or no safetensors, or there is no fast tokenizer.
    """
    folder, _ = _checked(path)
    return _opened(folder, path, auto_class)


def languages_of(path: str) -> tuple[str | None, str | None]:
    """The languages of a bundle that `open_network` has opened, as its task names them; none of any other folder."""
    file = _folder(path) / manifest.NAME
    told = read_json(file, "copy the bundle again").get("task", {}) if file.is_file() else {}
    return told.get("source_language"), told.get("target_language")


def open_language_model(path: str) -> tuple[PreTrainedModel, Tokenizer, list[Rewriter]]:
    """The network with the head that says words, whatever its shape; its tokenizer; what rewrites texts before it.

    Raises `Refusal` as `open_network` does.
    """
    folder, facts = _checked(path)
    model, tokenizer = _opened(folder, path, LANGUAGE_MODELS[shape_of(settings_in(folder, path))])
    return model, tokenizer, rewriters_of(facts.get("cleaners", []), str(folder / manifest.NAME))


def _checked(path: str) -> tuple[Path, dict[str, Any]]:
    """The folder, and of a bundle what `danlu.json` says."""
    folder = _folder(path)
    if not (folder / manifest.NAME).is_file():
        return folder, {}
    facts = manifest.read(folder)
    if served := manifest.served_by(folder):
        raise Refusal(
            f"{path}: is served by its adapter '{served}', and its weights alone are not the model; give one "
            "without adapters"
        )
    return folder, facts


def _opened(folder: Path, path: str, auto_class: str) -> tuple[PreTrainedModel, Tokenizer]:
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
