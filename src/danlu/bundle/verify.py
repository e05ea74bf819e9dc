"""Golden outputs replayed: does a bundle still answer, here and now, as it did when it was saved?"""

import json
from pathlib import Path
from typing import Any

from danlu.bundle.bundle import GOLDEN, load
from danlu.data.cleaning import samples_rewritten

TOLERANCE = {"float32": 2e-3, "bfloat16": 3e-2, "float16": 1e-2}
"""How far a score may drift between machines, for each precision; above 1 in size, relative to the number."""


def verify(path: str | Path, precision: str | None = None) -> list[str]:
    """One sentence for every difference from the golden outputs; none if the bundle answers as it did.

    Labels, spans and other texts must be equal; numbers agree to the looser tolerance of the two precisions.
    Raises `Refusal` where `load` does.
    """
    bundle = load(path, precision)
    golden = json.loads((bundle.folder / GOLDEN).read_text("utf-8"))
    now = str(bundle.model.dtype).removeprefix("torch.")
    tolerance = max(TOLERANCE.get(golden["dtype"], 0.0), TOLERANCE.get(now, 0.0))
    predictions = json.loads(json.dumps(bundle.predict(golden["records"])))
    bundle.predictor.close()
    differences: list[str] = []
    for number, (before, after) in enumerate(zip(golden["predictions"], predictions, strict=True), 1):
        differences += _differences(before, after, f"example {number}", tolerance)
    for number, (before, after) in enumerate(
        zip(golden.get("rewritten", []), samples_rewritten(bundle.rewriters), strict=True), 1
    ):
        differences += _differences(before, after, f"rewritten sample {number}", tolerance)
    return differences


def _differences(before: Any, after: Any, place: str, tolerance: float) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        return [
            difference
            for key in before
            for difference in _differences(before[key], after[key], f"{place}, {key}", tolerance)
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            difference
            for number, (old, new) in enumerate(zip(before, after, strict=True), 1)
            for difference in _differences(old, new, f"{place} {number}", tolerance)
        ]
    if isinstance(before, float) and isinstance(after, float):
        if abs(before - after) <= tolerance * max(1.0, abs(before)):
            return []
        return [f"{place}: was {before:.6g}, is {after:.6g}, further apart than {tolerance:g}"]
    return [] if before == after else [f"{place}: was {before!r}, is {after!r}"]
