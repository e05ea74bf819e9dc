"""What a training leaves: a bundle, and beside it what was added, where a base stayed as it was."""

from pathlib import Path
from typing import Any

from torch import nn

from danlu.bundle import adapter, golden, manifest
from danlu.bundle.bundle import save
from danlu.machine.files import folder_in_place
from danlu.stages.ready import Prepared
from danlu.stages.stage import Place


def leave(place: Place, prepared: Prepared, model: nn.Module, provenance: dict[str, Any], **how: Any) -> None:
    """Write `bundle`, and `adapter` where `model`, float32, has weights that the method left as they were.

    A method that cannot be merged leaves the bundle of its base, which its adapter serves. `how` goes to
    `danlu.bundle.bundle.save`.
    """
    method, bundle = prepared.tuning, place.folder / "bundle"
    said = (prepared.tokenizer, prepared.task)
    how |= {"provenance": provenance, "rewriters": prepared.rewriters, "language": place.language}
    if method.mergeable and not method.base(model):
        save(bundle, method.merge(model), *said, **how)
        place.say(f"{place.name}: bundle in {bundle}")
        return
    path = prepared.source.tokenizer_path()
    with folder_in_place(place.folder / "adapter") as folder:
        told = adapter.save(
            folder, model, method, *said, provenance=provenance, rewriters=prepared.rewriters, base=path
        )
        if method.mergeable:
            save(bundle, method.merge(model), *said, **how)
            manifest.copy(bundle, golden.NAME, folder)
        else:
            save(bundle, prepared.base_model(), *said, adapter=(method.kind, folder, told), **how)
            manifest.copy(adapter.folder_of(bundle, method.kind), golden.NAME, folder)
        adapter.seal(folder, told)
    served = "" if method.mergeable else f"; it is the base, served by its adapter '{method.kind}'"
    place.say(f"{place.name}: bundle in {bundle}{served}")
    beside = "" if path and (Path(path) / manifest.NAME).is_file() else " --output FOLDER"
    place.say(
        f"{place.name}: adapter in {place.folder / 'adapter'}; put it beside others on its base with: "
        f"danlu adapt {path or 'BASE'} {place.folder / 'adapter'} --name NAME{beside}"
    )
