"""Golden outputs replayed: does a bundle still answer, here and now, as it did when it was saved?"""

import json
from pathlib import Path
from typing import Any

from danlu.bundle.bundle import GOLDEN, TOLERANCES, load
from danlu.data.cleaning.clean import samples_rewritten
from danlu.machine.door import opened, read_json
from danlu.refusal import Refusal

_AGAIN = "copy or train the bundle again"


def verify(path: str | Path, precision: str | None = None, key: str | Path | None = None) -> list[str]:
    """One sentence for every difference from the golden outputs; none if the bundle answers as it did.

    Labels, spans and other texts must be equal; numbers agree to the looser tolerance of the two precisions. `key` is
    the file of a public key, with which the bundle must be signed. Raises `Refusal` where `load` does, and where the
    golden outputs are damaged.
    """
    bundle = load(path, precision, key=key)
    golden = _golden(bundle.folder)
    now = bundle.network.number_format
    told = bundle.facts.get("tolerances", TOLERANCES)
    tolerance = max(told.get(golden["dtype"], 0.0), told.get(now, 0.0))
    with opened(bundle.folder / GOLDEN, "the bundle cannot answer these records", _AGAIN):
        predictions = json.loads(json.dumps(bundle.predict(golden["records"])))
        bundle.close()
        rewritten = samples_rewritten(bundle.rewriters)
    differences: list[str] = []
    for number, (before, after) in enumerate(zip(golden["predictions"], predictions, strict=True), 1):
        differences += _differences(before, after, f"example {number}", tolerance)
    before = golden.get("rewritten", [])
    if len(before) != len(rewritten):
        return [*differences, f"rewritten samples: were {len(before)}, are {len(rewritten)}"]
    for number, pair in enumerate(zip(before, rewritten, strict=True), 1):
        differences += _differences(*pair, f"rewritten sample {number}", tolerance)
    return differences


def _golden(folder: Path) -> dict[str, Any]:
    """The golden outputs, in the form in which `save` writes them."""
    golden = read_json(folder / GOLDEN, _AGAIN)
    lists = [golden.get("records"), golden.get("predictions"), golden.get("rewritten", [])]
    records, predictions, _ = lists
    if (
        not all(isinstance(found, list) for found in lists)
        or len(records or []) != len(predictions or [])
        or not all(isinstance(record, dict) for record in records or [])
        or not isinstance(golden.get("dtype"), str)
    ):
        raise Refusal(
            f"{folder / GOLDEN}: expected 'dtype', and as many 'records' as 'predictions' of the bundle; {_AGAIN}"
        )
    return golden


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
