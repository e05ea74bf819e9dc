"""A bundle examined on records with the truth: scores, a baseline beside them, and the worst errors, on disk.

A folder of results holds `scores.json`, `errors.jsonl` (the worst first) and `answers.jsonl`: for each record a
digest, its truth and the answer, by which two models are compared record by record.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.evaluate.scoring.score import Scores, score
from danlu.evaluate.scoring.worst_errors import plain_truth, worst
from danlu.machine.files import write_text
from danlu.refusal import Refusal
from danlu.task.task import Prediction, Task

_SURROGATE = re.compile("[\ud800-\udfff]")
SCORES, ERRORS, ANSWERS = "scores.json", "errors.jsonl", "answers.jsonl"


@dataclass(frozen=True)
class Examination:
    """What an examination found, as it is written."""

    task: str
    scores: Scores
    errors: list[dict[str, Any]]
    answers: list[dict[str, Any]]


def examine(
    task: Task,
    predict: Callable[[Sequence[Record]], list[Prediction]],
    records: Sequence[Record],
    *,
    baseline: Baseline | None = None,
    train: Sequence[Record] = (),
    resamples: int = 1000,
    seed: int = 0,
    errors: int = 200,
) -> Examination:
    """Predict the records, score the predictions, and do the same with a baseline that learns from `train`.

    Raises `Refusal` if there are no records, or for one without its truth or with an unknown label.
    """
    if not records:
        raise Refusal("There are no records to evaluate on; give a file or a split that is not empty.")
    predictions = predict(records)
    rival = (baseline.kind, baseline.fit_predict(task, train, records)) if baseline else None
    return Examination(
        task=task.kind,
        scores=score(task, records, predictions, resamples=resamples, seed=seed, baseline=rival),
        errors=worst(task, records, predictions, errors),
        answers=[
            {
                "digest": digest(record),
                "gold": _spans_as_rows(task.gold(record, number)),
                "answer": _spans_as_rows(task.answer(prediction)),
            }
            for number, (record, prediction) in enumerate(zip(records, predictions, strict=True))
        ],
    )


def write(folder: Path, found: Examination) -> None:
    """Write the three files, each as a whole; `scores.json` comes last, so where it is, all are.

    Raises `Refusal` for a full disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / ERRORS, _lines(found.errors))
    write_text(folder / ANSWERS, _lines(found.answers))
    plain = {"task": found.task, **found.scores.to_plain()}
    write_text(folder / SCORES, _json(plain, indent=1) + "\n")


def read_scores(path: Path) -> dict[str, Any]:
    """What a `scores.json` holds; `path` is the file or its folder.

    Raises `Refusal` if it is missing or is no such file.
    """
    file = path / SCORES if path.is_dir() else path
    if (path / "danlu.json").is_file() and not file.is_file():
        raise Refusal(
            f"{path}: a bundle holds no scores; run `danlu evaluate {path} DATA --output FOLDER` and give that."
        )
    if not file.is_file():
        raise Refusal(f"{file}: there are no scores here; run `danlu evaluate BUNDLE DATA --output {path}` first.")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Refusal(f"{file}: this is no whole scores.json ({error}); evaluate again.") from None
    if not isinstance(found, dict) or not isinstance(found.get("metrics"), dict):
        raise Refusal(f"{file}: expected the metrics of an evaluation, and there are none; evaluate again.")
    return found


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The lines of a json-lines file that an evaluation wrote; none if it is not there.

    Raises `Refusal` naming the line that cannot be read.
    """
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n") if file.is_file() else (), start=1):
        if line:
            try:
                found.append(json.loads(line))
            except ValueError as error:
                raise Refusal(
                    f"{file}, line {number}: this is no whole line of json ({error}); evaluate again."
                ) from None
    return found


def digest(record: Record) -> str:
    """Sixteen hexadecimal digits that tell one record from another."""
    text = json.dumps(record, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _spans_as_rows(truth: Any) -> Any:
    plain = plain_truth(truth)
    return [[each["start"], each["end"], each["label"]] for each in plain] if plain is not truth else plain


def _lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(_json(row) + "\n" for row in rows)


def _json(value: Any, indent: int | None = None) -> str:
    """JSON that shows Chinese as it is; halves of surrogate pairs, which UTF-8 cannot hold, stay escaped."""
    text = json.dumps(value, ensure_ascii=False, default=str, indent=indent)
    return _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text)
