"""What a trial leaves that is not among the best: what it was run with, how it went, and no weights."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from danlu.recipe.lock import SHOWN
from danlu.stages.results import BESIDE

STAYS = (".yaml", ".json", ".jsonl")


def lighten(folder: Path, names: Iterable[str]) -> None:
    """Remove all but locks, logs and scores from results that a search has made, each `<stage>.<fingerprint>`.

    What has ever borne a stage's own name, for somebody asked for it, is left alone. The caller works in `folder`
    (`among_others_in`), so that nobody renames there meanwhile.
    """
    for name in sorted(set(names)):
        stage, _, fingerprint = name.rpartition(".")
        place = folder / f"{stage}.{fingerprint[:SHOWN]}"
        if not (place / BESIDE).is_file():
            continue
        for path in place.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.suffix not in STAYS and path.name != BESIDE:
                path.unlink(missing_ok=True)
