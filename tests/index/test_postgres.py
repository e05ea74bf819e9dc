"""PostgreSQL answers as SQLite does, with pgvector and without."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from test_changes import alike, made_again, said, write

from danlu.index.document import Document
from danlu.index.index import Index
from danlu.refusal import Refusal

ROWS = [
    Document("茶", "怎么泡茶？水烧开，放茶叶，等三分钟。" * 30, "泡茶", {"kind": "x"}),
    Document("cats", "Cats like dogs. " * 100, "", {"kind": "x", "n": "1"}),
    Document("code", 'Error E-1042: see user_id, %s and ?, {"a": 1}\\', "E-1042", {"n": "1"}),
    *(Document(f"same{number}", "喝茶，退货说明") for number in range(120)),
]


@pytest.fixture(params=["pgvector", "bytes"])
def url(request: pytest.FixtureRequest, databases: Callable[..., str]) -> str:
    return databases(bare=request.param == "bytes")


def test_both_say_the_same(
    url: str, tmp_path: Path, lettered: Callable[..., Index], request: pytest.FixtureRequest
) -> None:
    with lettered(url) as there, lettered(tmp_path / "index") as here:
        assert there._store._compares is ("pgvector" in request.node.name)
        for index in (there, here):
            index.put(ROWS)
            index.remove(["same7", "nobody"])
            index.put([Document("cats", "Cats like dogs and tea. ", facts={"kind": "x"})])
            write(tmp_path / "folder", {"a.txt": "喝茶很好。", "b.csv": "one\ntwo"})
            index.refresh(tmp_path / "folder")
            write(tmp_path / "folder", {"b.csv": "one\nE-1042"})
            done = index.refresh(tmp_path / "folder")
            assert (done.added, done.changed, done.removed) == (0, 1, 1)
        assert there.names() == here.names()
        assert [there.document(name) for name in here.names()] == [here.document(name) for name in here.names()]
        alike(said(there), said(here))
        alike([there.search("%s ?", 5)], [here.search("%s ?", 5)])
        made_again(there, tmp_path / "fresh", lettered)
    with lettered(url) as there, lettered(tmp_path / "index") as here:
        alike(said(there), said(here))


def test_two_who_write_and_one_who_reads_see_whole_states(url: str, lettered: Callable[..., Index]) -> None:
    with lettered(url) as one, lettered(url) as two:
        texts = ["喝茶 " * 400, "cats " * 400]
        one.put([Document("a", texts[0])])
        errors: list[BaseException] = []

        def writing(index: Index, text: str) -> None:
            try:
                for _ in range(6):
                    index.put([Document("a", text)])
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=writing, args=each) for each in zip((one, two), texts, strict=True)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            found = two.search("喝茶 cats", 100)
            assert "".join({each.text[:2] for each in found}) in ("喝茶", "ca")
        assert not errors
        assert len(one) == 1
        assert one.document("a").text in texts


def test_a_server_that_is_not_there_is_a_sentence_without_the_password() -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with pytest.raises(Refusal, match="the database cannot be used") as told:
        Index.open("postgresql://me:not-to-be-told@127.0.0.1:9/none")
    assert "not-to-be-told" not in str(told.value)
    with pytest.raises(Refusal, match="is given as a folder"):
        Index.open("sqlite:///index.db")
    with pytest.raises(Refusal, match="is no database that can be used here"):
        Index.open("mysql://a/b")


def test_a_connection_that_the_server_has_ended_is_made_anew(databases: Callable[..., str], server: str) -> None:
    import psycopg

    url = databases()
    with Index.open(url) as index:
        index.put([Document("a", "喝茶")])
        with psycopg.connect(server, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        assert [each.document for each in index.search("喝茶")] == ["a"]
