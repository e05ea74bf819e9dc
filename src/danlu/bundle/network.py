"""A network with its tokenizer from a bundle, or from any Hugging Face folder or hub name, to be used as it is."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel

from danlu.bundle import manifest
from danlu.machine.device import device
from danlu.machine.hub import first_line, local_folder
from danlu.model.quiet import quiet
from danlu.refusal import Refusal
from danlu.text.tokenizer import Tokenizer

FILES = ["*.json", "*.safetensors", "vocab*", "merges.txt", "*.model", "*.spm"]


def open_network(path: str, auto_class: str) -> tuple[PreTrainedModel, Tokenizer]:
    """The network as `transformers`' `auto_class` opens it, in float32, and the tokenizer beside it.

    A bundle is checked against its hashes first. Raises `Refusal` where there is no such folder or name, a bundle has
    changed, weights are missing or no safetensors, or there is no fast tokenizer.
    """
    import transformers

    folder = _folder(path)
    if (folder / manifest.NAME).is_file():
        manifest.read(folder)
    try:
        with quiet():
            model, told = getattr(transformers, auto_class).from_pretrained(
                folder,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
            tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise Refusal(
            f"{path}: no model for {auto_class} could be read there ({first_line(error)}); give a bundle, or a folder "
            "with config.json, model.safetensors and a tokenizer"
        ) from error
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
