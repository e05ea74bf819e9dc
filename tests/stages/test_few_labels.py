"""SetFit's way: vectors that are learnt from labels, then a layer on these vectors, trained alone."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

import danlu
from danlu.refusal import Refusal

ROWS = "text,label\n好书真好看,good\n好看的书,good\n书很好,good\n坏书真难看,bad\n难看的书,bad\n书很坏,bad\n"
RECIPE = """
name: few
stages:
  clean: {{kind: prepare, data: {{kind: csv, path: rows.csv}}, split: {{validation: 0, test: 0}}}}
  vocab: {{kind: tokenizer, data: "@clean", tokenizer: {{kind: wordpiece, size: 80, min_frequency: 1}}}}
  like:
    kind: train
    data: "@clean"
    tokenizer: "@vocab"
    model: {{kind: scratch, architecture: bert, layers: 2, width: 32, heads: 2, positions: 32}}
    task: {{kind: embed, objective: cosine}}
    train: {{epochs: 10, rate: 1e-2, batch_examples: 8}}
  model:
    kind: train
    data: "@clean"
    model: {{kind: pretrained, path: "@like"}}
    task: {task}
    tuning: {tuning}
    train: {{epochs: 15, rate: 1e-2, batch_examples: 8}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("few")
    (place / "rows.csv").write_text(ROWS, encoding="utf-8")
    return place


def ran(folder: Path, task: str, tuning: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    (folder / "few.yaml").write_text(RECIPE.format(task=task, tuning=tuning), encoding="utf-8")
    return danlu.run("few.yaml", say=lambda _: None)


@pytest.mark.parametrize("tuning", ["head", "lora"])
def test_the_head_reads_the_vector_that_was_learnt(folder: Path, tuning: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ran(folder, "{kind: classify, pooling: mean}", tuning, monkeypatch)
    bundle = danlu.load(run["model"], "float32")
    texts = [line.partition(",")[0] for line in ROWS.splitlines()[1:]]
    predictions = bundle.predict(texts)
    bundle.predictor.close()
    assert [each["label"] for each in predictions] == ["good"] * 3 + ["bad"] * 3
    model, tokenizer = (each.from_pretrained(Path(run["model"]) / "bundle") for each in (AutoModel, AutoTokenizer))
    head_CE = torch.tensor(bundle.task.head)
    for text, prediction in zip(texts, predictions, strict=True):
        with torch.inference_mode():
            vector_E = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)
        shares = torch.softmax(head_CE[:, :-1] @ vector_E + head_CE[:, -1], 0)
        assert list(prediction["scores"].values()) == pytest.approx(shares.tolist(), abs=1e-5)
    if tuning == "head":
        first = AutoModel.from_pretrained(folder / "runs" / "few" / "like" / "bundle")
        weights = model.state_dict()
        assert all(torch.equal(weights[name], value) for name, value in first.state_dict().items())
    told = json.loads((Path(run["model"]) / "bundle" / "danlu.json").read_text(encoding="utf-8"))
    assert len(told["task"]["head"]) == 2


def test_where_there_is_no_head_at_all_nothing_is_trained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refusal, match="tuning 'head' finds nothing to train, for the model has no head and the task"):
        ran(folder, "{kind: embed}", "head", monkeypatch)
