"""How a GGUF file scales the rotary positions of a model, which transformers 5.23 passes over for most families."""

import copy
from pathlib import Path
from typing import Any

from danlu.refusal import Refusal

FREQUENCIES = "rope_freqs.weight"
"""The tensor by which the frequencies of Llama 3.1 and later are divided, in place of settings."""

SETTINGS = {
    "factor": "factor",
    "original_context_length": "original_max_position_embeddings",
    "yarn_beta_fast": "beta_fast",
    "yarn_beta_slow": "beta_slow",
}
"""What files say of a scaling, and what transformers calls it."""

KINDS = {"linear": ("factor",), "yarn": tuple(SETTINGS)}

WITHOUT_EFFECT: dict[str, Any] = {"attn_factor": 1.0, "yarn_ext_factor": 1.0, "yarn_attn_factor": 1.0}
"""Further settings of files, at the values at which they change nothing; `finetuned` never does."""

LLAMA = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
"""Of all Llama 3.1, 3.2 and 3.3; only how often longer texts may be differs, by 'factor'."""

_FOLDER = "give the folder that the file was made of"


def scale_positions(settings: Any, reader: Any, path: Path) -> None:
    """Put into the settings of a model how the file of a `gguf.GGUFReader` scales its positions.

    Raises:
        Refusal: it does so in a way that transformers has no settings for.
    """
    found = getattr(settings, "rope_parameters", None)
    if found is None:
        return
    target = found.get("full_attention", found)  # Gemma 3 scales those layers alone that see all that is before
    if target.get("rope_type", "default") != "default":  # of GPT-OSS and Gemma 4 transformers knows it
        return
    target.update(_told(reader, path))
    for tensor in reader.tensors:
        if tensor.name == FREQUENCIES and not bool((tensor.data == 1).all()):
            target.update(_of_frequencies(tensor.data, settings, path))


def _told(reader: Any, path: Path) -> dict[str, Any]:
    """What the settings of a file say; nothing where they scale nothing."""
    family = reader.get_field("general.architecture").contents()
    prefix = f"{family}.rope.scaling."
    told = {
        key.removeprefix(prefix): field.contents() for key, field in reader.fields.items() if key.startswith(prefix)
    }
    kind, _ = told.pop("type", "linear"), told.pop("finetuned", None)
    older = reader.get_field(f"{family}.rope.scale_linear")
    if older is not None:
        told.setdefault("factor", older.contents())
    told = {key: value for key, value in told.items() if value != WITHOUT_EFFECT.get(key)}
    if kind == "none" or (kind == "linear" and told.get("factor", 0) in (0, 1)):
        return {}
    unread = sorted(told.keys() - KINDS.get(kind, ()))
    if unread or kind not in KINDS:
        what = ", ".join(f"'{each}'" for each in (kind, *unread))
        raise Refusal(f"{path}: its positions are scaled by {what}, which is not read from GGUF files; {_FOLDER}")
    return {"rope_type": kind} | {SETTINGS[key]: value for key, value in told.items()}


def _of_frequencies(divisors: Any, settings: Any, path: Path) -> dict[str, Any]:
    """The settings of Llama 3.1 that give the same frequencies as the tensor of a file."""
    import torch
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    by, tried = torch.from_numpy(divisors.astype("float32")), copy.deepcopy(settings)
    told = {"rope_type": "llama3", "factor": float(by.max()), **LLAMA}
    tried.rope_parameters.update(told)
    given, _ = ROPE_INIT_FUNCTIONS["llama3"](tried, torch.device("cpu"))
    places = torch.arange(len(by)) / len(by)
    expected = float(tried.rope_parameters["rope_theta"]) ** -places / by
    twice = settings.rope_parameters.get("rope_type", "default") != "default"
    if twice or given.shape != expected.shape or not torch.allclose(given, expected, rtol=1e-4, atol=0):
        raise Refusal(
            f"{path}: its positions are scaled by the tensor '{FREQUENCIES}', and not as Llama 3.1 does it, which is "
            f"not read from GGUF files; {_FOLDER}"
        )
    return told
