"""Bundles in programs with threads: opened, asked and sent elsewhere, they answer as they do to one thread."""

import copy
import gc
import logging
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
import transformers

from danlu.bundle.bundle import load
from danlu.engine.predict import Predictor
from danlu.machine.crew import Crew
from danlu.model.heads import kept_logits
from danlu.recipe.part import kinds
from danlu.task.task import Task

pytestmark = pytest.mark.usefixtures("two_cores")

THREADS = 8
LETTERS = "这本书写得很好值读一遍物流太慢"
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
Answer = TypeVar("Answer")


def together(ask: Callable[[int], Answer], threads: int = THREADS) -> list[Answer]:
    """What each of some threads gets that begin at once; the first error is raised."""
    barrier = threading.Barrier(threads, timeout=60)
    found: dict[int, Any] = {}

    def run(number: int) -> None:
        barrier.wait()
        try:
            found[number] = ask(number)
        except BaseException as error:
            found[number] = error

    workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    errors = [answer for answer in found.values() if isinstance(answer, BaseException)]
    if errors:
        raise errors[0]
    return [found[number] for number in range(threads)]


@cache
def texts(number: int) -> list[dict[str, Any]]:
    """Other texts for every thread."""
    rng = np.random.default_rng(number)
    found = ["".join(rng.choice(list(LETTERS), rng.integers(2, 20))) for _ in range(2)]
    marks = {"head": {"start": 0, "end": 1}, "tail": {"start": 1, "end": 2}}
    asked = {"question": LETTERS[:4], "choices": ["好", "慢"], "candidates": ["快", "好书"], **marks}
    asked |= {"chosen": "好书", "rejected": "慢"}
    return [{"text": text, "context": text, **asked} for text in found]


def close(one: Any, other: Any) -> bool:
    if isinstance(one, float):
        return one == pytest.approx(other, rel=1e-4, abs=1e-5)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    return bool(one == other)


@pytest.mark.parametrize(("kind", "own"), [*((kind, 2) for kind in kinds(Task)), ("classify", 1), ("chat", 1)])
def test_eight_threads_get_the_answers_that_one_gets(bundles: dict[str, Path], kind: str, own: int) -> None:
    alone = load(bundles[kind], threads=1)
    expected = [alone.predict(texts(number)) for number in range(THREADS)]
    bundle = load(bundles[kind], threads=own)
    for _ in range(2):  # the first time the predictor is made meanwhile
        found = together(lambda number: bundle.predict(texts(number)))
        assert all(close(mine, right) for mine, right in zip(found, expected, strict=True))
    alone.predictor.close()
    bundle.predictor.close()


@pytest.mark.parametrize("kind", ["causal_lm", "masked_lm"])
def test_threads_that_share_a_model_keep_their_own_positions(bundles: dict[str, Path], kind: str) -> None:
    model = load(bundles[kind]).model

    def ask(number: int) -> list[torch.Tensor]:
        dice = torch.Generator().manual_seed(number)
        ids = torch.randint(5, 15, (3, 4 + number), generator=dice)
        keep = torch.rand(ids.shape, generator=dice) < 0.5
        with torch.inference_mode():
            return [kept_logits(model, {"input_ids": ids}, keep), model(input_ids=ids).logits[keep]]

    for kept, whole in [pair for _ in range(3) for pair in together(ask)]:
        torch.testing.assert_close(kept, whole)


def test_bundles_are_opened_from_several_threads_and_loggers_stay_as_they_were(bundles: dict[str, Path]) -> None:
    names = ("torchao", "torch.utils._pytree", "transformers")
    before = [logging.getLogger(name).level for name in names]
    paths = [*bundles.values()]
    for _ in range(2):
        opened = together(lambda number: load(paths[number % len(paths)]))
        assert [bundle.folder for bundle in opened] == [paths[number % len(paths)] for number in range(THREADS)]
        assert [logging.getLogger(name).level for name in names] == before
    assert transformers.logging.is_progress_bar_enabled()


def test_threads_that_are_born_later_compute_with_every_core() -> None:
    """In a program of its own, in which nobody has said how many there are."""
    asks = (
        "import numpy as np, threading, torch\n"
        "from danlu.text.batching.encoded import Encoded, Row\n"
        "from danlu.machine.crew import Crew\n"
        "from danlu.train.batches import Batches\n"
        "def cores():\n"
        "    found = []\n"
        "    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))\n"
        "    thread.start(); thread.join()\n"
        "    return found[0]\n"
        "before = cores(), torch.get_num_threads()\n"
        "assert before[0] > 1, before\n"
        "assert Crew(2).run([torch.get_num_threads] * 2) == [1, 1]\n"
        "collate = lambda rows, width, rng: (_ for _ in ()).throw(ZeroDivisionError)\n"
        "row = Row(np.zeros(1, np.int32))\n"
        "batches = Batches([Encoded(0, (row,))], collate, 0, tokens=8, examples=None, accumulate=1, parts=1)\n"
        "try: next(batches.groups(0, 1, torch.device('cpu')))\n"
        "except ZeroDivisionError: pass\n"
        "assert before == (cores(), torch.get_num_threads()), (before, cores(), torch.get_num_threads())\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", asks],
        env={"OMP_NUM_THREADS": "3", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert told.returncode == 0, told.stderr


def test_a_crew_leaves_other_threads_their_cores() -> None:
    before = together(lambda _: torch.get_num_threads(), 2)
    crew = Crew(2)
    assert crew.run([torch.get_num_threads] * 2) == [1, 1]
    assert together(lambda _: torch.get_num_threads(), 2) == before
    crew.close()


@pytest.mark.parametrize("kind", kinds(Task))
def test_a_bundle_goes_to_another_process_before_and_after_its_first_answer(
    bundles: dict[str, Path], kind: str
) -> None:
    bundle = load(bundles[kind], threads=2)
    untouched = pickle.dumps(bundle)
    expected = bundle.predict(texts(1))
    ways = (lambda: pickle.loads(untouched), lambda: pickle.loads(pickle.dumps(bundle)), lambda: copy.deepcopy(bundle))
    turn = kinds(Task).index(kind) % len(ways)
    for way in ways if kind in ("classify", "chat") else ways[turn : turn + 1]:
        sent = way()
        assert close(sent.predict(texts(1)), expected)
        assert sent.network.cores == 2
        sent.close()
    assert isinstance(bundle.predictor, Predictor)
    bundle.close()


def test_nothing_is_left_of_bundles_that_were_opened_asked_and_closed(bundles: dict[str, Path]) -> None:
    """No thread, no open file, and no model, whether they were closed or let go."""
    path = bundles["classify"]
    with load(path, threads=2) as bundle:
        bundle.predict(texts(0)[:1])
    gc.collect()
    files = {path.name for path in Path("/proc/self/fd").iterdir()} if Path("/proc/self/fd").is_dir() else set()
    threads, models = set(threading.enumerate()), []
    for number in range(10):
        bundle = load(path, threads=2)
        bundle.predict(texts(0)[:1])
        models.append(weakref.ref(bundle.model))
        if number % 2:
            bundle.close()
        del bundle
    gc.collect()
    assert set(threading.enumerate()) == threads
    assert [model() for model in models] == [None] * 10
    if files:
        assert {path.name for path in Path("/proc/self/fd").iterdir()} <= files
