"""What all formats of files have in common."""

import gzip
import zipfile
from pathlib import Path
from typing import Any

import pytest

from danlu.data.reading.file_format import FileFormat
from danlu.data.reading.format import Format
from danlu.recipe.lock import input_hashes
from danlu.recipe.part import find, kinds
from danlu.refusal import Refusal

OF_FILES = [kind for kind in kinds(Format) if issubclass(find(Format, kind), FileFormat)]


def test_formats_of_files_are_seen() -> None:
    assert len(OF_FILES) >= 15


@pytest.mark.parametrize("kind", OF_FILES)
def test_a_folder_is_refused_at_once_where_files_are_meant(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []
    (tmp_path / "a").write_text("a")
    monkeypatch.setattr("danlu.recipe.lock.sha256", lambda path: read.append(path) or "0")
    source = Format.model_validate({"kind": kind, "path": str(tmp_path)})
    assert isinstance(source, FileFormat)
    if source.takes_folders:
        assert input_hashes(source)
    else:
        with pytest.raises(Refusal, match=rf"is a folder, where kind {kind} reads files; name them by a pattern"):
            input_hashes(source)
    assert bool(read) == source.takes_folders


def test_a_single_page_of_a_folder_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "one.html").write_text("<p>a</p>")
    source = Format.model_validate({"kind": "folder", "path": str(tmp_path / "one.html")})
    assert list(source.read()) == [{"text": "a", "file": "one.html"}]


ROW = {"text": b"a\n", "jsonl": b"{}\n", "csv": b"a\n", "words": b"a\n", "tsv": b"a\n"}


@pytest.mark.parametrize("kind", ROW)
@pytest.mark.parametrize("packing", ["gz", "zip"])
def test_a_small_packed_file_of_endless_rows_is_refused(
    kind: str, packing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.data.reading.source_file._ROWS", 2**15)
    content = ROW[kind] * 2**17
    path = tmp_path / f"a.{packing}"
    if packing == "gz":
        path.write_bytes(gzip.compress(content))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a", content)
    source = Format.model_validate({"kind": kind, "path": str(path)})
    with pytest.raises(Refusal, match=r"a\.(gz|zip:a): holds more than 32,768 rows in [\d,]+ packed bytes"):
        list(source.read())
    (tmp_path / "plain").write_bytes(content)
    plain = Format.model_validate({"kind": kind, "path": str(tmp_path / "plain")})
    assert sum(1 for _ in plain.read()) >= 2**17 - 1
