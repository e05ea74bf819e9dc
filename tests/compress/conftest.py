"""A tiny classifier that has learnt something, and the records that it has learnt it from."""

from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

WORDS = ["book", "film", "tea", "road", "house", "river", "stone", "train", "paper", "garden", "window", "letter"]
GOOD, BAD = ["good", "fine", "bright"], ["bad", "dull", "broken"]


@pytest.fixture(autouse=True, scope="module")
def _one_core() -> Iterator[None]:
    """Tensors this small take many times as long where two cores share them and another program has one of these."""
    from danlu.machine.crew import on_one_core

    with on_one_core():
        yield


def made_records(count: int, seed: int) -> list[dict[str, str]]:
    """Texts of which one word tells the label, and "not" turns it: no word tells it alone."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        good, turned = bool(rng.integers(2)), bool(rng.integers(2))
        words = [str(rng.choice(GOOD if good else BAD)), "not" if turned else "very", *rng.choice(WORDS, 4).tolist()]
        text = " ".join(rng.permutation(words).tolist())
        found.append({"text": text, "label": "good" if good != turned else "bad"})
    return found


@pytest.fixture(scope="session")
def learnt() -> list[dict[str, str]]:
    return made_records(256, 0)


@pytest.fixture(scope="session")
def unseen() -> list[dict[str, str]]:
    return made_records(64, 1)


@pytest.fixture(scope="session")
def others() -> list[dict[str, str]]:
    return made_records(48, 7)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, learnt: list[dict[str, str]]) -> Path:
    """A bundle: four layers of 64 neurons and two heads, which tell good from bad."""
    import transformers
    from transformers import BertConfig

    from danlu.bundle.bundle import save
    from danlu.machine.crew import on_one_core
    from danlu.task.task import Task
    from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

    texts = [record["text"] for record in learnt]
    tokenizer = WordPiece(size=300, min_frequency=1).build(lambda: iter([*texts, "zebra quartz 好书 翻译"] * 2))
    task = Task.model_validate("classify").fitted(learnt)
    sizes = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64}
    sizes |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **sizes, **task.config())
    encoded = task.learnable(learnt, tokenizer, 64, 0)
    rows = [encoded[first : first + 32] for first in range(0, len(encoded), 32)]
    batches = [task.collate(each, max(map(len, each)), tokenizer, np.random.default_rng(0)) for each in rows]
    for seed in range(3, 9):  # with some weights nothing is learnt in so few steps; with which ones, processors differ
        torch.manual_seed(seed)
        model = transformers.AutoModelForSequenceClassification.from_config(config)
        optimizer = torch.optim.Adam(model.parameters(), 2e-3)
        with on_one_core():
            for batch in islice(cycle(batches), 500):
                loss = task.loss(model, batch)["label"] / 32
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if float(loss.detach()) < 0.03:
                    break
        if float(loss.detach()) < 0.03:
            break
    folder = tmp_path_factory.mktemp("compress") / "bundle"
    told: dict[str, Any] = {"precision": "float32", "provenance": {}}
    save(folder, model.eval(), tokenizer, task, examples=learnt[:4], **told)
    return folder


@pytest.fixture(scope="session")
def subject(trained: Path, learnt: list[dict[str, str]]) -> "Callable[[], Any]":
    """A function that gives the trained network as prunings get it."""
    from danlu.bundle import manifest
    from danlu.compress.pruning import Subject
    from danlu.model.sources.pretrained import Pretrained
    from danlu.task.task import Task
    from danlu.text.tokenizing.folder import open_tokenizer

    def made() -> Subject:
        task = Task.model_validate(manifest.read(trained)["task"])
        tokenizer = open_tokenizer(trained, str(trained))
        model = Pretrained(path=str(trained)).build(task.auto_class, tokenizer, task.config()).eval()
        return Subject(model, tokenizer, task, learnt)

    return made
