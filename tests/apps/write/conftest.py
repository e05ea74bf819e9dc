"""Writers of random weights: what they say is nonsense, and has all words."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from servers import Live, serving, shelved

from danlu.apps.write import writer
from danlu.apps.write.routes import Routes
from danlu.apps.write.writer import TONES, WRITER
from danlu.bundle.bundle import Bundle, load, save
from danlu.serve.limits import Limits
from danlu.serve.shelf import Place


@pytest.fixture(scope="module", autouse=True)
def few_beams() -> Iterator[None]:
    """Three beginnings in each bank instead of eight, which is enough for nonsense."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "Words", partial(writer.Words, beams=3))
        yield


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
    places = [Place(name, str(tiny_bundle(kind)), threads=1) for name, kind in kinds.items()]
    with (
        shelved(places) as shelf,
        serving(shelf, Limits(patience=120), site=Routes(judges=True).site()) as found,
    ):
        yield found
