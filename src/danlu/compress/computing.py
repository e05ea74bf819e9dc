"""What a bundle may be computed in on this machine, and a bundle that is computed in it."""

import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from danlu.bundle import card, golden, manifest
from danlu.bundle.bundle import open_folder
from danlu.data.record import Record
from danlu.engine.engines.torch import Torch
from danlu.export.export import export
from danlu.export.target import Target
from danlu.machine.device import best_dtype
from danlu.machine.files import folder_in_place, write_text
from danlu.machine.seed import drawn
from danlu.recipe.part import find
from danlu.refusal import Refusal

PRECISIONS = ("float32", "bfloat16")
"""Number formats in which the engine torch computes."""

LIBRARIES = {"onnx": ("onnx", "onnxruntime"), "openvino": ("openvino", "nncf")}
"""Of each target that gives a bundle, what has to be installed."""

CALIBRATION = 300  # records of which scales are learnt, drawn from all


def computed() -> list[str]:
    """All that can stand at the end of a rung: a number format of torch, or target and precision of an export."""
    exported = [
        f"{kind}-{precision}"
        for kind in LIBRARIES
        for precision in get_args(find(Target, kind).model_fields["precision"].annotation)  # type: ignore[type-abstract]
    ]
    return [*PRECISIONS, *exported]


def computed_here(*, writes: bool) -> list[str]:
    """Those that this machine has libraries for, and that are worth trying: number formats, and int8.

    A step of writing reads all weights for a few tokens, so where a task `writes`, weights alone have 8 bits rather
    than scales that are learnt.
    """
    there = [kind for kind, libraries in LIBRARIES.items() if all(map(_is_installed, libraries))]
    wanted = ("float32", "bfloat16", "int8_dynamic", "int8_weights" if writes else "int8_static")
    fast = str(best_dtype()).removeprefix("torch.") == "bfloat16"
    found = [what for what in computed() if what.partition("-")[0] in there and what.partition("-")[2] in wanted]
    return [*PRECISIONS, *(what for what in found if fast or not what.endswith("bfloat16"))]


def computed_in(bundle: Path, what: str, folder: Path, records: Sequence[Record]) -> Path:
    """The bundle, made anew in `folder` so that it is computed in `what`; of `records` scales are learnt.

    Raises:
        Refusal: it cannot be, a library is not installed, or scales need records and there are none.
    """
    if what in ("auto", *PRECISIONS):
        in_precision(bundle, what, folder)
        return folder
    kind, _, precision = what.partition("-")
    target = Target.model_validate({"kind": kind, "precision": precision})
    if learns(what) and not records:
        raise Refusal(
            f"'{what}' learns how large activations become, of records that may be learnt from, and there are none; "
            "give the folder of a prepare stage with a training split, or --train FILE"
        )
    export(bundle, folder, target, records=drawn(records, CALIBRATION, 0, "calibrate") or None)
    return folder


def learns(what: str | None) -> bool:
    """Whether scales of records that are shown are a part of it."""
    kind, dash, precision = (what or "").partition("-")
    return bool(dash) and precision in find(Target, kind).learns  # type: ignore[type-abstract]


def as_it_came(before: Path, after: Path) -> dict[str, Any]:
    """The provenance of a bundle trained from another: its recipe and what was taken out, then what it learnt."""
    learnt = manifest.read(after).get("provenance", {})
    told = ("fingerprint", "records", "best_step", "validation", "teacher")
    kept = {key: learnt[key] for key in told if key in learnt}
    return {**manifest.read(before).get("provenance", {}), **kept}


def in_precision(bundle: Path, precision: str, folder: Path, *, provenance: Mapping[str, Any] | None = None) -> None:
    """The same weights, computed by torch in another number format, with golden outputs that are its own.

    `provenance` is told in place of the bundle's own, where it is given.
    """
    facts = manifest.read(bundle)
    facts["engine"] = Torch.model_validate({"precision": precision}).to_plain()
    with folder_in_place(folder) as temporary:
        for name in facts["files"]:
            manifest.copy(bundle, name, temporary)
        if (bundle / manifest.CARD).is_file():
            shutil.copyfile(bundle / manifest.CARD, temporary / manifest.CARD)
        with open_folder(temporary, facts, None, None) as opened:
            golden.write(temporary, opened.predictor, golden.read(bundle)["records"])
            if provenance is not None:
                facts["provenance"] = dict(provenance)
                name, language = str(provenance.get("recipe", folder.name)), facts.get("language", "en")
                write_text(temporary / manifest.CARD, card.write(name, facts, opened.task, language))
        manifest.write(temporary, facts)


def _is_installed(module: str) -> bool:
    return find_spec(module) is not None
