"""Pretrained models: the one that is named, or one that lies where models are kept."""

import json
from pathlib import Path

import pytest
import yaml
from transformers import BertConfig, BertForMaskedLM, LlamaConfig, LlamaForCausalLM

from danlu.apps.guessing import models
from danlu.apps.guessing.models import Found, found_locally, named
from danlu.apps.init import init
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TEXTS = ["物流很快，包装完好", "味道不错，下次再来"] * 5
CLASSIFY, MASKED, CAUSAL = (find(Task, kind) for kind in ("classify", "masked_lm", "causal_lm"))


def save(folder: Path, texts: list[str], width: int = 32, decoder: bool = False) -> Path:
    tokenizer = WordPiece(size=64, min_frequency=1).build(lambda: iter(texts))
    shape = {"vocab_size": 64, "hidden_size": width, "num_hidden_layers": 1, "num_attention_heads": 2}
    network = LlamaForCausalLM(LlamaConfig(**shape)) if decoder else BertForMaskedLM(BertConfig(**shape))
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "SMALLEST", 1000)
    save(tmp_path / "small", TEXTS)
    save(tmp_path / "models--owner--large" / "snapshots" / "abc", TEXTS, 64)
    save(tmp_path / "deep" / "owner" / "english", ["what a film"] * 5, 128)
    save(tmp_path / "llama", TEXTS, 128, decoder=True)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "config.json").write_text("[")
    return tmp_path


def test_the_largest_that_can_do_the_task_and_knows_the_characters_is_taken(place):
    found = found_locally(CLASSIFY, TEXTS, [place / "nowhere", place])
    assert found.path == str(place / "llama")  # of a decoder the head can be a classifier, too
    assert found_locally(MASKED, TEXTS, [place]).path == "owner/large"
    assert found_locally(CAUSAL, TEXTS, [place]).path == str(place / "llama")
    assert found_locally(MASKED, ["what a film"], [place]).path == str(place / "deep" / "owner" / "english")
    assert found_locally(CLASSIFY, ["你们"], [place]) is None


def test_models_beyond_the_bounds_are_not_taken_unasked(place, monkeypatch):
    monkeypatch.setattr(models, "LARGEST", 2000)
    assert found_locally(CLASSIFY, TEXTS, [place]) is None


def test_a_named_model_is_taken_as_it_is_or_refused(place):
    found = named(str(place / "small"), MASKED, TEXTS)
    assert found.parameters > 1000
    assert found.knows
    assert not named(str(place / "small"), MASKED, ["你们"]).knows
    assert named("owner/elsewhere", MASKED, TEXTS) == Found("owner/elsewhere")
    with pytest.raises(Refusal, match=r"--model is './no', and there is no such folder; give one, a name on the hub"):
        named("./no", MASKED, TEXTS)
    with pytest.raises(Refusal, match="no model of the family 'llama' that guesses hidden tokens"):
        named(str(place / "llama"), MASKED, TEXTS)
    with pytest.raises(Refusal, match=r"holds no config\.json of a model"):
        named(str(place), MASKED, TEXTS)


def test_how_long_rows_are_is_counted_by_the_vocabulary_of_the_model(tmp_path):
    """By letters of English a conversation has a quarter as many tokens; around each message stands its speaker."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    save(tmp_path / "bytes", [letters[place:] + letters[:place] for place in range(26)], decoder=True)
    said = [f"tell me of number {number}, and of the next one" * 4 for number in range(12)]
    lines = [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": text.upper()}]}
        for text in said
    ]
    data = tmp_path / "talks.jsonl"
    data.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    lengths = []
    for number, model in enumerate(("scratch", str(tmp_path / "bytes"))):
        path = init("chat", str(data), [], model=model, output=tmp_path / f"{number}.yaml").path
        lengths.append(yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]["model"]["task"]["max_length"])
    assert lengths[0] == 512  # room for a second question behind one that was learnt
    assert lengths[1] > 1.3 * lengths[0]
