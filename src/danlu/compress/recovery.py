"""A training after something was taken out, so that what is left makes up for it (Han et al., 2015)."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from danlu.bundle import manifest
from danlu.compress.following import Following
from danlu.data.cleaning.clean import clean_records, rewriters_of
from danlu.data.corpus.prepared import CLEANERS, save_split
from danlu.data.record import Record
from danlu.machine.files import folder_in_place, write_text
from danlu.stages.kinds.train import Train
from danlu.stages.stage import Place
from danlu.task.calibrated import FEWEST
from danlu.train.settings import Training

DEFAULTS = {"epochs": 1.0, "rate": 5e-5}
"""A short training at a low rate, for most is there already; of `Training` where nobody says otherwise."""

UNLABELLED = "unlabelled"
"""The split of prepared data that has no labels."""


def keep_records(folder: Path, bundle: Path, splits: Mapping[str, Sequence[Record]]) -> None:
    """Write a prepared data set of records, in the form in which the bundle reads texts."""
    rewriters = rewriters_of(manifest.read(bundle).get("cleaners", []), str(bundle / manifest.NAME))
    with folder_in_place(folder) as temporary:
        for split, records in splits.items():
            if records:
                save_split(temporary, split, clean_records(records, rewriters).records)
        write_text(temporary / CLEANERS, json.dumps([part.to_plain() for part in rewriters], ensure_ascii=False) + "\n")


def recovered(
    bundle: Path,
    data: Path,
    folder: Path,
    training: Training,
    *,
    following: Following | None,
    teacher: Path,
    validations: int,
    fingerprint: str,
    seed: int,
    say: Callable[[str], None],
) -> Path:
    """Train a bundle on prepared data by the stage that trains; where that was interrupted, it goes on.

    Gives the folder of the trained bundle. `validations` is how many records there are to validate on, and `teacher`
    the bundle that is followed as `following` says.

    Raises:
        Refusal: what that stage refuses.
    """
    facts = manifest.read(bundle)
    section: dict[str, Any] = {
        "data": "@data",
        "model": {"kind": "pretrained", "path": str(bundle)},
        "task": unsettled(facts["task"], validations),
        "train": training.to_plain(),
    }
    if following is not None:
        section["teacher"] = following.section(teacher, f"@data:{UNLABELLED}")
    language = facts.get("language", "en")
    Train.model_validate(section).run(Place(folder, {"data": data}, fingerprint, seed, language, say))
    return folder / "bundle"


def unsettled(task: Mapping[str, Any], validations: int) -> dict[str, Any]:
    """A task without what it had chosen by answers that have moved, where there are records to choose it by again."""
    again = {
        "temperature": bool(task.get("calibrate")) and validations >= FEWEST,
        "threshold": task["kind"] == "answer" and validations > 0,
        "weight": bool(task.get("counted")) and validations > 0,
    }
    return {key: value for key, value in task.items() if not again.get(key)}
