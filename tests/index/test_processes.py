"""Many who read and write at once, and those who are killed in the middle of it."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import started
from test_changes import alike, said

from danlu.index.document import Document
from danlu.index.index import Index

PASSAGES = 12
INGEST = """
import os, signal, sys
sys.path[:0] = {paths!r}
from danlu.index.stores.sqlite import SqliteSession
from letters import Letters, opened
many, left = SqliteSession.many, [{statements}]
def counted(self, statement, values):
    many(self, statement, values)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
with opened({place!r}, Letters()) as index:
    SqliteSession.many = counted
    index.refresh({folder!r})
"""
"""It kills itself in the middle of a transaction, behind so many statements of those that change something."""


def state_of(number: int, state: str) -> str:
    """A text of several passages, each of which tells its state and its document."""
    return "\n\n".join(f"{state} doc{number} part{part} {'喝茶很好。' * 75}" for part in range(PASSAGES))


def folder_of(root: Path, state: str) -> Path:
    folder = root / state
    folder.mkdir()
    for number in range(8):
        if (state == "old") or number < 6:  # two are gone in the new state
            (folder / f"{number}.txt").write_text(state_of(number, state))
    return folder


def whole(index: Index) -> None:
    """See that each document is the old one or the new one, and is found as just that."""
    for name in index.names():
        number, text = int(name.removesuffix(".txt")), index.document(name).text
        assert text in (state_of(number, "old"), state_of(number, "new"))
        state = text[:3]
        found = [each for each in index.search(f"doc{number}", 100) if each.ways["lexical"]]
        assert {each.document for each in found} == {name}
        assert len(found) == PASSAGES
        assert all(each.text.startswith(f"{state} doc{number}") and "vector" in each.ways for each in found)
    for state in ("old", "new"):
        texts = {name: index.document(name).text[:3] for name in index.names()}
        found = {each.document for each in index.search(state, 100) if each.ways["lexical"]}
        assert found == {name for name, told in texts.items() if told == state}


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
def test_whoever_is_killed_leaves_every_document_whole(tmp_path: Path, lettered: Callable[..., Index]) -> None:
    folders = [folder_of(tmp_path, state) for state in ("old", "new")]
    place, paths = tmp_path / "index", [str(Path(__file__).parent), *filter(None, sys.path)]
    with lettered(place) as index:
        index.refresh(folders[0])
    changed = []
    for statements in (3, 9, 30):
        script = INGEST.format(paths=paths, statements=statements, place=str(place), folder=str(folders[1]))
        assert started.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
        with lettered(place) as index:
            whole(index)
            changed.append(sum(index.document(name).text.startswith("new") for name in index.names()))
    assert changed[:2] == [0, 0]
    assert 0 < changed[2] < len(index.names())
    with lettered(place) as index, lettered(tmp_path / "fresh") as fresh:
        for one in (index, fresh):
            one.refresh(folders[1])
        assert index.names() == [f"{number}.txt" for number in range(6)]
        alike(said(index), said(fresh))


def test_readers_see_whole_states_while_two_write(tmp_path: Path, lettered: Callable[..., Index]) -> None:
    with lettered(tmp_path) as one, lettered(tmp_path) as two, lettered(tmp_path) as reader:
        texts = {"old": state_of(1, "old"), "new": state_of(1, "new")}
        one.put([Document("1.txt", texts["old"])])
        errors: list[BaseException] = []
        ended = threading.Event()

        def until_ended(work: Callable[[], object]) -> None:
            try:
                while not ended.is_set():
                    work()
            except BaseException as error:
                errors.append(error)

        def reads() -> None:
            found = [each for each in reader.search("doc1", 100) if each.ways["lexical"]]
            assert len(found) == PASSAGES or not found
            assert len({each.text[:3] for each in found}) <= 1

        works: list[Callable[[], object]] = [
            lambda: one.put([Document("1.txt", texts["new"])]),
            lambda: (two.put([Document("1.txt", texts["old"])]), two.remove(["1.txt"])),
            reads,
            reads,
        ]
        threads = [threading.Thread(target=until_ended, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        time.sleep(0.8)
        ended.set()
        for thread in threads:
            thread.join()
        assert not errors
        one.put([Document("1.txt", texts["new"])])
        whole(reader)


def test_many_who_open_a_new_index_at_once_make_one(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def opens(number: int) -> None:
        try:
            with Index.open(tmp_path / "index") as index:
                index.put([Document(str(number), "喝茶")])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=opens, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    with Index.open(tmp_path / "index") as index:
        assert len(index.search("喝茶", 100)) == len(index) == 8
