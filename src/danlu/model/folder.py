"""The one door for folders of models: what is opened there is safetensors, and settings that fit them.

Transformers never sees the folder itself, but one that is made for it (`danlu.machine.door.staged`): links to weights
that were looked at, and settings without those that would fetch code, kernels or packages, or lead elsewhere.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

import danlu.model.gru  # noqa: F401 - which transformers knows then
from danlu.machine.door import file_inside, opened, read_json, staged
from danlu.machine.hub import local_folder
from danlu.machine.quiet import quiet
from danlu.model.limits import bounded, refuse_counts
from danlu.model.source import refuse_without
from danlu.model.weightless import weightless
from danlu.model.weights import FLOATS, INDEX, SINGLE, Weights, find_weights
from danlu.refusal import Refusal

CONFIG, GENERATION = "config.json", "generation_config.json"

FILES = ["*.json", "*.safetensors", "vocab*", "merges.txt", "*.model", "*.spm", "*.jinja"]
"""What is fetched of a name on the hub."""

SETTINGS = [pattern for pattern in FILES if not pattern.endswith(".safetensors")]
"""The same without weights."""

OVERRULED = {
    "attn_implementation", "_attn_implementation", "_attn_implementation_internal",
    "experts_implementation", "_experts_implementation", "_experts_implementation_internal",
    "quantization_config", "compression_config", "kernel_config", "use_kernels", "fusion_config",
    "auto_map", "custom_pipelines", "custom_generate", "transformers_weights", "extra_files",
    "cache_implementation", "cache_config", "compile_config", "watermarking_config",
    "distributed_config", "tp_plan", "device_map", "adapter_kwargs", "gguf_file", "subfolder", "revision",
    "dtype", "torch_dtype", "name_or_path", "_name_or_path", "_commit_hash",
    "return_dict", "torchscript", "output_attentions", "output_hidden_states",
}  # fmt: skip
"""Settings that reach code, packages or files other than these, or change what a model gives; ours hold instead."""

_LAYER = re.compile(r"\.(layers?|h|blocks?)\.\d+\.")
_TROUBLE = "no model could be read there"
_REMEDY = "give a folder with config.json and model.safetensors, such as save_pretrained writes"


def open_model(
    folder: Path, name: str, auto_class: str, config: dict[str, Any], dropout: float | None = None, **how: Any
) -> tuple[Any, dict[str, Any]]:
    """The network as `transformers`' `auto_class` opens it, in float32, and what it tells of missing weights.

    `name` is what the user calls the folder, `config` overrides its settings, `how` goes to `from_pretrained`.

    Raises:
        Refusal: there are no safetensors, they are quantised or damaged, they lie outside of the folder, or the
            settings are none, describe another network, or need code that comes with the folder.
    """
    import transformers

    weights = find_weights(folder, name)
    settings = _settings(folder, name, weights)
    with (
        opened(name, _TROUBLE, _REMEDY),
        staged(folder, weights.files, settings) as stage,
        bounded(weights.elements, len(weights.shapes), name),
        quiet(),
    ):
        read = transformers.AutoConfig.from_pretrained(stage, trust_remote_code=False, local_files_only=True, **config)
        refuse_without(auto_class, read, name)
        _set_dropout(read, dropout)
        network, report = getattr(transformers, auto_class).from_pretrained(
            stage,
            config=read,
            dtype="float32",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            **how,
        )
        network.name_or_path = network.config.name_or_path = str(folder)
        _refuse_unused(name, network, report["unexpected_keys"])
    return network, report


def settings_in(folder: Path, name: str) -> PreTrainedConfig:
    """The configuration of the network in a folder, read without its weights.

    Raises:
        Refusal: there is none, or none that transformers knows without code that comes with the folder.
    """
    from transformers import AutoConfig

    plain = overruled(read_json(file_inside(folder, CONFIG), _REMEDY))
    with opened(name, _TROUBLE, _REMEDY), quiet():
        found: PreTrainedConfig = AutoConfig.for_model(**plain)
    return found


def outlined(path: str, auto_class: str, config: dict[str, Any], dropout: float | None = None) -> Any:
    """The network that a folder or a name on the hub describes, on the meta device; no weights are read or fetched.

    Raises:
        Refusal: see `settings_in`; or it describes none of this class.
    """
    import torch
    import transformers

    read = settings_in(local_folder(path, SETTINGS), path)
    refuse_without(auto_class, read, path)
    _set_dropout(read, dropout)
    for name, value in config.items():
        setattr(read, name, value)
    with opened(path, _TROUBLE, _REMEDY), quiet(), torch.device("meta"):
        return weightless(getattr(transformers, auto_class).from_config(read))


def _refuse_unused(name: str, network: Any, unused: Iterable[str]) -> None:
    """Refuse weights of a layer beside which there are others, but which the settings leave no place for."""
    known = {_LAYER.sub(".", f".{key}") for key in network.state_dict()}
    for key in sorted(unused):
        place = _LAYER.sub(".", f".{key}")
        if _LAYER.search(f".{key}") and any(other.endswith(place) for other in known):
            raise Refusal(
                f"{name}: holds the weights '{key:.200}', for which config.json has no layer; the folder is damaged or "
                "of two models, copy it again"
            )


def overruled(plain: Any) -> Any:
    """Settings without those of `OVERRULED`, also where they are nested."""
    if isinstance(plain, dict):
        return {key: overruled(value) for key, value in plain.items() if key not in OVERRULED}
    return [overruled(value) for value in plain] if isinstance(plain, list) else plain


def _settings(folder: Path, name: str, weights: Weights) -> dict[str, dict[str, Any]]:
    """The json files of the stage by name."""
    plain = read_json(file_inside(folder, CONFIG), _REMEDY)
    if (folder / "adapter_config.json").exists():
        raise Refusal(
            f"{name}: holds an adapter beside the weights (adapter_config.json); merge the two with peft's "
            "merge_and_unload and save that, or move the adapter elsewhere"
        )
    if plain.get("quantization_config") and not FLOATS.issuperset(weights.kinds.values()):
        raise Refusal(f"{name}: its weights are quantised ('quantization_config' of {CONFIG}); give those before that")
    read = overruled(plain)
    refuse_counts(read, weights.shapes, name)
    settings = {CONFIG: read}
    if (folder / GENERATION).exists():
        settings[GENERATION] = _numbers(read_json(file_inside(folder, GENERATION), _REMEDY))
    if weights.files != [SINGLE]:
        settings[INDEX] = weights.index()
    return settings


def _numbers(plain: dict[str, Any]) -> dict[str, Any]:
    """Settings of generation that are numbers or lists of them; texts and mappings name code: caches, compilers."""
    return {key: value for key, value in plain.items() if _is_number(value) and key not in OVERRULED}


def _is_number(value: Any) -> bool:
    return all(map(_is_number, value)) if isinstance(value, list) else isinstance(value, int | float | None)


def _set_dropout(settings: Any, dropout: float | None) -> None:
    names = ("hidden_dropout_prob", "attention_probs_dropout_prob", "resid_pdrop", "embd_pdrop", "attn_pdrop")
    for name in (*names, "attention_dropout", "dropout", "dropout_rate"):
        if dropout is not None and hasattr(settings, name):
            setattr(settings, name, dropout)
