"""What a bundle may be computed in on this machine, and a bundle that is computed in it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from danlu.bundle import golden, manifest
from danlu.bundle.bundle import open_folder
from danlu.compress.rung import PRECISIONS
from danlu.data.record import Record
from danlu.engine.engines.torch import Torch
from danlu.machine.files import folder_in_place


def computed_here() -> list[str]:
    """What can stand at the end of a rung here."""
    return [*PRECISIONS]


def computed_in(bundle: Path, what: str, folder: Path, records: Sequence[Record]) -> Path:
    """The bundle, made anew in `folder` so that it is computed in `what`; `records` are like those that it answers.

    Raises:
        Refusal: it cannot be.
    """
    _in_precision(bundle, what, folder)
    return folder


def _in_precision(bundle: Path, precision: str, folder: Path) -> None:
    """The same weights, computed by torch in another number format, with golden outputs that are its own."""
    facts = manifest.read(bundle)
    facts["engine"] = Torch.model_validate({"precision": precision}).to_plain()
    with folder_in_place(folder) as temporary:
        for name in facts["files"]:
            manifest.copy(bundle, name, temporary)
        if (bundle / manifest.CARD).is_file():
            shutil.copyfile(bundle / manifest.CARD, temporary / manifest.CARD)
        with open_folder(temporary, facts, None, None) as opened:
            golden.write(temporary, opened.predictor, golden.read(bundle)["records"])
        manifest.write(temporary, facts)
