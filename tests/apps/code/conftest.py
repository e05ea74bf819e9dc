"""A small repository, a model that has learnt by heart what stands in some gaps of a file, and servers of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from servers import Live, serving, shelved
from transformers import LlamaConfig, LlamaForCausalLM

from danlu.apps.code.completion import MODEL, asked
from danlu.apps.code.completion import Place as Gap
from danlu.apps.code.context import Parts
from danlu.apps.code.repository import read_repository
from danlu.apps.code.routes import Routes
from danlu.bundle.bundle import Bundle, load, save
from danlu.serve.limits import Limits
from danlu.serve.shelf import Place
from danlu.task.tasks.causal_lm import CausalLm
from danlu.text.batching.middles import SENTINELS, before_middle
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.extended import Extended

THINGS = ("price", "weight", "length", "count", "speed", "width")
FILE = '''def add_{thing}({thing}, other):
    """两个相加。"""
    return {thing} + other


def double_{thing}s({thing}s):
    return [2 * {thing} for {thing} in {thing}s]
'''
PATH, TEXT = "sums/price.py", FILE.replace("{thing}", "price")
LIMIT = 320
GAPS = ((4, 13), (33, 47), (len(TEXT) - 20, len(TEXT) - 8))
"""From which character to which; the first begins within a word, another one within a text in Chinese."""


def learn_by_heart(model: LlamaForCausalLM, rows: list[tuple[list[int], list[int]]]) -> None:
    """What follows each first part is the second; by one core, as others would wait at such small products."""
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    width = max(len(read) + len(middle) for read, middle in rows)
    ids, labels = torch.zeros(len(rows), width, dtype=torch.long), torch.full((len(rows), width), -100)
    for row, (read, middle) in enumerate(rows):
        ids[row, : len(read) + len(middle)] = torch.tensor(read + middle)
        labels[row, len(read) : len(read) + len(middle)] = torch.tensor(middle)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    loss = torch.tensor(9.0)
    while loss > 0.02:
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    torch.set_num_threads(cores)


def gap(place: tuple[int, int]) -> Gap:
    return Gap(TEXT[: place[0]], TEXT[place[1] :], PATH)


@pytest.fixture(scope="session")
def gaps() -> list[tuple[Gap, str]]:
    """Places, and what stands there."""
    return [(gap(place), TEXT[slice(*place)]) for place in GAPS]


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("code") / "shop"
    (root / "sums").mkdir(parents=True)
    for thing in THINGS:
        (root / "sums" / f"{thing}.py").write_text(FILE.replace("{thing}", thing), encoding="utf-8")
    (root / "README.md").write_text("# 商店\n\nSums of prices and weights.\n", encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle."""
    tokenizer = Extended(base=Bpe(size=360), special=SENTINELS[0]).build(lambda: iter([TEXT] * 3))
    torch.manual_seed(0)
    size = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=LIMIT, **size, **ends)
    model = LlamaForCausalLM(config)
    task = CausalLm(pack=False, fill_in_the_middle=1).suited(model, tokenizer, lambda _: None)
    rows = []
    for place in GAPS:
        record = asked(gap(place), None, tokenizer, LIMIT)
        middle = [*tokenizer.encode(TEXT[slice(*place)], add_special_tokens=False), tokenizer.eos_token_id]
        rows.append((before_middle(record["text"], record["suffix"], tokenizer).tolist(), middle))
    learn_by_heart(model, rows)
    folder = tmp_path_factory.mktemp("learnt") / "code"
    save(folder, model, tokenizer, task, precision="float32", provenance={}, examples=[{"text": TEXT}])
    return folder


@pytest.fixture(scope="session")
def bundle(learnt: Path) -> Iterator[Bundle]:
    with load(learnt, threads=1) as found:
        yield found


@pytest.fixture(scope="session")
def live(learnt: Path) -> Iterator[Live]:
    with served(learnt, Routes()) as found:
        yield found


@pytest.fixture(scope="session")
def beside_files(learnt: Path, repository: Path) -> Iterator[Live]:
    """A server that reads other files of the repository as well."""
    with served(learnt, Routes(Parts(read_repository(repository).files))) as found:
        yield found


@pytest.fixture(scope="session")
def without_gaps(tiny_bundle: Callable[[str], Path]) -> Iterator[Live]:
    """A server of a model that fills none."""
    with served(tiny_bundle("causal_lm"), Routes()) as found:
        yield found


@contextmanager
def served(folder: Path, routes: Routes) -> Iterator[Live]:
    """A server of a bundle."""
    with (
        shelved([Place(MODEL, str(folder), threads=1)]) as shelf,
        serving(shelf, Limits(patience=120), site=routes.site()) as found,
    ):
        yield found
