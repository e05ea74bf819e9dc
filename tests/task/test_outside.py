"""A task of a package from outside that needs what is widest: two rows an example, vectors, a loss across the batch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

import danlu
from danlu.recipe.part import find
from danlu.task.task import Task
from danlu.text.batching.encoded import sizes_of
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

CONTRAST = '''
"""Two texts of one meaning beside each other, all others of the batch apart (van den Oord et al., 2018)."""

from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional

from danlu.task.columns import text_in
from danlu.task.inputs import model_inputs
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.batching.windows import windows


class Contrast(Task):
    """How alike two texts are, learnt from pairs. Output of an example: the cosine of its vectors (1,)."""

    auto_class = "AutoModel"
    columns = {"text": "text", "text_pair": "text"}
    other_columns = ("score",)
    answer_form = "number"
    metrics = ("spearman",)
    couples_rows = True
    sample = ({"text": "a", "text_pair": "b"},) * 3

    def encode(self, records, tokenizer, limit, *, labelled):
        sides = [
            windows([text_in(record, n, column) for n, record in enumerate(records)], tokenizer, limit, "truncate")
            for column in ("text", "text_pair")
        ]
        return [Encoded(one.record, (*one.rows, *two.rows)) for one, two in zip(*sides)]

    def collate(self, encoded, width, tokenizer, rng):
        rows = [row for item in encoded for row in item.rows]
        return Batch(
            inputs=model_inputs(rows, width, tokenizer),
            targets={},
            counts={"contrast": len(encoded)},
            examples=np.arange(len(encoded)),
            tokens=sum(map(len, rows)),
        )

    def forward(self, model, inputs, places=None):
        hidden_BTD = model(**inputs).last_hidden_state.float()
        mask_BT = inputs.get("attention_mask", torch.ones(hidden_BTD.shape[:2], device=hidden_BTD.device)).float()
        mean_BD = (hidden_BTD * mask_BT[..., None]).sum(1) / mask_BT.sum(1, keepdim=True)
        return {"vectors": functional.normalize(mean_BD, dim=-1)}

    def losses(self, said, batch):
        one_BD, two_BD = said["vectors"][0::2], said["vectors"][1::2]
        alike_BB = 20 * one_BD @ two_BD.T
        truth_B = torch.arange(len(alike_BB), device=alike_BB.device)
        return {"contrast": functional.cross_entropy(alike_BB, truth_B, reduction="sum")}

    def outputs(self, said, batch):
        return list((said["vectors"][0::2] * said["vectors"][1::2]).sum(1, keepdim=True).cpu().numpy())

    def decode(self, outputs, encoded, record):
        return {"number": float(np.mean(outputs))}

    def gold(self, record, number=0):
        return float(record["score"])
'''
WORDS = "春夏秋冬东南西北山水云月"
RECORDS = [
    {"text": first + second, "text_pair": second + first + "的", "score": 1.0}
    for first in WORDS
    for second in WORDS[:5]
    if first != second
]


@pytest.fixture(scope="module", autouse=True)
def outside_package(joined: Callable[[dict[str, dict[str, str]]], Path]) -> None:
    joined({"danlu.tasks": {"contrast": CONTRAST}})


def trained(folder: Path, **train: Any) -> tuple[danlu.run, list[float], list[str]]:
    lines = [json.dumps(record, ensure_ascii=False) for record in RECORDS]
    (folder / "pairs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    data = {"kind": "jsonl", "path": str(folder / "pairs.jsonl")}
    bert = {"kind": "scratch", "layers": 1, "width": 32, "heads": 2, "positions": 32, "dropout": 0.0}
    settings = {"steps": 8, "batch_tokens": 160, "precision": "float32", "rate": 3e-3} | train
    said: list[str] = []
    run = danlu.run(
        {
            "name": "contrast",
            "stages": {
                "vocab": {"kind": "tokenizer", "data": data, "tokenizer": {"kind": "wordpiece", "min_frequency": 1}},
                "model": {
                    "kind": "train",
                    "data": data,
                    "tokenizer": "@vocab",
                    "model": bert,
                    "task": "contrast",
                    "train": settings,
                },
            },
        },
        root=folder / "runs",
        say=said.append,
    )
    log = (run["model"] / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return run, [json.loads(line)["loss"] for line in log], said


def test_a_batch_whose_examples_are_learnt_from_one_another_is_never_cut_apart(tmp_path: Path) -> None:
    """Two replicas would see half of the others each: the loss, and so all that follows, would be another one."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    run, alone, _ = trained(tmp_path / "one")
    _, threads, said = trained(tmp_path / "two", threads=2)
    assert threads == alone
    assert alone[-1] < alone[0]
    assert any("each batch stays whole" in line for line in said)
    with danlu.load(run["model"], "float32") as bundle:
        near, far = bundle.predict([RECORDS[0], {"text": RECORDS[0]["text"], "text_pair": RECORDS[-1]["text"]}])
        assert near["number"] > far["number"]
        together = bundle.predict(RECORDS)
        apart = [bundle.predict([record])[0] for record in RECORDS[:9]]
    assert [one["number"] for one in apart] == pytest.approx([one["number"] for one in together[:9]], abs=1e-5)


def test_the_loss_of_a_batch_is_that_of_its_formula(tmp_path: Path) -> None:
    tokenizer = WordPiece(size=100, min_frequency=1).build(lambda: iter([WORDS]))
    task = find(Task, "contrast")()
    rows = task.encode(RECORDS[:6], tokenizer, 32, labelled=True)
    assert sizes_of(rows).rows.tolist() == [2] * 6
    batch = task.collate(rows, max(map(len, rows)), tokenizer, np.random.default_rng(0))
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).eval()
    vectors = []
    for record in RECORDS[:6]:
        for text in (record["text"], record["text_pair"]):
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)
            vectors.append(hidden / hidden.norm())
    scores = torch.stack([torch.stack([20 * one @ two for two in vectors[1::2]]) for one in vectors[0::2]])
    expected = -torch.log_softmax(scores, -1).diagonal().sum()
    torch.testing.assert_close(task.loss(model, batch)["contrast"], expected, rtol=1e-4, atol=1e-4)
