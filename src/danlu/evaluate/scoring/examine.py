"""A bundle examined on records with the truth: scores, a baseline beside them, and the worst errors, on disk.

A folder of results holds `scores.json`, `errors.jsonl` (the worst first) and `answers.jsonl`: for each record a
digest, its truth and the answer, by which two models are compared record by record; and the scores of the labels,
where a metric looked at them.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from danlu.answer.answer import Answer
from danlu.data.record import Record
from danlu.engine.predict import Predictor
from danlu.evaluate.classical.baseline import Baseline
from danlu.evaluate.scoring.bits import bits_per_byte
from danlu.evaluate.scoring.certainty import Certainty
from danlu.evaluate.scoring.metric import measures
from danlu.evaluate.scoring.outside import told_apart
from danlu.evaluate.scoring.score import Scores, empty_side, filled, score_sides, truths
from danlu.evaluate.scoring.side import Side
from danlu.evaluate.scoring.slicing import refuse_unknown, slices_of, smallest
from danlu.evaluate.scoring.weakest import sliced
from danlu.evaluate.scoring.worst_errors import worst
from danlu.machine.files import bytes_in_place, write_text
from danlu.recipe.part import find, kinds
from danlu.refusal import Refusal
from danlu.task.task import Prediction, Task

_SURROGATE = re.compile("[\ud800-\udfff]")
SCORES, ERRORS, ANSWERS = "scores.json", "errors.jsonl", "answers.jsonl"


@dataclass(frozen=True)
class Examination:
    """What an examination found, as it is written; `beside` is what more `scores.json` holds, by its key there.

    Of texts that were written `cut` is how many reached the most tokens that they may have.
    """

    task: str
    scores: Scores
    errors: list[dict[str, Any]]
    digests: list[str]
    side: Side
    beside: dict[str, Any] = field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """What `scores.json` holds."""
        return {"task": self.task, **self.scores.to_plain(), **self.beside}

    def answers(self) -> Iterator[dict[str, Any]]:
        """The lines of `answers.jsonl`."""
        form, side = self.side.form, self.side
        scores = side.scores.rows() if side.scores else None
        for row, gold, value in zip(self.digests, side.gold, side.values, strict=True):
            line = {"digest": row, "gold": form.plain(gold), "answer": form.plain(value)}
            yield line if scores is None else line | {"scores": next(scores)}


def examine(
    task: Task,
    predict: Callable[[Sequence[Record]], Iterable[Prediction]],
    records: Sequence[Record],
    *,
    metrics: Sequence[str] = (),
    baseline: Baseline | None = None,
    train: Sequence[Record] = (),
    resamples: int = 1000,
    seed: int = 0,
    errors: int = 200,
    slices: Sequence[str] | None = (),
    split: str | None = None,
) -> Examination:
    """Predict the records, score the predictions, and do the same with a baseline that learns from `train`.

    Predictions are taken as they come; of all of them, no more is kept than metrics look at. `metrics` are measured
    beside those of the task. `slices` are columns that weak slices are looked for in, beside what is always looked at;
    None: none is looked for. `split` is that of prepared data which the records are; of the training split it is told.
    Raises `Refusal` if there are no records, for one without its truth or with an unknown
    label, and for a column that no record has.
    """
    if not records:
        raise Refusal("There are no records to evaluate on; give a file or a split that is not empty.")
    measured = measures([*task.metrics, *metrics], task.examined_as)
    gold = truths(task, records)
    if slices:
        refuse_unknown(records, slices)
    side = empty_side(task, gold, measured)
    if side.form.decides:
        side.certainty = Certainty(side.form, side.labels)
    ended = Counter[str]()
    given = task.examined(_counted(predict(records), ended), records)
    found = worst(task.examined_form, records, gold, side.taking(given), errors)
    rival = None
    if baseline:
        rival = (baseline.kind, filled(task, gold, baseline.fit_predict(task, train, records), measured))
    scores = score_sides(measured, side, rival, resamples=resamples, seed=seed)
    if slices is not None:
        name, metric = next(iter(measured.items()), ("", None))
        parts = slices_of(task, side, records, slices)
        scores = replace(scores, slices=sliced(side, metric, name, parts, smallest(len(records)), seed))
    return Examination(
        task=task.kind,
        scores=scores,
        errors=found,
        digests=[digest(record) for record in records],
        side=side,
        beside=({"cut": ended["length"]} if task.answers_by == "generate" else {})
        | ({"split": split} if split == "train" else {}),
    )


def _counted(predictions: Iterable[Prediction], ended: Counter[str]) -> Iterator[Prediction]:
    """The predictions; `ended` counts how texts ended that were written."""
    for each in predictions:
        ended[str(each.get("ended"))] += 1
        yield each


def with_more(
    found: Examination, predictor: Predictor, records: Sequence[Record], others: Sequence[Record] | None, **how: int
) -> Examination:
    """The same, and what a predictor alone can tell: bits per byte, and how well other texts are told from these.

    `how` are `resamples` and `seed`.
    """
    bits = bits_per_byte(predictor, records, found.side, **how)
    outside = None if others is None else told_apart(predictor, records, others, **how)
    return replace(found, scores=replace(found.scores, outside=outside, bits=bits))


def write(folder: Path, found: Examination) -> None:
    """Write the three files, each as a whole; `scores.json` comes last, so where it is, all are.

    Raises `Refusal` for a full disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in ((ERRORS, found.errors), (ANSWERS, found.answers())):
        with bytes_in_place(folder / name) as file:
            for line in lines:
                file.write(f"{_json(line)}\n".encode())
    plain = found.to_plain()
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


def form_of(scores: dict[str, Any]) -> Answer | None:
    """The form of the answers that were scored; older scores name the task alone. None where neither is known."""
    form, task = scores.get("form"), scores.get("task")
    if form is None and task in kinds(Task):
        form = find(Task, task)().answer_form  # type: ignore[type-abstract]
    return find(Answer, form)() if form in kinds(Answer) else None  # type: ignore[type-abstract]


def read_lines(file: Path) -> Iterator[dict[str, Any]]:
    """The lines of a json-lines file that an evaluation wrote; none if it is not there.

    Raises `Refusal` naming the line that cannot be read.
    """
    if not file.is_file():
        return
    with file.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield json.loads(line)
            except ValueError as error:
                raise Refusal(
                    f"{file}, line {number}: this is no whole line of json ({error}); evaluate again."
                ) from None


def digest(record: Record) -> str:
    """Sixteen hexadecimal digits that tell one record from another."""
    text = json.dumps(record, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _json(value: Any, indent: int | None = None) -> str:
    """JSON that shows Chinese as it is; halves of surrogate pairs, which UTF-8 cannot hold, stay escaped."""
    text = json.dumps(value, ensure_ascii=False, default=str, indent=indent)
    return _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text)
