"""What earlier danlus have written is opened by this one, and what newer ones write is refused in a sentence.

`tests/golden/NUMBER` holds what was written when the format of bundles had that number; see `tests/golden/make.py`.
"""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from danlu.bundle import manifest
from danlu.bundle.bundle import load
from danlu.bundle.verify import verify
from danlu.machine.database import FORMATS
from danlu.machine.door import content_digest
from danlu.recipe import lock
from danlu.refusal import Refusal
from danlu.text.batching import shards
from danlu.text.batching.flat import DocumentRows, FlatTokens
from danlu.text.batching.rows import Rows
from danlu.train import checkpoint
from danlu.train.average import Average
from danlu.train.checkpoint import State
from danlu.train.layouts.flat import FlatParameters
from danlu.train.optimizer import build_optimizer

GOLDEN = Path(__file__).parent / "golden"
WRITTEN = sorted(path for path in GOLDEN.iterdir() if path.name.isdecimal())
FINGERPRINT = "0" * 64


@pytest.fixture(params=WRITTEN, ids=lambda path: path.name)
def golden(request: pytest.FixtureRequest) -> Path:
    """A folder of one format."""
    return Path(request.param)


@pytest.fixture
def unpacked(golden: Path, tmp_path: Path) -> Callable[[str], str]:
    """A function that unpacks a database, and gives its address."""

    def unpack(name: str) -> str:
        file = tmp_path / f"{name}.db"
        file.write_bytes(gzip.decompress((golden / f"{name}.db.gz").read_bytes()))
        return f"sqlite:///{file}"

    return unpack


def test_the_format_of_today_has_its_golden_folder() -> None:
    assert str(manifest.FORMAT) in [path.name for path in WRITTEN], "run tests/golden/make.py for the new format"


@pytest.mark.parametrize("kind", ["classify", "causal_lm", "classify_onnx", "adapted"])
def test_bundles_answer_as_they_did(golden: Path, kind: str) -> None:
    if kind.endswith("onnx"):
        pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    assert verify(golden / kind) == []
    assert set(load(golden / kind).adapters) == {"headed", "updated"} or kind != "adapted"


def test_shards_hold_what_they_held(golden: Path) -> None:
    rows = Rows(golden / "rows", shards.read(golden / "rows"))
    assert [(each.row.input_ids.tolist(), each.targets) for each in rows] == [
        ([1, 2], {"label": 0}),
        ([1, 2, 3, 4], {"label": 1}),
        ([1, 2, 3], {"label": 2}),
    ]
    kept = shards.read(golden / "tokens")
    assert (kept.count, kept.tokens, kept.told("task")) == (3, 9, "golden")
    documents = DocumentRows(FlatTokens(golden / "tokens", kept), 8, lambda row: {})
    assert [each.row.input_ids.tolist() for each in documents] == [[1, 2], [1, 2, 3, 4], [1, 2, 3]]


def test_a_bundle_of_a_newer_format_is_refused(golden: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(golden / "classify", folder)
    path = folder / manifest.NAME
    facts = json.loads(path.read_text(encoding="utf-8"))
    facts["format"] = manifest.FORMAT + 1
    facts["digest"] = content_digest({key: value for key, value in facts.items() if key != "digest"})
    path.write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(Refusal, match=rf"format {manifest.FORMAT + 1} is newer than {manifest.FORMAT}.*upgrade"):
        load(folder)


def test_locks_are_read_and_keys_of_newer_ones_do_no_harm(golden: Path, tmp_path: Path) -> None:
    found = lock.load(golden / "training")
    assert found is not None
    assert (found.stage, found.state, found.seed, found.fingerprint) == ("model", "running", 1, FINGERPRINT)
    text = (golden / "training" / lock.NAME).read_text(encoding="utf-8")
    (tmp_path / lock.NAME).write_text(f"{text}weather: fine\n", encoding="utf-8")
    assert lock.load(tmp_path) == found
    (tmp_path / lock.NAME).write_text(text.replace("fingerprint:", "print:"), encoding="utf-8")
    with pytest.raises(Refusal, match=r"is not a lock that danlu wrote; move the folder away"):
        lock.load(tmp_path)


def test_checkpoints_are_gone_on_with_or_refused(golden: Path) -> None:
    parameters = FlatParameters(torch.nn.Linear(3, 2))
    optimizer = build_optimizer("adamw", parameters, rate=1e-3, weight_decay=0.0, betas=(0.9, 0.98))
    kept = (parameters, optimizer, Average(parameters, 0.0), {})
    folder = golden / "training" / "checkpoints"
    state = checkpoint.restore(folder, State(FINGERPRINT, 2, 2, "float32"), *kept)
    assert (state.step, state.best, state.best_step) == (7, 0.5, 4)
    moments = [value for each in optimizer.state.values() for value in each.values() if value.dim()]
    assert moments
    assert all(bool((value > 0).all()) for value in moments)
    with pytest.raises(Refusal, match=r"another recipe, other data or another version; remove the folder"):
        checkpoint.restore(folder, State("1" * 64, 2, 2, "float32"), *kept)


def test_an_index_finds_what_it_found(unpacked: Callable[[str], str], tmp_path: Path) -> None:
    from danlu.index.index import Index

    unpacked("index")
    with Index.open(tmp_path) as index:
        assert index.search("几点开门")[0].document == "a.txt"
        assert [found.document for found in index.search("closes")] == ["b.txt"]


def opened(name: str, address: str) -> list[str]:
    """What the application of a name finds in its database."""
    import sqlalchemy as sql

    if name == "assistant":
        from danlu.apps.assistant.store import Store as Desk

        with Desk(address) as desk:
            return [entry.answer for entry in desk.all()[0]]
    if name == "recommend":
        from danlu.apps.recommend.ledger import Ledger

        with Ledger(address) as ledger:
            return [item.title for item in ledger.everything()[0]]
    if name == "monitor":
        from danlu.apps.monitor.store import Store as Watch

        watch = Watch(address)
        with watch.begin() as connection:
            found = connection.execute(sql.text("SELECT text FROM monitor_texts")).scalars().all()
        watch.close()
        return list(found)
    from danlu.serve.feedback import Feedback

    feedback = Feedback(address)
    with feedback.begin() as connection:
        found = connection.execute(sql.select(feedback._table.c.record)).scalars().all()
    feedback.close()
    return list(found)


HELD = {
    "assistant": ["早上九点。"],
    "recommend": ["手机"],
    "monitor": ["手机很好用"],
    "feedback": ['{"text": "很好用"}'],
}


@pytest.mark.parametrize("name", FORMATS)
def test_databases_of_applications_are_opened_and_newer_ones_refused(unpacked: Callable[[str], str], name: str) -> None:
    import sqlalchemy as sql

    address = unpacked(name)
    assert opened(name, address) == HELD[name]
    engine = sql.create_engine(address)
    with engine.begin() as connection:
        connection.execute(sql.text("UPDATE danlu_formats SET format = 99"))
    with pytest.raises(Refusal, match=rf"its tables have format 99, and this danlu reads {FORMATS[name]}; upgrade"):
        opened(name, address)
    with engine.begin() as connection:
        connection.execute(sql.text("DROP TABLE danlu_formats"))  # as before formats were noted
    assert opened(name, address) == HELD[name]
    engine.dispose()
