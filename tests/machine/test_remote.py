"""Remote files: whatever goes wrong on the way is one sentence without secrets."""

import io
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from fsspec.spec import AbstractFileSystem
from pyarrow.parquet import write_table

from danlu.data.reading.format import Format
from danlu.machine.remote import RemoteFile
from danlu.refusal import Refusal

BUFFER = io.BytesIO()
write_table(pa.table({"text": ["好"] * 1000}), BUFFER)
FILES = {"a.csv": b"text,label\n" + b"good,1\n" * 30_000, "a.parquet": BUFFER.getvalue()}


class ConnectionLost(Exception):
    """What a protocol raises in the middle of a file."""


class Lost(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() + (size or 0) >= len(self.getvalue()):
            raise ConnectionLost("http://user:secret@place broke off")
        return super().read(size)


class Breaking(AbstractFileSystem):  # type: ignore[misc]
    protocol = "breaking"
    cachable = False

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        name = self._strip_protocol(path).rpartition("/")[2]
        return {"name": path, "size": len(FILES[name]), "type": "file"}

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Lost:
        return Lost(FILES[path.rpartition("/")[2]])


@pytest.fixture(autouse=True)
def breaking() -> None:
    fsspec.register_implementation("breaking", Breaking, clobber=True)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_that_breaks_off_is_told_without_what_the_protocol_says(kind: str) -> None:
    source = Format.model_validate({"kind": kind, "path": f"breaking://place/a.{kind}"})
    with pytest.raises(Refusal, match=rf"breaking://place/a\.{kind}: cannot be reached \(ConnectionLost\)") as told:
        list(source.read())
    assert "secret" not in str(told.value)


class Forward(Lost):
    def seek(self, offset: int, whence: int = 0, /) -> int:
        raise ValueError("Cannot seek streaming HTTP file")


def test_a_server_that_gives_no_parts_is_told_for_kinds_that_need_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Breaking, "_open", lambda self, path, mode="rb", **_: Forward(FILES["a.parquet"]))
    with pytest.raises(Refusal, match="its server gives files from their beginning to their end alone"):
        list(Format.model_validate({"kind": "parquet", "path": "breaking://place/a.parquet"}).read())


def test_a_protocol_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Refusal, match=r"nosuch://a/b\.csv: this is no address that can be opened"):
        RemoteFile("nosuch://a/b.csv").open()
