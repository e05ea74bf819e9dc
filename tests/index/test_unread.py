"""Files that cannot be read, or not in full: told at each look, and read again when they have changed, or danlu has."""

from pathlib import Path

import pytest

import danlu
from danlu.index import intake
from danlu.index.document import Document
from danlu.index.index import Index
from danlu.machine import extra

TABLE = "id,text\n1,喝茶\n2,too,many,fields\n3,咖啡\n"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that were read, as they are read."""
    names: list[str] = []
    documents_in = intake.documents_in

    def reading(path: Path, name: str, unread: list[tuple[str, str]]) -> list[Document]:
        names.append(name)
        return documents_in(path, name, unread)

    monkeypatch.setattr(intake, "documents_in", reading)
    return names


def generation(index: Index) -> str:
    with index._store.reading() as session:
        return session.settings()["generation"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a file that can be read, one in part, one that holds nothing, and one that is damaged."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("喝茶")
    (tmp_path / "docs" / "b.csv").write_text(TABLE)
    (tmp_path / "docs" / "c.txt").write_text(" \n")
    (tmp_path / "docs" / "d.txt").write_bytes(b"a\0b")
    return tmp_path / "docs"


def test_what_was_unread_is_told_without_being_read_again_until_it_changes(
    folder: Path, tmp_path: Path, read: list[str]
) -> None:
    with Index.open(tmp_path / "index") as index:
        first = index.refresh(folder)
        assert read == ["a.txt", "b.csv", "c.txt", "d.txt"]
        assert [name for name, _ in first.unread] == ["b.csv", "c.txt", "d.txt"]
        before = generation(index)
    with Index.open(tmp_path / "index") as index:
        again = index.refresh(folder)
        assert (again.unread, again.added, again.changed, again.removed) == (first.unread, 0, 0, 0)
        assert (len(read), generation(index)) == (4, before)
        (folder / "b.csv").write_text(TABLE.replace("2,too", "2,far,too"))
        (folder / "c.txt").write_text("水")
        (folder / "d.txt").unlink()
        last = index.refresh(folder)
        assert (read[4:], last.added) == (["b.csv", "c.txt"], 1)
        assert [name for name, _ in last.unread] == ["b.csv"]
        assert index.names() == ["a.txt", "b.csv#1", "b.csv#3", "c.txt"]


def test_a_file_that_was_damaged_and_is_as_it_was_is_read_again(folder: Path, tmp_path: Path, read: list[str]) -> None:
    with Index.open(tmp_path / "index") as index:
        index.refresh(folder)
        for content, unread in (
            (b"a\0b", ["a.txt", "b.csv", "c.txt", "d.txt"]),
            ("喝茶".encode(), ["b.csv", "c.txt", "d.txt"]),
        ):
            (folder / "a.txt").write_bytes(content)
            for _ in range(2):
                done = index.refresh(folder)
                assert ([name for name, _ in done.unread], done.removed) == (unread, 0)
                assert "a.txt" in index.names()
    assert read[4:] == ["a.txt", "a.txt"]


def test_another_danlu_reads_what_was_unread_again(
    folder: Path, tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index.open(tmp_path / "index") as index:
        index.refresh(folder)
        monkeypatch.setattr(danlu, "__version__", "999", raising=False)
        assert len(index.refresh(folder).unread) == 3
    assert read[4:] == ["b.csv", "c.txt", "d.txt"]


def test_what_lacks_a_package_is_read_as_soon_as_that_is_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index.open(tmp_path / "index") as index, monkeypatch.context() as lacking:
        lacking.setattr(intake, "documents_in", lambda *_: extra.needed("danlu_no_such", "documents", "reading text"))
        assert len(index.refresh(folder).unread) == 4
        lacking.undo()
        assert index.refresh(folder).added == 3


def test_files_that_an_older_danlu_has_taken_over_are_read_anew_once(
    folder: Path, tmp_path: Path, read: list[str]
) -> None:
    with Index.open(tmp_path / "index") as index:
        index.refresh(folder)
        with index._store.writing() as session:
            session.many("UPDATE danlu_files SET digest = ? WHERE path <> ?", [("in part", "a.txt")])
            session.many("UPDATE danlu_files SET digest = ? WHERE path = ?", [("0" * 64, "a.txt")])
        for count in (8, 8):
            done = index.refresh(folder)
            assert (done.added, done.changed, done.removed, len(read)) == (0, 0, 0, count)
