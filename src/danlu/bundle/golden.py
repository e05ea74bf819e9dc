"""Golden outputs: some records and what a model has said of them, to be compared with what it says elsewhere."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from danlu.bundle.manifest import GOLDEN
from danlu.data.cleaning.clean import samples_rewritten
from danlu.data.record import Record
from danlu.engine.predict import Predictor
from danlu.machine.door import opened, read_json
from danlu.machine.files import write_text
from danlu.refusal import Refusal
from danlu.task.task import Prediction

NAME = GOLDEN
EXAMPLES = 8  # records at most

LONGEST = 32
"""Tokens of a text that is written. Small models that were given as they are write on and on: three answers of half a
billion parameters took minutes (2026-11), whenever the bundle was verified or served."""

TOLERANCES = {"float32": 2e-3, "bfloat16": 3e-2, "float16": 1e-2}
"""How far a score may drift between machines, for each number format; above 1 in size, relative to the number."""

_AGAIN = "copy or train the bundle again"


def write(folder: Path, predictor: Predictor, examples: Sequence[Record]) -> None:
    """Write what is predicted for the first `examples`, and what the rewriters make of their own samples."""
    longest = {"longest": LONGEST} if predictor.task.answers_by == "generate" else {}
    golden = {
        "dtype": predictor.network.number_format,
        **longest,
        "records": examples[:EXAMPLES],
        "predictions": _asked(predictor, examples[:EXAMPLES], longest),
        "rewritten": samples_rewritten(predictor.rewriters),
    }
    write_text(folder / NAME, json.dumps(golden, ensure_ascii=False, indent=1) + "\n")


def replayed(
    golden: Mapping[str, Any],
    folder: Path,
    predictor: Predictor,
    tolerances: Mapping[str, float],
    beginning: float = 1.0,
) -> list[str]:
    """One sentence for every difference from the golden outputs, which `read` has read in a folder.

    Labels, spans and other texts must be equal, or that share of them at their `beginning`; numbers agree to the looser
    tolerance of the two number formats.

    Raises:
        Refusal: the golden outputs cannot be answered.
    """
    tolerance = max(tolerances.get(golden["dtype"], 0.0), tolerances.get(predictor.network.number_format, 0.0))
    with opened(folder / NAME, "the bundle cannot answer these records", _AGAIN):
        predictions = json.loads(json.dumps(_asked(predictor, golden["records"], golden)))
        rewritten = samples_rewritten(predictor.rewriters)
    differences: list[str] = []
    for number, (before, after) in enumerate(zip(golden["predictions"], predictions, strict=True), 1):
        differences += _differences(before, after, f"example {number}", tolerance, beginning)
    before = golden.get("rewritten", [])
    if len(before) != len(rewritten):
        return [*differences, f"rewritten samples: were {len(before)}, are {len(rewritten)}"]
    for number, pair in enumerate(zip(before, rewritten, strict=True), 1):
        differences += _differences(*pair, f"rewritten sample {number}", tolerance)
    return differences


def _asked(predictor: Predictor, records: Sequence[Record], golden: Mapping[str, Any]) -> list[Prediction]:
    """What is predicted, of texts that are written no more than the tokens that the golden outputs have of them."""
    task, longest = predictor.task, golden.get("longest")
    if longest is None:
        return predictor.predict(records)
    brief = task.model_copy(update={"policy": predictor.policy.within(longest)})
    network, tokenizer = predictor.network, predictor.tokenizer
    return Predictor(network, brief, tokenizer, rewriters=predictor.rewriters, beside=predictor).predict(records)


def drift(before: Sequence[Any], after: Sequence[Any], tolerance: float) -> tuple[float, int]:
    """The largest difference of a number in two lists of predictions, and how many of these agree.

    That of a number above 1 is relative to it. They agree where texts are equal, and numbers within `tolerance`.
    """
    before, after = (json.loads(json.dumps(list(each))) for each in (before, after))
    agreeing = sum(not _differences(*pair, "", tolerance) for pair in zip(before, after, strict=True))
    return _furthest(before, after), agreeing


def read(folder: Path) -> dict[str, Any]:
    """The golden outputs, in the form in which `write` writes them."""
    golden = read_json(folder / NAME, _AGAIN)
    lists = [golden.get("records"), golden.get("predictions"), golden.get("rewritten", [])]
    records, predictions, _ = lists
    if (
        not all(isinstance(found, list) for found in lists)
        or len(records or []) != len(predictions or [])
        or not all(isinstance(record, dict) for record in records or [])
        or not isinstance(golden.get("dtype"), str)
        or type(golden.get("longest", 1)) is not int
        or golden.get("longest", 1) < 1
    ):
        raise Refusal(
            f"{folder / NAME}: expected 'dtype', and as many 'records' as 'predictions' of the bundle; {_AGAIN}"
        )
    return golden


def _differences(before: Any, after: Any, place: str, tolerance: float, beginning: float = 1.0) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        return [
            difference
            for key in before
            for difference in _differences(before[key], after[key], f"{place}, {key}", tolerance, beginning)
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            difference
            for number, (old, new) in enumerate(zip(before, after, strict=True), 1)
            for difference in _differences(old, new, f"{place} {number}", tolerance, beginning)
        ]
    if isinstance(before, float) and isinstance(after, float):
        if abs(before - after) <= tolerance * max(1.0, abs(before)):
            return []
        return [f"{place}: was {before:.6g}, is {after:.6g}, further apart than {tolerance:g}"]
    if beginning < 1 and isinstance(before, str) and isinstance(after, str):
        same = next((at for at, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), None)
        shared = min(len(before), len(after)) if same is None else same
        alike = shared >= beginning * max(len(before), len(after))
        return [] if alike else [f"{place}: was {before!r}, is {after!r}"]
    return [] if before == after else [f"{place}: was {before!r}, is {after!r}"]


def _furthest(before: Any, after: Any) -> float:
    if isinstance(before, dict) and isinstance(after, dict):
        return max((_furthest(before[key], after[key]) for key in before.keys() & after.keys()), default=0.0)
    if isinstance(before, list) and isinstance(after, list):
        return max((_furthest(*pair) for pair in zip(before, after, strict=False)), default=0.0)
    return (
        abs(before - after) / max(1.0, abs(before)) if isinstance(before, float) and isinstance(after, float) else 0.0
    )
