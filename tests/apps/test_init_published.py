"""`danlu init`, then `danlu run` without an edit, on the first rows of data as their publishers write them."""

import contextlib
import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml

import danlu
from danlu.apps.init import init

SHARED = Path(__file__).parents[3] / "shared" / "data"
TINY = {
    "model.train": {"steps": 1, "batch_tokens": 128},
    "model.model.layers": 1,
    "model.model.width": 32,
    "test.resamples": 100,
}


def head(file: Path, rows: int) -> str:
    """The first rows of a table, of JSON lines, of a list, or the first articles of SQuAD."""
    if file.suffix == ".json" and file.parent.parent.name != "fewclue":
        whole = json.loads(file.read_text(encoding="utf-8"))
        cut = {**whole, "data": whole["data"][:rows]} if isinstance(whole, dict) else whole[:rows]
        return json.dumps(cut, ensure_ascii=False)
    with file.open(encoding="utf-8") as lines:
        return "".join(islice(lines, rows))


PUBLISHED: dict[str, tuple[str, str, int, dict[str, Any]]] = {
    "sst2": ("classify", "sst2", 80, {"kind": "tsv", "columns": {"text": "sentence"}}),
    "entailment": (
        "classify",
        "sick2014",
        80,
        {
            "kind": "tsv",
            "columns": {"text": "sentence_A", "text_pair": "sentence_B", "label": "entailment_judgment"},
        },
    ),
    "relatedness": (
        "regress",
        "sick2014/SICK_train.txt",
        80,
        {
            "kind": "tsv",
            "columns": {"text": "sentence_A", "text_pair": "sentence_B", "score": "relatedness_score"},
        },
    ),
    "paraphrases": (
        "classify",
        "fewclue/bustm",
        80,
        {"kind": "jsonl", "columns": {"text": "sentence1", "text_pair": "sentence2"}},
    ),
    "inference": (
        "classify",
        "fewclue/ocnli",
        80,
        {"kind": "jsonl", "columns": {"text": "sentence1", "text_pair": "sentence2"}},
    ),
    "topics of cars": (
        "multilabel",
        "bdci_car_2018",
        400,
        {"kind": "csv", "group": "content", "collect": {"labels": "subject"}, "columns": {"text": "content"}},
    ),
    "relations": ("relate", "semeval2010_task8", 700, {"kind": "marked"}),
    "answers in Chinese": ("answer", "cmrc2018/cmrc2018_trial.json", 12, {"kind": "squad"}),
    "answers in English": ("answer", "xquad_en", 12, {"kind": "squad"}),
    "translations": (
        "translate",
        "tatoeba_cmn_eng/cmn.txt",
        80,
        {"kind": "tsv", "header": ["text", "translation", "column2"]},
    ),
    "instructions": ("chat", "instructions/alpaca_zh_demo.json", 40, {"kind": "chat"}),
    "preferences": ("prefer", "preference/dpo_zh_demo.json", 40, {"kind": "chat"}),
    "plays": ("causal_lm", "tinyshakespeare", 200, {"kind": "text"}),
}


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real data of ../shared/data is not here")
@pytest.mark.parametrize("name", PUBLISHED)
def test_init_then_run_without_an_edit(name: str, tmp_path: Path) -> None:
    task, data, rows, expected = PUBLISHED[name]
    given = SHARED / data
    for file in [given] if given.is_file() else sorted(given.iterdir()):
        place = tmp_path / file.relative_to(SHARED)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(head(file, rows), encoding="utf-8")
    with contextlib.chdir(tmp_path):
        init(task, data, output=Path("mine.yaml"), places=[])
        run = danlu.run("mine.yaml", say=lambda line: None, **TINY)
        scores = json.loads((run["test"] / "scores.json").read_text(encoding="utf-8"))
    stages = yaml.safe_load((tmp_path / "mine.yaml").read_text(encoding="utf-8"))["stages"]
    assert {key: value for key, value in stages["clean"]["data"].items() if key != "path"} == expected
    assert stages["model"]["task"]["kind"] == task
    assert scores["records"] > 0
