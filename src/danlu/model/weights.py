"""Weights in a folder: which files hold them, and what their headers say; nothing but safetensors is ever opened."""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from danlu.machine.door import file_inside, opened, read_json
from danlu.refusal import Refusal

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
FLOATS = {"F64", "F32", "F16", "BF16"}
_OTHERS = {"I64", "I32", "U8", "BOOL"}  # positions and masks, which old files hold beside the weights

_REMEDY = "give a folder with config.json and model.safetensors, such as save_pretrained writes"
_GRAPHS = (".onnx", ".xml")
_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}
_MOST_DIMENSIONS = 16


@dataclass(frozen=True)
class Weights:
    """Files of weights, and the shape of every tensor in them, as their headers say.

    - `files`: names within the folder.
    - `shapes`, `places`, `kinds`: the shape, the file and the number format of each tensor.
    """

    files: list[str]
    shapes: dict[str, tuple[int, ...]]
    places: dict[str, str]
    kinds: dict[str, str]

    @property
    def elements(self) -> int:
        """Numbers in all tensors together."""
        return sum(map(prod, self.shapes.values()))

    def index(self) -> dict[str, Any]:
        """What `model.safetensors.index.json` has to say of these files."""
        return {"metadata": {"total_size": 4 * self.elements}, "weight_map": self.places}


def find_weights(folder: Path, name: str) -> Weights:
    """The weights of a folder which the user has called `name`; the headers alone are read.

    Raises:
        Refusal: there are none, they are pickles, they lie outside of the folder, or a header is damaged.
    """
    if (folder / SINGLE).exists():
        files = [SINGLE]
    elif (folder / INDEX).exists():
        files = _indexed(folder)
    else:
        _refuse_others(folder, name)
    found = Weights(files, {}, {}, {})
    for file in files:
        _add(found, folder, file)
    return found


def _indexed(folder: Path) -> list[str]:
    path = folder / INDEX
    places = read_json(path, _REMEDY).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise Refusal(f"{path}: 'weight_map' is missing or no mapping; {_REMEDY}")
    files = list(dict.fromkeys(map(str, places.values())))
    wrong = [file for file in files if not file.endswith(".safetensors") or "/" in file or "\\" in file]
    if wrong:
        raise Refusal(
            f"{path}: names '{wrong[0]:.200}', but weights are read from files of this folder that end in .safetensors "
            "alone; convert them with save_pretrained on a machine that you trust them on"
        )
    return files


def _refuse_others(folder: Path, name: str) -> Any:
    there = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
    if "adapter_config.json" in there:
        raise Refusal(
            f"{folder}: holds an adapter (adapter_config.json) without the weights that it belongs to; merge the two "
            "with peft's merge_and_unload, and give the folder that save_pretrained writes of them"
        )
    pickles = [file for file in there if Path(file).suffix in _PICKLES]
    if pickles:
        raise Refusal(
            f"{folder / pickles[0]}: weights in a pickle can run code and are not loaded; "
            "convert them to model.safetensors with save_pretrained on a machine that you trust them on"
        )
    graphs = [file for file in there if Path(file).suffix in _GRAPHS]
    if graphs:
        raise Refusal(
            f"{folder}: holds a graph for another engine ({graphs[0]}) and no weights of torch; give the bundle or the "
            "folder that it was exported from"
        )
    raise Refusal(f"{name}: no model could be read there (it holds no {SINGLE}); {_REMEDY}")


def _add(found: Weights, folder: Path, file: str) -> None:
    """Put down what the header of one more file says."""
    from safetensors import safe_open

    path = file_inside(folder, file)
    with opened(path, "no model could be read there", _REMEDY), safe_open(path, "pt") as stored:
        for key in stored.keys():  # noqa: SIM118
            part = stored.get_slice(key)
            shape, kind = tuple(part.get_shape()), part.get_dtype()
            if kind not in FLOATS | _OTHERS:
                raise Refusal(
                    f"{path}: '{key:.200}' holds numbers of the kind {kind}, which are quantised; give weights in "
                    "float32, float16 or bfloat16"
                )
            if len(shape) > _MOST_DIMENSIONS:
                raise Refusal(f"{path}: '{key:.200}' has {len(shape)} dimensions; {_REMEDY}")
            found.shapes[key], found.places[key], found.kinds[key] = shape, file, kind
