"""What a tagger learns beside its network: it is trained with it, kept in the bundle, and answers alike everywhere."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForTokenClassification

import danlu
from danlu.data.corpus.prepared import load as load_split
from danlu.data.record import Record
from danlu.evaluate.scoring.score import values
from danlu.stages.run import Run
from danlu.train.recorders.jsonl import read

SCRATCH = {"kind": "scratch", "layers": 1, "width": 32, "heads": 2, "positions": 48, "dropout": 0.0}
TRAIN = {"steps": 60, "rate": 5e-3, "batch_tokens": 256, "precision": "float32", "evaluate": 20, "average": 0.9}
METHODS = ("full", "lora")


def sentences() -> list[Record]:
    """People and places, of one to four characters, in short sentences."""
    people, places = ("李明", "王芳", "张小伟", "Ada"), ("北京", "上海", "广州市", "乌鲁木齐")
    frames = ("{0}昨天去了{1}。", "在{1}，{0}看书。", "{0}说：{1}很好", "{1}的{0}来了！", "天气很好。")
    found = []
    for frame in frames:
        for person in people:
            for place in places:
                text = frame.format(person, place)
                spans = [(text.find(person), person, "person"), (text.find(place), place, "place")]
                entities = [
                    {"start": start, "end": start + len(word), "label": label}
                    for start, word, label in spans
                    if start >= 0
                ]
                found.append({"text": text, "entities": entities})
    return found


def in_a_fresh_process(bundle: Path, texts: list[str]) -> Any:
    code = "import danlu, json, sys; b = danlu.load(sys.argv[1], 'float32'); print(json.dumps(b.predict(sys.argv[2:])))"
    done = subprocess.run([sys.executable, "-c", code, str(bundle), *texts], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("tagging")
    lines = [json.dumps(record, ensure_ascii=False) for record in sentences()]
    (root / "notes.jsonl").write_text("\n".join(lines), encoding="utf-8")
    data = {"kind": "jsonl", "path": str(root / "notes.jsonl")}
    section = {"kind": "train", "data": "@clean", "tokenizer": "@vocab", "model": SCRATCH, "train": TRAIN}
    crf = section | {"task": {"kind": "tag", "decoding": "crf"}}
    stages = {
        "clean": {"kind": "prepare", "data": data, "dedup": "exact", "split": {"validation": 0.2, "test": 0.2}},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "wordpiece", "size": 120}},
        **{name: crf | {"tuning": name} for name in METHODS},
    }
    return danlu.run({"name": "notes", "stages": stages}, root=root, say=lambda _: None)


@pytest.mark.parametrize("name", METHODS)
def test_a_crf_is_learnt_beside_the_network_which_stays_the_plain_one(whole: Run, name: str) -> None:
    folder = whole[name] / "bundle"
    with danlu.load(folder, "float32") as bundle:
        transitions = torch.tensor(bundle.task.transitions)
        assert transitions.abs().max() > 0.05
        assert all("of_the_task" not in key for key in load_file(folder / "model.safetensors"))
        plain, told = AutoModelForTokenClassification.from_pretrained(folder, output_loading_info=True)
        assert not told["unexpected_keys"] | told["missing_keys"]
        inputs = bundle.tokenizer("李明昨天去了北京。", return_tensors="pt")
        with torch.inference_mode():
            torch.testing.assert_close(plain.eval()(**inputs).logits, bundle.model(**inputs).logits, rtol=0, atol=1e-5)
        records = load_split(whole["clean"], "validation")
        predictions = bundle.predict(records)
    validated = [line for line in read(whole[name] / "log.jsonl") if "validation" in line]
    best = max(validated, key=lambda line: line["validation"]["entity_f1"])
    assert values(bundle.task, records, predictions) == pytest.approx(best["validation"], abs=1e-6)
    if name == "full":
        texts = [record["text"] for record in records[:6]]
        assert [item["entities"] for item in in_a_fresh_process(folder, texts)] == [
            item["entities"] for item in predictions[:6]
        ]
        assert best["validation"]["entity_f1"] > 0.8
