"""A training after something was taken out, so that what is left makes up for it (Han et al., 2015)."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from danlu.bundle import manifest
from danlu.data.cleaning.clean import clean_records, rewriters_of
from danlu.data.corpus.prepared import CLEANERS, save_split
from danlu.data.record import Record
from danlu.machine.files import folder_in_place, write_text
from danlu.stages.kinds.train import Train
from danlu.stages.stage import Place
from danlu.train.settings import Training

DEFAULTS = {"epochs": 1.0, "rate": 5e-5}
"""A short training at a low rate, for most is there already; of `Training` where nobody says otherwise."""


def keep_records(folder: Path, bundle: Path, train: Sequence[Record], validation: Sequence[Record]) -> None:
    """Write a prepared data set of records, in the form in which the bundle reads texts."""
    rewriters = rewriters_of(manifest.read(bundle).get("cleaners", []), str(bundle / manifest.NAME))
    with folder_in_place(folder) as temporary:
        for split, records in (("train", train), ("validation", validation)):
            if records:
                save_split(temporary, split, clean_records(records, rewriters).records)
        write_text(temporary / CLEANERS, json.dumps([part.to_plain() for part in rewriters], ensure_ascii=False) + "\n")


def recovered(
    bundle: Path,
    data: Path,
    folder: Path,
    training: Training,
    *,
    fingerprint: str,
    seed: int,
    say: Callable[[str], None],
) -> Path:
    """Train a bundle on prepared data by the stage that trains; where that was interrupted, it goes on.

    Gives the folder of the trained bundle.

    Raises:
        Refusal: what that stage refuses.
    """
    facts = manifest.read(bundle)
    section = {
        "data": "@data",
        "model": {"kind": "pretrained", "path": str(bundle)},
        "task": facts["task"],
        "train": training.to_plain(),
    }
    language = facts.get("language", "en")
    Train.model_validate(section).run(Place(folder, {"data": data}, fingerprint, seed, language, say))
    return folder / "bundle"
