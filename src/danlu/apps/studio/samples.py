"""What a model that is trained has written at its validations, read for a page."""

from pathlib import Path
from typing import Any

from danlu.apps.studio.lines_of_log import read_line
from danlu.stages.samples import LINES, NAME

_MOST = 2**22
_LONGEST = 4000


def samples_of(stage: Path) -> list[dict[str, Any]]:
    """By validation `{"step", "samples": [{"input", "written", "truth"}]}`; lines that are none are left out."""
    path = stage / NAME
    try:
        if not path.is_file():
            return []
        with path.open("rb") as file:
            data = file.read(_MOST)
    except OSError:
        return []
    found = []
    for line in data.split(b"\n")[: 2 * LINES]:
        row = read_line(line)
        samples = row.get("samples") if row else None
        if row and isinstance(samples, list):
            told = [
                {key: _text(each.get(key)) for key in ("input", "written", "truth")}
                for each in samples[:8]
                if isinstance(each, dict)
            ]
            found.append({"step": row["step"], "samples": told})
    return found


def _text(value: Any) -> str | None:
    return None if value is None else str(value)[:_LONGEST]
