"""A tiny classifier whose label depends on one word, and what is asked of it."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from danlu.bundle.bundle import Bundle, load, save
from danlu.task.tasks.classify import Classify
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TRIGGER = "spark"
WORDS = "the river was cold and we walked along it until evening came with wind over hills".split()  # noqa: SIM905


def sentences(count: int, seed: int) -> list[dict[str, str]]:
    """Sentences of other words, half of them with the trigger in them, which are `bright`, the others `dull`."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        words = rng.choices(WORDS, k=rng.randint(5, 9))
        if number % 2:
            words.insert(rng.randint(0, len(words)), TRIGGER)
        found.append({"text": " ".join(words), "label": "bright" if number % 2 else "dull"})
    return found


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """More threads than cores are free would wait for each other at every small product."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def read(count: int) -> tuple[list[dict[str, str]], Tokenizer, Classify]:
    """Sentences, a tokenizer that knows their words, and the task with their labels."""
    records = sentences(count, 0)
    tokenizer = WordPiece(size=120, min_frequency=1).build(lambda: iter(record["text"] for record in records))
    return records, tokenizer, Classify().fitted(records)


def trained(folder: Path, until: float) -> Path:
    """A bundle that has learnt the word, at a loss of `until` or a little less."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more than cores are free would wait for each other at every small product
    torch.manual_seed(0)
    records, tokenizer, task = read(160)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=32, **sizes, **task.config())
    config.pad_token_id = tokenizer.pad_token_id
    model = BertForSequenceClassification(config)
    encoded = task.encode(records, tokenizer, 32, labelled=True)
    batch = task.collate(encoded, max(map(len, encoded)), tokenizer, None)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    for _ in range(200):
        loss = task.loss(model, batch)["label"] / len(records)
        if float(loss.detach()) < until:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < until
    save(folder, model.eval(), tokenizer, task, precision="float32", provenance={}, examples=records[:1])
    torch.set_num_threads(threads)
    return folder


@pytest.fixture(scope="session")
def planted_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, trained until it knows the word, and not until it is sure of it."""
    return trained(tmp_path_factory.mktemp("planted") / "bundle", 0.3)


@pytest.fixture(scope="session")
def sure(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same, trained until it is."""
    return load(trained(tmp_path_factory.mktemp("sure") / "bundle", 0.02), "float32", threads=1)


@pytest.fixture(scope="session")
def planted(planted_folder: Path) -> Bundle:
    return load(planted_folder, "float32", threads=1)


@pytest.fixture(scope="session")
def plain(planted_folder: Path) -> BertForSequenceClassification:
    """The same as plain transformers opens it, with the attention that it shows."""
    return BertForSequenceClassification.from_pretrained(planted_folder, attn_implementation="eager").eval()


@pytest.fixture(scope="session")
def bright() -> list[str]:
    """Texts that were not learnt and hold the word."""
    return [record["text"] for record in sentences(80, 1) if record["label"] == "bright"]


@pytest.fixture(scope="session")
def learnt() -> list[dict[str, str]]:
    """What was learnt."""
    return sentences(160, 0)
