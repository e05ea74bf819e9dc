"""Files over http, from a real server of this machine."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow.parquet import write_table

from danlu.data.reading.format import Format
from danlu.refusal import Refusal

ROWS = [{"text": f"第{number}句，很好", "label": str(number % 2)} for number in range(5000)]
CSV = ("text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in ROWS)).encode()


class Server(BaseHTTPRequestHandler):
    """Gives files, whole or in parts; those in `broken/` end in the middle."""

    files: dict[str, bytes]

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        whole = self.files.get(self.path.rpartition("/")[2])
        if whole is None:
            self.send_error(404)
            return
        first, last = 0, len(whole) - 1
        if asked := self.headers.get("Range"):
            first, last = (int(number) for number in asked.removeprefix("bytes=").split("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(whole)}")
        else:
            self.send_response(200)
        part = whole[first : last + 1]
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if body:
            self.wfile.write(part[: len(part) // 2] if "broken" in self.path else part)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path: Path = tmp_path_factory.mktemp("http") / "a.parquet"
    write_table(pa.Table.from_pylist(ROWS), path)
    Server.files = {"a.csv": CSV, "a.csv.gz": gzip.compress(CSV), "a.parquet": path.read_bytes()}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def read(kind: str, path: str) -> list[dict[str, Any]]:
    return list(Format.model_validate({"kind": kind, "path": path}).read())


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_files_over_http_are_those_of_the_disk(address: str, name: str) -> None:
    assert read(name.split(".")[1], f"{address}/{name}") == ROWS


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_connections_that_break_off_are_told_with_the_address(address: str, name: str) -> None:
    with pytest.raises(Refusal, match=rf"{address}/broken/{name}: ") as caught:
        read(name.split(".")[1], f"{address}/broken/{name}")
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_are_told(address: str) -> None:
    with pytest.raises(Refusal, match=r"b\.csv: there is no such file or its server does not answer"):
        read("csv", f"{address}/b.csv")


def test_servers_that_are_not_there_are_told() -> None:
    with pytest.raises(Refusal, match=r"there is no such file or its server does not answer|cannot be reached"):
        read("csv", "http://127.0.0.1:9/a.csv")
