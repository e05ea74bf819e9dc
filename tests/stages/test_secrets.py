"""Secrets that stand in web addresses reach nothing that a run leaves or prints."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from danlu.cli.main import main
from danlu.recipe.lock import lock
from danlu.refusal import Refusal, without_secrets
from danlu.stages.recipe import read

SECRET = "hunter2hunter2"
SIGNED = [
    f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={SECRET}&X-Amz-Date=20261126T000000Z&X-Amz-Signature={SECRET}",
    f"AWSAccessKeyId={SECRET}&Expires=1800000000&Signature={SECRET}",
    f"X-Goog-Credential={SECRET}&X-Goog-Signature={SECRET}",
    f"sv=2024-11-04&se=2026-11-26&sp=r&sig={SECRET}",
    f"OSSAccessKeyId={SECRET}&Expires=1&Signature={SECRET}",
    f"q-sign-algorithm=sha1&q-ak={SECRET}&q-signature={SECRET}",
    f"Policy={SECRET}&Key-Pair-Id={SECRET}&Signature={SECRET}",
    f"token={SECRET}",
    f"access_token={SECRET}",
    f"apikey={SECRET}",
    f"h={SECRET * 3}",
]
PLAIN = [
    "https://a.b/c?id=1&page=2",
    "s3://bucket/key.csv",
    "file:///a/b",
    "https://a.b/c?mail=x@y.z",
    "no address ?sig=1",
]


@pytest.mark.parametrize("query", SIGNED)
def test_what_signs_a_request_is_left_out(query: str) -> None:
    told = without_secrets(f"data from https://user:{SECRET}@host.example/a.csv?id=7&{query} is short")
    assert SECRET not in told
    assert told.startswith("data from https://host.example/a.csv?id=7&")
    assert told.endswith(" is short")
    assert SECRET not in str(Refusal(f"https://host.example/a.csv?{query}: is damaged"))


@pytest.mark.parametrize("address", PLAIN)
def test_an_address_without_secrets_stays_as_it_is(address: str) -> None:
    assert without_secrets(address) == address


def _fingerprint(query: str) -> str:
    data = {"kind": "csv", "path": f"/none/a.csv://host.example/a.csv?{query}"}  # no file, so nothing is fetched
    recipe = read({"name": "r", "stages": {"a": {"kind": "prepare", "data": data}}})
    return lock("a", recipe.stages["a"], 0, {}).fingerprint


def test_a_signature_that_was_renewed_changes_no_fingerprint_and_another_address_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("danlu.recipe.lock.is_remote", lambda name: False)
    first = _fingerprint(f"id=1&Expires=1&Signature={SECRET}")
    assert _fingerprint(f"id=1&Expires=2&Signature=x{SECRET}") == first
    assert _fingerprint(f"id=2&Expires=1&Signature={SECRET}") != first
    assert _fingerprint("h=" + "a" * 40) != _fingerprint("h=" + "b" * 40)


class Server(BaseHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, *, body: bool = True) -> None:
        content = b"text,label\n" + b"".join(b"good number %d,%d\n" % (n, n % 2) for n in range(60)) + b"bad\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("bad", ["skip", "stop"])
def test_a_run_over_a_signed_address_leaves_no_secret(
    address: str, bad: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "r.yaml").write_text(
        "name: signed\nstages:\n  clean:\n    kind: prepare\n"
        f"    data: {{kind: csv, on_bad_row: {bad}, path: '{address}/a.csv?X-Amz-Signature={SECRET}&token={SECRET}'}}\n"
    )
    runs = tmp_path / "runs"
    for words in (["check"], ["check", "--html", str(tmp_path / "check.html")], ["run"], ["run", "clean.splt=1"]):
        with pytest.raises(SystemExit):
            main([words[0], str(tmp_path / "r.yaml"), *words[1:], "--root", str(runs)])
    with pytest.raises(SystemExit):
        main(["survey", f"{address}/a.csv?Signature={SECRET}", "--html", str(tmp_path / "survey.html")])
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".yaml"]
    left += list(runs.rglob("*.yaml"))
    assert len(left) > (8 if bad == "skip" else 1)
    assert [path.name for path in left if SECRET.encode() in path.read_bytes()] == []
