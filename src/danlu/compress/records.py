"""What the commands of this floor are given, as records and settings."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from danlu.bundle import manifest
from danlu.compress.ladder import Target
from danlu.compress.recovery import DEFAULTS
from danlu.data.corpus.prepared import load
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import guess
from danlu.data.record import TRUTHS, Record
from danlu.recipe.part import find, nearest
from danlu.recipe.read import Written, keyed, sentences
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.train.settings import Training


def tested(data: Path, settings: Sequence[str], split: str, bundle: str) -> list[Record]:
    """The records of a file, or of a split of the folder of a prepare stage.

    Raises:
        Refusal: there are none, or they cannot be read.
    """
    return load(data, split) if data.is_dir() and not settings else _read(data, settings, bundle)


def settings_for(data: Path, settings: Sequence[str], file: Path | None, *, labelled: bool = True) -> list[str]:
    """Those of the `settings` of `data` that hold for another file too, if it has the same suffix.

    Of `columns` not those that the file calls as they should be, nor a truth where nobody looks at labels.

    Raises:
        Refusal: a setting is wrong, or the file cannot be read.
    """
    if file is None or file.is_dir() or file.suffix.lower() != data.suffix.lower():
        return []
    columns = keyed(settings).get("columns")
    if not isinstance(columns, dict):
        return list(settings)
    others = [setting for setting in settings if setting.partition("=")[0].split(".")[0] != "columns"]
    form = guess(str(file), settings=others)
    _, first = next(form.rows_of(form.shards()[0], BadRows()), (0, {}))
    there = [*first]
    own = {name for name, old in columns.items() if name in there and old not in there}  # called as they should be
    unread = own if labelled else own | TRUTHS
    known = {name: old for name, old in columns.items() if name not in unread}
    return [*others, f"columns={json.dumps(known, ensure_ascii=False)}"]


def trained(
    data: Path, train: Path | None, bundle: str, settings: Sequence[str] = ()
) -> tuple[list[Record], list[Record]]:
    """What may be learnt from, and what a training is validated on: of `train`, or of the splits beside the test.

    `settings` tell how `train` is to be read.

    Raises:
        Refusal: they cannot be read.
    """
    if train is not None:
        if train.is_dir() and (train / "train.parquet").is_file():
            return _splits(train)
        return _read(train, settings, bundle), []
    return _splits(data) if data.is_dir() else ([], [])


def others_of(place: Path | None, bundle: str, settings: Sequence[str] = ()) -> list[Record]:
    """The records that are to confirm: of a file read by `settings`, or the test of a prepare stage; none of None.

    Raises:
        Refusal: they cannot be read, or there are none.
    """
    if place is None:
        return []
    if found := tested(place, settings, "test", bundle):
        return found
    raise Refusal(f"--confirm {place}: there are no records; give others, or leave it out")


def texts_of(file: Path | None, settings: Sequence[str] = ()) -> list[Record]:
    """The records of a file read by `settings`, whose labels, if there are any, nobody looks at; none of None.

    Raises:
        Refusal: they cannot be read, or there are none.
    """
    return [] if file is None else list(guess(str(file), settings=settings).read())


def target_of(text: str) -> Target:
    """What is to gain. Raises `Refusal` for what is not known."""
    known: list[Target] = [*get_args(Target)]
    for target in known:
        if target == text:
            return target
    raise Refusal(f"--target '{text}'{nearest(text, [*known])}: expected {', '.join(known)}")


def recovery_of(settings: Sequence[str]) -> Training | None:
    """How a network is trained after pruning; None for `none`. Raises `Refusal` for a setting that is not known."""
    if list(settings) == ["none"]:
        return None
    given = keyed(settings)
    told = {key: value for key, value in DEFAULTS.items() if key != "epochs" or "steps" not in given}
    try:
        return Training.model_validate(told | given)
    except ValidationError as error:
        raise Refusal(f"--recovery: {sentences(error, Written('train', {}))}") from None


def _splits(folder: Path) -> tuple[list[Record], list[Record]]:
    train, validation = (
        load(folder, name) if (folder / f"{name}.parquet").is_file() else [] for name in ("train", "validation")
    )
    return train, validation


def _read(path: Path, settings: Sequence[str], bundle: str) -> list[Record]:
    task = find(Task, manifest.read(manifest.find(bundle))["task"]["kind"])  # type: ignore[type-abstract]
    return list(guess(str(path), settings=settings).read(labelled="label" in task.columns))
