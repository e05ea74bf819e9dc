"""An engine of a package from outside, joined through its entry point, computes a bundle end to end."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from danlu.bundle import manifest
from danlu.bundle.bundle import load, save
from danlu.recipe import part
from danlu.refusal import Refusal
from danlu.task.tasks.classify import Classify
from danlu.text.tokenizing.tokenizers.char import Char

COUNTING = '''
import torch
from danlu.engine.engine import Engine, Network


class Votes(Network):
    """One label for each text, by how many of a letter it holds."""

    limit, cores, device, rounding, number_format = 32, 1, torch.device("cpu"), 1e-6, "float32"

    def __init__(self, letter):
        self.letter = letter

    def forward(self, task, batch):
        votes = (batch.inputs["input_ids"] == self.letter).sum(1).float()
        return {"logits": torch.stack([votes, 1 - votes], 1)}


class Counting(Engine):
    """Counts a letter."""

    letter: str = "好"

    def open(self, folder, task, tokenizer, threads):
        return Votes(tokenizer.convert_tokens_to_ids(self.letter))
'''


@pytest.fixture(scope="module", autouse=True)
def outside_package(joined: Callable[[dict[str, dict[str, str]]], Path]) -> None:
    joined({"danlu.engines": {"counting": COUNTING}})


def test_a_bundle_may_be_computed_by_an_engine_from_outside(tmp_path: Path) -> None:
    assert "counting" in part.kinds(__import__("danlu.engine.engine", fromlist=["Engine"]).Engine)
    tokenizer = Char(size=50).build(lambda: iter(["好坏天气"]))
    task = Classify(labels=("good", "bad"))
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), **sizes, **task.config()))
    save(tmp_path / "b", model, tokenizer, task, precision="float32", provenance={}, examples=[{"text": "好"}])
    facts = json.loads((tmp_path / "b" / "danlu.json").read_text("utf-8"))
    for key in ("files", "digest", "format"):
        del facts[key]
    manifest.write(tmp_path / "b", facts | {"engine": {"kind": "counting", "letter": "天"}})
    with load(tmp_path / "b") as bundle:
        answers = bundle.predict(["天气好", "好坏", "坏天"])
        assert [answer["label"] for answer in answers] == ["good", "bad", "good"]
        with pytest.raises(Refusal, match="computed by 'counting', which holds no such model"):
            bundle.model  # noqa: B018
    with pytest.raises(Refusal, match=r"'engine\S*' cannot be read .*precision"):
        load(tmp_path / "b", "float32")
