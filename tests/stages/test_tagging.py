"""What a tagger learns beside its network: it is trained with it, kept in the bundle, and answers alike everywhere."""

import json
import sys

import pytest
import started
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
TUNING = {"lora": "lora"}


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


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("tagging")
    lines = [json.dumps(record, ensure_ascii=False) for record in sentences()]
    (root / "notes.jsonl").write_text("\n".join(lines), encoding="utf-8")
    data = {"kind": "jsonl", "path": str(root / "notes.jsonl")}
    section = {"kind": "train", "data": "@clean", "tokenizer": "@vocab", "model": SCRATCH, "train": TRAIN}
    tasks = {
        "full": {"kind": "tag", "decoding": "crf"},
        "lora": {"kind": "tag", "decoding": "crf"},
        "counted": {"kind": "tag", "counted": True},
    }
    stages = {
        "clean": {"kind": "prepare", "data": data, "dedup": "exact", "split": {"validation": 0.2, "test": 0.2}},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "wordpiece", "size": 120}},
        **{name: section | {"task": task, "tuning": TUNING.get(name, "full")} for name, task in tasks.items()},
    }
    return danlu.run({"name": "notes", "stages": stages}, root=root, say=lambda _: None)


def validated(whole: Run, name: str) -> dict[str, float]:
    """The best validation of a training."""
    lines = [line["validation"] for line in read(whole[name] / "log.jsonl") if "validation" in line]
    return max(lines, key=lambda measured: measured["entity_f1"])


@pytest.mark.parametrize("name", ["full", "lora"])
def test_a_crf_is_learnt_beside_the_network_which_stays_the_plain_one(whole: Run, name: str) -> None:
    folder = whole[name] / "bundle"
    assert all("of_the_task" not in key for key in load_file(folder / "model.safetensors"))
    plain, told = AutoModelForTokenClassification.from_pretrained(folder, output_loading_info=True)
    assert not told["unexpected_keys"] | told["missing_keys"]
    with danlu.load(folder, "float32") as bundle:
        assert torch.tensor(bundle.task.transitions).abs().max() > 0.05
        inputs = bundle.tokenizer("李明昨天去了北京。", return_tensors="pt")
        with torch.inference_mode():
            torch.testing.assert_close(plain.eval()(**inputs).logits, bundle.model(**inputs).logits, rtol=0, atol=1e-5)
        records = load_split(whole["clean"], "validation")
        measured = values(bundle.task, records, bundle.predict(records))
    assert measured == pytest.approx(validated(whole, name), abs=1e-6)


def test_what_is_counted_is_kept_with_the_weight_that_validation_has_chosen(whole: Run) -> None:
    folder, records = whole["counted"] / "bundle", load_split(whole["clean"], "validation")
    with danlu.load(folder, "float32") as bundle:
        task = bundle.task
        assert task.counts
        assert task.weight is not None
        assert values(task, records, bundle.predict(records)) == pytest.approx(validated(whole, "counted"), abs=1e-6)
        outputs = list(bundle.predictor.outputs(records))
        none = task.model_copy(update={"weight": 0.0})
        tagger = task.model_copy(update={"counted": False, "counts": "", "weight": None})
        for record, (said, windows) in zip(records, outputs, strict=True):
            assert none.decode(said, windows, record) == tagger.decode(said, windows, record)
        usual = task.model_copy(update={"weight": None})
        assert usual.settled(records, outputs).weight == task.weight


def test_a_fresh_process_answers_alike(whole: Run) -> None:
    folders = [str(whole[name] / "bundle") for name in ("full", "counted")]
    texts = [record["text"] for record in load_split(whole["clean"], "validation")[:6]]
    code = (
        "import danlu, json, sys; folders, texts = json.loads(sys.argv[1]); "
        "print(json.dumps([danlu.load(folder, 'float32').predict(texts) for folder in folders]))"
    )
    call = [sys.executable, "-c", code, json.dumps([folders, texts])]
    done = started.run(call, capture_output=True, text=True, check=True)
    for folder, found in zip(folders, json.loads(done.stdout), strict=True):
        with danlu.load(folder, "float32") as bundle:
            assert [bundle.task.form.value(each) for each in found] == [
                bundle.task.form.value(each) for each in bundle.predict(texts)
            ]
