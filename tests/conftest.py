"""What holds for every test."""

import asyncio
import copy
import gc
import importlib
import os
import signal
import sys
import tempfile
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from danlu.train.run import TrainingRun


# Examples are the same in every run, and a slow machine is no failure; DANLU_EXAMPLES=500 tries more of them.
settings.register_profile(
    "house",
    deadline=None,
    derandomize=True,
    max_examples=int(os.environ.get("DANLU_EXAMPLES", "30")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")

os.environ["DANLU_LANGUAGE"] = "en"  # whatever the machine speaks; tests of Chinese say so

# What is measured of this machine is kept in the user's cache, and a test's is not to be found there.
_cache = tempfile.TemporaryDirectory(prefix="danlu-tests-")
os.environ["XDG_CACHE_HOME"] = os.environ["MODELSCOPE_CACHE"] = _cache.name

# Nobody pulls the plug while tests run: that files are on the disk before they are named, a training would wait for 27
# times, and some milliseconds each time (2026-11).
os.fsync = lambda _descriptor: None

# What is imported and collected is there to stay: to look through it for what could be let go takes 5 of 22 seconds.
gc.disable()

# Shells let what they start in the background ignore Ctrl-C, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)


# In this order, since a process that is left alone with one of these at the end is waited for by the others.
LONGEST = (
    "tuning/test_tasks.py",
    "trials/test_search.py",
    "stages/test_train.py",
    "tuning/test_contract.py",
    "test_examples.py",
    "test_readme.py",
    "stages/test_reference_losses.py",
    "train/test_ranks.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take 25 processor seconds and more (2026-11) begin first."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    assert all(path.is_file() for path in places), "a file of LONGEST has moved"
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """From here on what can be let go is looked for again, though not among what was collected."""
    gc.freeze()
    gc.enable()


_packages = count()


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Callable[[dict[str, dict[str, str]]], Path]]":
    """A function that joins a package from outside: by group of entry points the code of each name.

    Each package has a name of its own, since Python keeps what it has imported; `from .name import` finds siblings.
    """
    folders: list[Path] = []

    def join(parts: dict[str, dict[str, str]]) -> Path:
        package = f"outside_{next(_packages)}"
        folder = tmp_path_factory.mktemp(package)
        told = folder / f"{package}-1.0.dist-info"
        (folder / package).mkdir()
        told.mkdir()
        (folder / package / "__init__.py").touch()
        points = []
        for group, codes in parts.items():
            points.append(f"[{group}]")
            for name, code in codes.items():
                (folder / package / f"{name}.py").write_text(code, encoding="utf-8")
                points.append(f"{name} = {package}.{name}")
        (told / "METADATA").write_text(f"Name: {package}\nVersion: 1.0\n")
        (told / "entry_points.txt").write_text("\n".join(points) + "\n")
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()
        folders.append(folder)
        return folder

    yield join
    for folder in folders:
        sys.path.remove(str(folder))


@pytest.fixture(autouse=True)
def _as_many_threads_as_before() -> "Iterator[None]":
    """Nobody computes with the threads of an earlier test: with another number products of few rows round otherwise."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    yield
    if torch and torch.get_num_threads() != before:
        torch.set_num_threads(before)


@pytest.fixture
def two_cores() -> "Iterator[None]":
    """Two cores for this thread and those born later, also where this machine, or `make test`, gives them one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> "Callable[[str], Path]":
    """A function that gives a bundle of a task, of a network of random weights."""
    import tiny_tasks
    import torch
    import transformers
    from transformers import BertConfig, LlamaConfig

    from danlu.bundle.bundle import save
    from danlu.model.beside import taken_apart
    from danlu.model.policy import changed
    from danlu.task.task import Task
    from danlu.text.tokenizing.tokenizers.bpe import Bpe
    from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

    letters = "这本书写得很好值读一遍物流太慢"
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    apart = ("denoise", "permuted_lm", "replaced_token")  # of which each wants a family of its own
    told: dict[str, Any] = {"precision": "float32", "provenance": {}}

    @cache
    def made(kind: str) -> Path:
        folder = tmp_path_factory.mktemp("bundles") / kind
        if kind in apart:
            task, tokenizer = tiny_tasks.task_for(kind), tiny_tasks.tokenizer_for(kind)
            taken_apart(network := copy.deepcopy(tiny_tasks.model_for(kind)))
            save(folder, network, tokenizer, task, examples=list(task.sample[:1]), **told)
            return folder
        task = Task.model_validate(kind)
        if task.answers_by == "generate":  # networks that have learnt nothing do not end by themselves
            task = task.model_copy(update={"policy": changed(task.policy, None, {"max_new_tokens": 12})})
        pairs = {"text_pair"} - task.columns.keys()
        sample = [{name: value for name, value in record.items() if name not in pairs} for record in task.sample]
        task = task.fitted(sample).shaped("decoder")
        causal = task.auto_class == "AutoModelForCausalLM"
        source = Bpe(size=300) if causal else WordPiece(size=60, min_frequency=1)
        tokenizer = source.build(lambda: iter([letters]))
        ends = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0} if causal else {}
        family = LlamaConfig if causal else BertConfig
        torch.manual_seed(2)
        config = family(vocab_size=len(tokenizer), max_position_embeddings=128, **sizes, **ends, **task.config())
        network = getattr(transformers, task.auto_class).from_config(config)
        task = task.suited(network, tokenizer, print)
        save(folder, network, tokenizer, task, examples=sample[:1], **told)
        return folder

    return made


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """A Chromium for all tests of this process: each start takes 2 processor seconds (2026-11)."""
    from pages import CHROMIUM, launched

    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}; Debian's package is chromium")
    with launched() as found:
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield found
        asyncio._set_running_loop(loop)


