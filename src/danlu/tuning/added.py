"""What a method has added to a base, as a file of its own: safetensors that say which base they belong to."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from danlu.machine.door import file_inside, opened
from danlu.machine.files import full_disk_refused
from danlu.refusal import Refusal

ADDED = "added.safetensors"

_REMEDY = "save it again from the model that was trained"


def base_hash(weights: Mapping[str, Tensor]) -> str:
    """The SHA-256 of names, shapes and values, in the order of the names; values as float32."""
    found = hashlib.sha256()
    for name, value in sorted(weights.items()):
        found.update(f"{name} {tuple(value.shape)}\n".encode())
        found.update(value.detach().float().cpu().contiguous().numpy().data)
    return found.hexdigest()


def write(path: Path, tensors: Mapping[str, Tensor], kind: str, base: Mapping[str, Tensor] | str) -> None:
    """Write what the method `kind` has added to `base`, or its hash. Raises `Refusal` where the disk is full."""
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    plain = {name: value.float() if value.is_floating_point() else value for name, value in plain.items()}
    with full_disk_refused(path):
        told = base if isinstance(base, str) else base_hash(base)
        save_file(plain, path, {"format": "pt", "method": kind, "base": told})


def read(path: Path, kind: str, base: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `write` wrote there.

    Raises:
        Refusal: there is no such file or it is damaged, it is of another method, or belongs to another base.
    """
    found, told = stored(path, kind)
    if told != base_hash(base):
        raise Refusal(
            f"{path}: belongs to other base weights than these, with which it would answer wrongly; give the "
            "model that it was trained on, in float32"
        )
    return found


def stored(path: Path, kind: str) -> tuple[dict[str, Tensor], str]:
    """What `write` wrote there, and the hash of the base that it says.

    Raises:
        Refusal: there is no such file or it is damaged, or it is of another method.
    """
    file = file_inside(path.parent, path.name)
    with opened(path, "what was added to a model cannot be read there", _REMEDY), safe_open(file, "pt") as written:
        told = written.metadata() or {}
        if told.get("method") != kind:
            raise Refusal(f"{path}: was not left by the method '{kind}'; give what it has saved")
        return {name: written.get_tensor(name) for name in written.keys()}, told.get("base", "")  # noqa: SIM118


def fill(places: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    """Copy what was found into the tensors of the same names, in place.

    Raises:
        Refusal: names or shapes are others, so the method has other settings; nothing was copied.
    """
    wrong = places.keys() ^ found.keys()
    wrong |= {name for name in places.keys() & found.keys() if places[name].shape != found[name].shape}
    if wrong:
        raise Refusal(
            f"{path}: '{min(wrong):.200}' does not fit the model; give the settings of tuning that it was saved with"
        )
    with torch.no_grad():
        for name, value in found.items():
            places[name].copy_(value)
