"""The records of each section of `tasks.py`, and the weights that every side starts from, as one folder.

Run with a job as json; leaves `train.jsonl`, `test.jsonl` and `model/`, and prints how many records there are.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from texts import MINILM, ROOT

SHARED = ROOT.parent / "shared"
QUICK = 160  # records, to see that a benchmark works

Records = list[dict[str, Any]]


@dataclass(frozen=True)
class TaskSet:
    """What is learnt, from what, and how, by every side alike.

    - `files`: under the folder of shared data; `model`: a folder of shared models, or `MINILM`.
    - `rate`, `epochs`, `batch`, `longest` (tokens of a row): of the fine-tuning.
    """

    title: str
    task: str
    files: tuple[str, ...]
    model: str
    rate: float
    epochs: int
    batch: int
    longest: int


SETS = {
    "xquad_en": TaskSet(
        "XQuAD, English questions, split by paragraph, MiniLM 6 x 384",
        "answer",
        ("xquad_en/xquad.en.json",),
        MINILM,
        rate=2e-4,
        epochs=6,
        batch=16,
        longest=256,
    ),
    "cmrc2018": TaskSet(
        "CMRC 2018, Chinese questions, trial to train and dev to test, e5_small_zh_en 12 x 384",
        "answer",
        ("cmrc2018/cmrc2018_trial.json", "cmrc2018/cmrc2018_dev.json"),
        "e5_small_zh_en",
        rate=1e-4,
        epochs=4,
        batch=16,
        longest=384,
    ),
    "semeval2010_task8": TaskSet(
        "SemEval-2010 task 8, relations in English, MiniLM 6 x 384",
        "relate",
        ("semeval2010_task8/train.tsv", "semeval2010_task8/test.tsv"),
        MINILM,
        rate=1e-4,
        epochs=4,
        batch=32,
        longest=128,
    ),
}


def why_absent(name: str) -> str | None:
    """A sentence where a section cannot be measured on this machine, else None."""
    chosen = SETS[name]
    for file in chosen.files:
        if not (SHARED / "data" / file).is_file():
            return f"{name} is left out: {SHARED / 'data' / file} is not there."
    if _model(chosen.model) is None:
        return f"{name} is left out: the model {chosen.model} is not here (make bench)."
    return None


def _model(name: str) -> Path | None:
    """The folder of a model."""
    if name != MINILM:
        folder = SHARED / "models" / name
        return folder if folder.is_dir() else None
    found = find_spec(name)
    return None if found is None or found.origin is None else Path(found.origin).parent / "model"


def _read(kind: str, file: str) -> Records:
    from danlu.data.reading.format import Format

    return list(Format.model_validate({"kind": kind, "path": str(SHARED / "data" / file)}).read(labelled=True))


def _by_paragraph(file: str) -> tuple[Records, Records]:
    """Four fifths of the paragraphs to train, with all their questions."""
    from danlu.machine.seed import generator

    records = _read("squad", file)
    paragraphs = sorted({record["context"] for record in records})
    chosen = generator(0, "paragraphs").permutation(len(paragraphs))[: len(paragraphs) // 5]
    held_out = {paragraphs[place] for place in chosen}
    return (
        [record for record in records if record["context"] not in held_out],
        [record for record in records if record["context"] in held_out],
    )


def _splits(name: str) -> tuple[Records, Records]:
    chosen = SETS[name]
    if len(chosen.files) == 1:
        return _by_paragraph(*chosen.files)
    read: Callable[[str], Records] = lambda file: _read("squad" if chosen.task == "answer" else "marked", file)  # noqa: E731
    train, test = map(read, chosen.files)
    return train, test


def _prepare(job: dict[str, Any]) -> dict[str, int]:
    folder, most = Path(job["folder"]), job.get("most")
    train, test = (records[:most] for records in _splits(job["set"]))
    known = {record.get("label") for record in train}  # of a few records, not every label may be among them
    counts = {}
    for split, records in (("train", train), ("test", [each for each in test if each.get("label") in known])):
        lines = [json.dumps(record, ensure_ascii=False) for record in records]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        counts[split] = len(lines)
    model = _model(SETS[job["set"]].model)
    assert model is not None
    (folder / "model").symlink_to(model)
    return counts


if __name__ == "__main__":
    print(json.dumps(_prepare(json.loads(sys.argv[1]))))
