"""Pretraining of encoders through whole stages: words of a stage's segmenter, shards, and bundles that others open."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertForPreTraining, BertForSequenceClassification

import danlu
from danlu.refusal import Refusal
from danlu.stages.kinds.train import Train
from danlu.stages.run import Run
from danlu.stages.stage import Place
from danlu.task.tasks.masked_lm import MaskedLm
from danlu.train.recorders.jsonl import read

LINES = [f"{place}的{what}很{how}，大家都去看。{how}得很，明天再去。" for place in ("北京", "上海", "成都", "广州")
         for what in ("公园", "天气", "车站") for how in ("好", "大")]  # fmt: skip
MODEL = {"kind": "scratch", "layers": 1, "width": 32, "heads": 2, "positions": 48}
TRAIN = {"steps": 6, "rate": 1e-3, "batch_tokens": 128, "precision": "float32"}
WORDS = {"kind": "masked_lm", "units": "words", "segmenter": {"kind": "ngram", "path": "@cut"}, "share_end": 0.4}

JOINED = {"kind": "next_sentence", "masking": {"units": "words"}}


def train(task: Any, data: str = "@clean", **fields: Any) -> dict[str, Any]:
    return {"kind": "train", "data": data, "tokenizer": "@vocab", "model": MODEL, "task": task, "train": TRAIN} | fields


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("family")
    (root / "lines.txt").write_text("\n".join(LINES), encoding="utf-8")
    segmented = [line.replace("的", " 的 ").replace("很", " 很 ").replace("，", " ， ") for line in LINES]
    (root / "words.txt").write_text("\n".join(segmented), encoding="utf-8")
    lines = {"kind": "text", "path": str(root / "lines.txt")}
    split = {"validation": 0.2, "test": 0.0}
    stages = {
        "cut": {
            "kind": "segmenter",
            "data": {"kind": "words", "path": str(root / "words.txt")},
            "segmenter": {"kind": "ngram"},
        },
        "clean": {"kind": "prepare", "data": lines, "dedup": "none", "split": split},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "wordpiece", "min_frequency": 1}},
        "rows": {"kind": "shards", "data": "@clean", "tokenizer": "@vocab", "task": WORDS, "longest": 48},
        "flat": {"kind": "shards", "data": "@clean", "tokenizer": "@vocab"},
        "words": train(WORDS),
        "from_rows": train(WORDS, "@rows"),
        "spans": train({"kind": "masked_lm", "spans": 0.2}, "@flat"),
        "joined": train(JOINED),
        "pairs": {"kind": "shards", "data": "@clean", "tokenizer": "@vocab", "task": JOINED, "longest": 48},
        "from_pairs": train(JOINED, "@pairs"),
        "order": train("sentence_order"),
    }
    return danlu.run({"name": "family", "stages": stages}, root=root / "runs", say=lambda line: None)


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in read(folder / "log.jsonl") if "loss" in line]


def place_of(done: Run, folder: Path) -> Place:
    return Place(folder, {ran.name: ran.folder for ran in done.stages}, "one", 0, "en", lambda line: None)


def test_rows_of_words_on_disk_are_learnt_from_as_those_in_memory(done: Run) -> None:
    assert losses(done["from_rows"]) == losses(done["words"])
    assert losses(done["from_pairs"]) == losses(done["joined"])  # token types included
    assert len(losses(done["spans"])) == len(losses(done["words"])) == TRAIN["steps"]


def test_words_of_flat_files_are_refused_in_one_sentence(done: Run, tmp_path: Path) -> None:
    stage = Train.model_validate({name: value for name, value in train(WORDS, "@flat").items() if name != "kind"})
    with pytest.raises(Refusal, match=r"task.units: flat token files hold no characters to tell words by"):
        stage.ready(place_of(done, tmp_path / "again"))


def test_a_teacher_of_another_objective_is_refused(done: Run, tmp_path: Path) -> None:
    section = train("distil_lm", roles={"teacher": {"kind": "pretrained", "path": "@joined"}})
    stage = Train.model_validate({name: value for name, value in section.items() if name != "kind"})
    with pytest.raises(Refusal, match=r"roles.teacher: .* holds a BertForPreTraining, which has not learnt distil_lm"):
        stage.ready(place_of(done, tmp_path / "again"))


def test_the_share_follows_the_number_of_the_step_alone(done: Run, tmp_path: Path) -> None:
    fields = {name: value for name, value in train(WORDS).items() if name != "kind"}
    ready = Train.model_validate(fields).ready(place_of(done, tmp_path / "again"))
    batches, cpu = ready.batches(), torch.device("cpu")
    whole, later = (list(batches.groups(start, 6, cpu)) for start in (0, 4))
    for group, again in zip(whole[4:], later, strict=True):
        for one, other in zip(group, again, strict=True):
            assert torch.equal(one.inputs["input_ids"], other.inputs["input_ids"])
            assert torch.equal(one.targets["tokens"], other.targets["tokens"])
    (returned,), *_ = batches.groups(4, 6, cpu, offset=4)  # the step is the first one, though four groups were left out
    assert returned.counts["tokens"] < whole[4][0].counts["tokens"]
    task = ready.prepared.task
    assert isinstance(task, MaskedLm)
    assert task.segmenter is not None
    assert task.segmenter.path == str(done["cut"] / "segmenter")  # type: ignore[attr-defined]
    for number, (batch,) in enumerate(whole):
        maskable = sum(int((ready.encoded[row].targets["tokens"] >= 0).sum()) for row in batch.examples)
        wanted = round((0.15 + 0.25 * number / 6) * maskable)
        assert wanted - 3 <= batch.counts["tokens"] <= wanted


def test_the_log_tells_of_both_objectives_and_of_one_nothing_more(done: Run) -> None:
    line = read(done["joined"] / "log.jsonl")[0]
    assert line["loss"] == pytest.approx(line["label"] + line["tokens"])
    assert "tokens" not in read(done["words"] / "log.jsonl")[0]


@pytest.mark.parametrize(("stage", "sort"), [("joined", BertForPreTraining), ("order", BertForSequenceClassification)])
def test_bundles_open_in_plain_transformers_and_answer_alike(done: Run, stage: str, sort: Any) -> None:
    plainly, report = sort.from_pretrained(done[stage] / "bundle", output_loading_info=True)
    assert not report["missing_keys"]
    with danlu.load(done[stage] / "bundle", "float32") as bundle:
        (prediction,) = bundle.predict([{"text": "北京的公园很好，", "text_pair": "大家都去看。"}])
        tokenizer = bundle.predictor.tokenizer
        given = tokenizer("北京的公园很好，", "大家都去看。", return_tensors="pt")
        assert given["token_type_ids"].max() == 1
        with torch.no_grad():
            said = plainly.eval()(**given)
    logits = said.seq_relationship_logits if stage == "joined" else said.logits
    shares = torch.softmax(logits[0], -1).tolist()
    assert list(prediction["scores"].values()) == pytest.approx(shares, abs=1e-4)
    kept = json.loads((done[stage] / "bundle" / "config.json").read_text(encoding="utf-8"))
    assert list(kept["label2id"]) == list(prediction["scores"])
