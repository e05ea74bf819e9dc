"""A bundle is taken anew while it serves; one that has changed on disk is told and not ready."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import started
from servers import serving, shelved

from danlu.refusal import Refusal
from danlu.serve.run import _listening
from danlu.serve.shelf import Open, Place, Shelf, place_of

KIND = {"Content-Type": "application/json"}
ASK = {"model": "m", "text": "这本书写得很好"}


@pytest.fixture
def folder(bundles: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundles["classify"], tmp_path / "bundle"))


@pytest.fixture
def one(folder: Path) -> Iterator[Shelf]:
    shelf = Shelf([Place("m", str(folder), threads=1)])
    shelf.open()
    yield shelf
    shelf.close()


def test_a_reload_drops_no_request_and_answers_by_the_new_files(
    one: Shelf, folder: Path, bundles: dict[str, Path]
) -> None:
    with serving(one) as live:
        before = live.post("/v1/predict", ASK).json()["predictions"][0]
        statuses: list[int] = []
        stop = threading.Event()

        def ask() -> None:
            with live.client() as client:
                while not stop.is_set():
                    statuses.append(client.post("/v1/predict", json=ASK).status_code)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for source in ("multilabel", "classify", "multilabel"):  # another model in the same folder
            moved = folder.with_name("before")
            folder.rename(moved)
            shutil.copytree(bundles[source], folder)
            assert live.post("/admin/reload", {}).json() == {"reloaded": ["m"]}
            shutil.rmtree(moved)
        stop.set()
        for thread in threads:
            thread.join()
        after = live.post("/v1/predict", ASK).json()["predictions"][0]
    assert set(statuses) == {200}
    assert len(statuses) > 8
    assert before.keys() != after.keys()


def test_another_bundle_in_the_folder_is_no_drift_before_it_is_taken(
    one: Shelf, folder: Path, bundles: dict[str, Path]
) -> None:
    moved = folder.with_name("before")
    folder.rename(moved)
    shutil.copytree(bundles["multilabel"], folder)
    assert one.replay() == {"m": []}
    assert one.replay() == {"m": []}
    (folder / "golden.json").write_text("{}", encoding="utf-8")
    assert "golden.json" in one.replay()["m"][0]


def test_whoever_uses_a_replaced_model_last_does_not_wait_until_it_is_closed(
    one: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing, go_on = threading.Event(), threading.Event()

    def slowly(self: Open) -> None:
        closing.set()
        assert go_on.wait(20)

    with one.lease("m") as model:
        one.reload()
        monkeypatch.setattr(Open, "close", slowly)
        old = model.bundle
    assert closing.wait(20)  # and yet the block has ended
    go_on.set()
    monkeypatch.undo()
    old.close()


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "danlu.json", "golden.json"])
def test_a_changed_file_is_refused_at_the_start_and_told_while_it_serves(one: Shelf, folder: Path, file: str) -> None:
    with serving(one) as live:
        assert one.replay() == {"m": []}
        path = folder / file
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        assert one.replay()["m"]
        with live.client() as client:
            ready, told = client.get("/health/ready"), client.get("/metrics").text
            assert client.get("/health/live").status_code == 200
        assert (ready.status_code, ready.json()["status"]) == (503, "drifted")
        assert 'danlu_golden_differences{model="m"} 1.0' in told
        refused = live.post("/admin/reload", {"model": "m"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_reloaded")
        assert live.post("/v1/predict", ASK).status_code == 200  # the old one still answers
    with pytest.raises(Refusal):
        Shelf([Place("m", str(folder))]).open()


def test_a_damaged_model_keeps_no_other_from_being_taken_anew(
    folder: Path, bundles: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folders = {"a": folder} | {name: Path(shutil.copytree(folder, tmp_path / name)) for name in "bc"}
    with shelved([Place(name, str(each), threads=1) for name, each in folders.items()]) as shelf:
        for name in "ac":
            shutil.rmtree(folders[name])
            shutil.copytree(bundles["multilabel"], folders[name])
        (folders["b"] / "golden.json").write_text("{}", encoding="utf-8")
        with serving(shelf) as live:
            refused = live.post("/admin/reload", {})
            tasks = {name: live.post("/v1/predict", ASK | {"model": name}).json() for name in folders}
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (409, "not_reloaded")
    assert error["message"].startswith("taken anew: a, c; 'b' stays as it was: ")
    assert "golden.json" in error["message"]
    (line,) = [json.loads(each) for each in capfd.readouterr().err.splitlines() if '"reload"' in each]
    assert (line["models"], line["refused"]) == (["a", "c"], error["message"])
    answers = {name: told["predictions"][0].keys() for name, told in tasks.items()}
    assert answers["a"] == answers["c"] != answers["b"]


def test_a_model_that_is_withdrawn_differs_no_longer_for_those_who_watch(one: Shelf, folder: Path) -> None:
    (folder / "golden.json").write_text("{}", encoding="utf-8")
    one.replay()
    with serving(one) as live, live.client() as client:
        assert 'danlu_golden_differences{model="m"} 1.0' in client.get("/metrics").text
        one.withdraw("m")
        assert 'danlu_golden_differences{model="m"}' not in client.get("/metrics").text
        assert live.post("/admin/reload", {}).json() == {"reloaded": []}


def test_names_are_those_of_recipes_and_no_two_alike(bundles: dict[str, Path], folder: Path) -> None:
    assert place_of(str(bundles["tag"])).name == "tag"
    assert place_of(f"mine={folder}") == Place("mine", str(folder))
    with pytest.raises(Refusal, match="two models are called 'tag'"):
        Shelf([place_of(str(bundles["tag"]))] * 2).open()
    with pytest.raises(Refusal, match="cannot be the name of a model"):
        place_of(f"a/b={folder}")


def _lines(process: subprocess.Popen[str], word: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return line
    raise AssertionError(f"it ended without saying {word}")


def _asked(address: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(address + path, data, KIND), timeout=20) as answer:
        return json.load(answer)


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_the_command_serves_reloads_and_ends_when_told(folder: Path) -> None:
    command = [sys.executable, "-m", "danlu", "serve", f"m={folder}", "--port", "0", "--threads", "1"]
    process = started.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "DANLU_LANGUAGE": "en"})
    clock = threading.Timer(90, process.kill)
    clock.start()
    try:
        address = _lines(process, "serving at").split()[2].rstrip(";")
        assert _asked(address, "/v1/predict", ASK)["model"] == "m"
        with pytest.raises(Refusal, match="cannot be listened at"):
            _listening("127.0.0.1", int(address.rpartition(":")[2]))
        process.send_signal(signal.SIGHUP)
        assert '"models": ["m"]' in _lines(process, '"reload"')
        process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        assert process.wait(30) == 0
        assert time.monotonic() - begun < 30
    finally:
        clock.cancel()
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_told_twice_it_hangs_up_at_once_and_prints_no_traceback(folder: Path) -> None:
    command = [sys.executable, "-m", "danlu", "serve", f"m={folder}", "--port", "0", "--threads", "1"]
    process = started.Popen(command, stderr=subprocess.PIPE, text=True)
    clock = threading.Timer(90, process.kill)
    clock.start()
    try:
        address = _lines(process, "serving at").split()[2].rstrip(";")
        port = int(address.rpartition(":")[2])
        half = socket.create_connection(("127.0.0.1", port), 20)
        half.sendall(
            f"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n".encode()
        )
        half.sendall(b"Content-Length: 100\r\n\r\n{")
        assert _asked(address, "/v1/predict", ASK)["model"] == "m"  # so the other one is under way
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):
            while True:  # a tenth of a second passes between the end of listening and that of the loop
                socket.create_connection(("127.0.0.1", port), 20).close()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
        half.close()
        assert process.returncode in (0, -signal.SIGINT)
        assert "Traceback" not in said
    finally:
        clock.cancel()
        process.kill()
