"""Shards that are fetched from elsewhere: the same bytes, the same training, and nothing that was not asked for."""

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import danlu
from danlu.recipe.lock import lock
from danlu.refusal import Refusal
from danlu.stages.kinds.fetch import _of_shards
from danlu.stages.run import Run
from danlu.stages.stage import Place, Stage

MODEL = {"kind": "scratch", "layers": 1, "width": 16, "heads": 2, "positions": 32, "dropout": 0.0}
TRAIN = {"steps": 2, "rate": 1e-2, "batch_tokens": 64, "precision": "float32"}


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder; what was asked for is kept."""

    asked: list[str] = []  # noqa: RUF012 - one list for all requests is meant
    held: threading.Event | None = None  # until which the tokenizer does not come

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        """Keep the path."""
        self.asked.append(self.path)
        if self.held is not None and "tokenizer" in self.path:
            self.held.wait(20)
        super().do_GET()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("made")
    rows = "".join(f"{'这家店的东西我很' * (1 + row % 3)}{'喜欢' if row % 2 else '失望'}{row}\n" for row in range(60))
    (root / "texts.txt").write_text(rows, encoding="utf-8")
    data = {"kind": "text", "path": str(root / "texts.txt")}
    stages = {
        "clean": {"kind": "prepare", "data": data, "split": {"validation": 0.2}},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "char"}},
        "rows": {"kind": "shards", "data": "@clean", "tokenizer": "@vocab"},
        "model": _training("@rows"),
    }
    return danlu.run({"name": "made", "stages": stages}, root=root / "runs", say=lambda _: None)


def _training(data: str) -> dict[str, Any]:
    task = {"kind": "masked_lm"}
    return {"kind": "train", "data": data, "tokenizer": data, "model": MODEL, "task": task, "train": TRAIN}


@pytest.fixture
def elsewhere(made: Run, tmp_path: Path) -> Path:
    """A copy of what the stage has left, which a test may change."""
    return Path(shutil.copytree(made["rows"], tmp_path / "elsewhere"))


@pytest.fixture
def server(elsewhere: Path) -> Iterator[str]:
    Handler.asked, Handler.held = [], None
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(elsewhere))) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def fetch(path: str, folder: Path, said: list[str] | None = None) -> None:
    stage = Stage.model_validate({"kind": "fetch", "path": path})
    stage.run(Place(folder, {}, "one", 0, "en", (said if said is not None else []).append))


def files(folder: Path) -> dict[str, str]:
    names = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("recipe.lock")]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in names}


@pytest.mark.parametrize("how", ["folder", "http", "memory"])
def test_what_was_fetched_is_what_was_made_and_trains_to_the_same_bits(
    how: str, made: Run, elsewhere: Path, server: str, tmp_path: Path
) -> None:
    where = {"folder": str(elsewhere), "http": f"{server}/", "memory": "memory://bucket/rows"}[how]
    if how == "memory":
        import fsspec

        fsspec.filesystem("memory").put(f"{elsewhere}/", "/bucket/rows", recursive=True)
    stages = {"rows": {"kind": "fetch", "path": where}, "model": _training("@rows")}
    found = danlu.run({"name": "fetched", "stages": stages}, root=tmp_path / "runs", say=lambda _: None)
    assert files(found["rows"]) == files(made["rows"])
    ours, theirs = (folder["model"] / "bundle" / "model.safetensors" for folder in (found, made))
    assert ours.read_bytes() == theirs.read_bytes()
    log = (found["model"] / "log.jsonl").read_text("utf-8").splitlines()
    assert any("validation" in json.loads(line) for line in log)  # the split came along


def test_what_is_there_whole_is_not_fetched_again(server: str, tmp_path: Path) -> None:
    said: list[str] = []
    fetch(server, tmp_path / "rows", said)
    first = [path for path in Handler.asked if not path.endswith("manifest.json")]
    assert len(first) == len(set(first)) == int(said[0].partition("fetched: ")[2].partition(",")[0])
    shard = next(path for path in (tmp_path / "rows" / "shards").iterdir() if path.name != "manifest.json")
    shard.write_bytes(shard.read_bytes()[:-1])  # as a kill may leave it
    Handler.asked.clear()
    fetch(server, tmp_path / "rows", said)
    assert [path for path in Handler.asked if not path.endswith("manifest.json")] == [f"/shards/{shard.name}"]
    assert "files fetched: 1," in said[1]


def test_who_waits_hears_how_far_it_is_and_may_end_it(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.stages.kinds.fetch.QUIET_SECONDS", 0.2)
    said: list[str] = []

    def ending(line: str) -> None:
        said.append(line)
        assert Handler.held is not None
        Handler.held.set()
        raise KeyboardInterrupt

    Handler.held = threading.Event()
    stage = Stage.model_validate({"kind": "fetch", "path": server})
    with pytest.raises(KeyboardInterrupt):
        stage.run(Place(tmp_path / "rows", {}, "one", 0, "en", ending))
    assert said == ["rows: 0 of 0 MiB are here"]
    assert not [path for path in (tmp_path / "rows").rglob("*") if path.name in ("manifest.json", "tokenizer.json")]
    assert not [path for path in (tmp_path / "rows").rglob("*") if path.name.endswith(".partial")]
    Handler.held = None
    fetch(server, tmp_path / "rows", said)
    assert "files fetched" in said[-1]


@pytest.mark.parametrize("change", ["other", "shorter", "longer", "gone"])
def test_a_file_that_is_not_what_the_manifest_tells_is_not_taken(
    change: str, elsewhere: Path, server: str, tmp_path: Path
) -> None:
    file = elsewhere / "tokenizer" / "tokenizer.json"
    data = file.read_bytes()
    file.write_bytes({"other": data[:-1] + b"?", "shorter": data[:-1], "longer": data + b"?", "gone": b""}[change])
    if change == "gone":
        file.unlink()
    with pytest.raises(Refusal, match=r"tokenizer/tokenizer\.json: ") as told:
        fetch(f"{server}?sig=secret", tmp_path / "rows")
    assert "secret" not in str(told.value)
    assert not (tmp_path / "rows" / "tokenizer" / "tokenizer.json").exists()
    assert not (tmp_path / "rows" / "shards" / "manifest.json").exists()


HOSTILE = ["../evil.json", "tokenizer/../../evil.json", "/tmp/evil.json", "tokenizer/evil.pkl", "other/a.json", "evil"]
HOSTILE += ["shards/../../evil", "tokenizer\\..\\evil.json", "tokenizer/./a.json", "C:/evil.json", "", "tokenizer"]
HOSTILE += ["tokenizer/\0.json", "tokenizer/a\n.json", "shards/manifest.json"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_manifest_that_names_other_files_is_refused_before_any_is_fetched(
    name: str, elsewhere: Path, tmp_path: Path
) -> None:
    _rewrite(elsewhere, lambda plain: plain["about"]["beside"].update({name: {"bytes": 1, "sha256": "0"}}))
    with pytest.raises(Refusal, match="which no shards have; nothing was fetched"):
        fetch(str(elsewhere), tmp_path / "rows")
    assert not (tmp_path / "rows").exists()


@given(st.text(st.sampled_from("./\\:abtokenizrsh json-"), max_size=30).map(lambda end: "tokenizer/" + end))
def test_no_name_that_is_taken_leads_out_of_the_folder(name: str) -> None:
    if _of_shards(name):
        assert (Path("/folder") / name).resolve().is_relative_to("/folder/tokenizer")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda plain: plain["about"].pop("beside"), "does not tell 'beside'; write the shards again"),
        (lambda plain: plain["about"].update(beside=["a"]), "cannot be read; write the shards again"),
        (lambda plain: plain["about"].update(beside={"test.parquet": {}}), "cannot be read; write the shards again"),
        (lambda plain: plain.update(format=99), "format 99 is not"),
        (lambda plain: plain.update(shards=[]), "the shards hold nothing"),
        (lambda plain: plain["shards"][0].update(files={"a": {}}), "cannot be read; write the shards again"),
        (lambda plain: plain["shards"][0].update(files={"a": {"bytes": -5, "sha256": ""}}), "nothing was fetched"),
        (lambda plain: plain["shards"][0].update(files={"a": {"bytes": 1e999, "sha256": ""}}), "cannot be read; write"),
        (lambda plain: plain["shards"][0].update(files={"a": 1}), "is no manifest that danlu wrote"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_one_sentence(
    change: Any, reason: str, elsewhere: Path, tmp_path: Path
) -> None:
    _rewrite(elsewhere, change)
    with pytest.raises(Refusal, match=reason):
        fetch(str(elsewhere), tmp_path / "rows")


def test_a_place_without_shards_is_one_sentence(server: str, elsewhere: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"shards/manifest\.json: there is no such file; give the folder of a finished"):
        fetch(str(tmp_path / "none"), tmp_path / "rows")
    with pytest.raises(Refusal, match=r"http://127\.0\.0\.1:\d+/none/shards/manifest\.json"):
        fetch(f"{server}/none?token=secret", tmp_path / "rows")
    _rewrite(elsewhere, lambda plain: plain["shards"][0]["files"].update(big={"bytes": 2**62, "sha256": "0"}))
    with pytest.raises(Refusal, match="GiB are to be fetched and"):
        fetch(str(elsewhere), tmp_path / "rows")


def test_other_shards_under_the_same_address_are_another_run(elsewhere: Path) -> None:
    stage = Stage.model_validate({"kind": "fetch", "path": str(elsewhere)})
    before = lock("rows", stage, 0, {}).fingerprint
    _rewrite(elsewhere, lambda plain: plain["about"].update(records=7))
    assert lock("rows", stage, 0, {}).fingerprint != before


def _rewrite(folder: Path, change: Any) -> None:
    file = folder / "shards" / "manifest.json"
    plain = json.loads(file.read_text("utf-8"))
    change(plain)
    file.write_text(json.dumps(plain), "utf-8")