@pytest.fixture(scope="module")
def browser(chromium: "Browser") -> "Iterator[Browser]":
    """The Chromium, for the tests of a file.

    Meanwhile playwright has a loop of asyncio in the main thread, where nobody else can have one; others get the thread
    without it.
    """
    asyncio._set_running_loop(chromium._loop)
    yield chromium
    asyncio._set_running_loop(None)


@pytest.fixture(scope="session")
def bundles(tiny_bundle: "Callable[[str], Path]") -> dict[str, Path]:
    """A bundle of every task."""
    from danlu.recipe.part import kinds
    from danlu.task.task import Task

    return {kind: tiny_bundle(kind) for kind in kinds(Task)}


@pytest.fixture(scope="session")
def made_run() -> "Callable[..., TrainingRun]":
    """A function that makes a training of a tiny transformers model: rows of 4 to 10 tokens, learnt by heart."""
    import numpy as np
    import torch

    from danlu.text.batching.batch import Batch
    from danlu.text.batching.encoded import Encoded, Row
    from danlu.train.batches import Batches
    from danlu.train.run import TrainingRun
    from danlu.train.settings import Training
    from danlu.tuning.method import Method

    def collate(rows: list[Encoded], width: int, rng: np.random.Generator) -> Batch:
        ids_BT = torch.zeros(len(rows), width, dtype=torch.long)
        for row, encoded in zip(ids_BT, rows, strict=True):
            row[: len(encoded)] = torch.from_numpy(encoded.row.input_ids.astype(np.int64))
        inputs = {"input_ids": ids_BT, "attention_mask": (ids_BT > 0).long()}
        tokens = int((ids_BT > 0).sum())
        return Batch(inputs, {"labels": ids_BT[:, 1]}, {"labels": len(rows)}, np.arange(len(rows)), tokens)

    def loss(model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        logits = model(**batch.inputs).logits.float()
        learnt = batch.inputs["input_ids"] if logits.dim() == 3 else batch.targets["labels"]
        labels = (learnt % logits.shape[-1]).flatten()
        return {"labels": torch.nn.functional.cross_entropy(logits.flatten(0, -2), labels, reduction="sum")}

    def make(
        model: torch.nn.Module, method: Method, folder: Path, *, precision: str = "float32", **fields: Any
    ) -> TrainingRun:
        rng = np.random.default_rng(0)
        rows = [Encoded(row, (Row(rng.integers(3, 60, 4 + row % 7).astype(np.int32)),)) for row in range(24)]
        settings = Training(**({"rate": 1e-2, "precision": precision} | fields))
        batches = Batches(rows, collate, 0, tokens=64, examples=None, accumulate=1, parts=1)
        return TrainingRun(
            model, batches, loss, settings, method, precision=precision, folder=folder, fingerprint="one", seed=0
        )

    return make
