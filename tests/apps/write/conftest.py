"""Writers of random weights: what they say is nonsense, and has all words."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import Live, serving

from danlu.apps.write.routes import TONES, WRITER, Routes
from danlu.bundle.bundle import Bundle, load, save
from danlu.serve.limits import Limits
from danlu.serve.shelf import Place, Shelf


@pytest.fixture(scope="session")
def encoder_decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tiny_tasks

    folder = tmp_path_factory.mktemp("write") / "rewrite"
    task = tiny_tasks.task_for("rewrite")
    told = {"precision": "float32", "provenance": {}, "examples": list(task.sample[:1])}
    save(folder, tiny_tasks.model_for("rewrite"), tiny_tasks.tokenizer_for("rewrite"), task, **told)
    return folder


@pytest.fixture(scope="session")
def chat(tiny_bundle: Callable[[str], Path]) -> Iterator[Bundle]:
    with load(tiny_bundle("chat"), threads=1) as bundle:
        yield bundle


@pytest.fixture(scope="session")
def tones(tiny_bundle: Callable[[str], Path]) -> Iterator[Bundle]:
    with load(tiny_bundle("classify"), threads=1) as bundle:
        yield bundle


@pytest.fixture(scope="session")
def live(tiny_bundle: Callable[[str], Path]) -> Iterator[Live]:
    """The writer over HTTP, with a judge of tones."""
    kinds = {WRITER: "chat", TONES: "classify"}
    shelf = Shelf([Place(name, str(tiny_bundle(kind)), threads=1) for name, kind in kinds.items()])
    shelf.open()
    with serving(shelf, Limits(patience=120), site=Routes(judges=True).site()) as found:
        yield found
    shelf.close()
