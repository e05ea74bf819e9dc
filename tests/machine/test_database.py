"""A database is opened in one way: at home, by several at once, and what is wrong with it in one sentence."""

import sqlite3
import time
from pathlib import Path

import pytest
import sqlalchemy as sql

from danlu.data.reading.format import Format
from danlu.index.index import Index
from danlu.machine.database import Database, Unreachable, address_of
from danlu.refusal import Refusal

TABLES = sql.MetaData()
WORDS = sql.Table("words", TABLES, sql.Column("word", sql.String(20), primary_key=True))


def opened(url: str) -> Database:
    return Database(address_of(url, "--database", "serve", "a test", "x.db"), TABLES, 0.05)


def words(database: Database) -> list[str]:
    with database.begin() as connection:
        return list(connection.scalars(sql.select(WORDS.c.word)))


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a#b", "a%b"])
def test_a_file_is_in_its_folder_whatever_that_is_called(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / "x.db"
    with Database(address_of(file, "--database", "serve", "a test", "x.db"), TABLES, 0.05):
        assert file.is_file()
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_a_tilde_is_the_home_and_no_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with opened("sqlite:///~/kept/x.db") as database, database.begin() as connection:
        connection.execute(WORDS.insert().values(word="here"))
    assert (tmp_path / "home/kept/x.db").is_file()
    assert not (tmp_path / "~").exists()
    data = {"kind": "sql", "path": "sqlite:///~/kept/x.db", "table": "words"}
    assert list(Format.model_validate(data).read(("word",))) == [{"word": "here"}]


def test_a_place_that_is_none_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for database in (f"{tmp_path}/file/x.db", f"{tmp_path}"):
        with pytest.raises(Refusal, match=r"^sqlite:///.*: cannot be opened \(.+\); see that it is there$") as refused:
            opened(f"sqlite:///{database}")
        assert not isinstance(refused.value, Unreachable)
    with pytest.raises(Refusal, match="--database: there is no home '~nobody-of-this-name'; write the whole path"):
        opened("sqlite:///~nobody-of-this-name/x.db")


def test_while_another_holds_it_nothing_is_kept_and_afterwards_all_is(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path}/x.db") as database:
        other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unreachable) as away, database.begin() as connection:
            connection.execute(WORDS.insert().values(word="lost"))
        assert away.value.why == f"sqlite:///{tmp_path}/x.db: does not answer (database is locked)"
        assert str(away.value) == f"{away.value.why}; try again"
        other.close()
        assert words(database) == []
        for _ in range(2):
            with database.begin() as connection:
                connection.execute(database.insert(WORDS).values(word="kept").on_conflict_do_nothing())
        assert words(database) == ["kept"]


def test_who_reads_waits_for_nobody_and_sees_one_moment(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path}/x.db") as database, opened(f"sqlite:///{tmp_path}/x.db") as other:
        with database.begin() as writing:
            writing.execute(WORDS.insert().values(word="not yet"))
            with other.reading() as reading:
                assert reading.scalars(sql.select(WORDS.c.word)).all() == []
        with other.reading() as reading:
            assert reading.scalars(sql.select(WORDS.c.word)).all() == ["not yet"]
            with database.begin() as writing:
                writing.execute(WORDS.insert().values(word="meanwhile"))
            assert reading.scalars(sql.select(WORDS.c.word)).all() == ["not yet"]
        assert sorted(words(other)) == ["meanwhile", "not yet"]


def test_a_table_of_an_earlier_version_gets_the_indexes_of_this_one(tmp_path: Path) -> None:
    old, new = sql.MetaData(), sql.MetaData()
    for tables in (old, new):
        sql.Table(
            "words", tables, sql.Column("word", sql.String(20), primary_key=True), sql.Column("times", sql.Integer)
        )
    sql.Index("words_times", new.tables["words"].c.times)
    address = address_of(f"sqlite:///{tmp_path}/x.db", "--database", "serve", "a test", "x.db")
    for tables in (old, new, new):
        with Database(address, tables, 0.05) as database:
            found = sql.inspect(database.engine).get_indexes("words")
    assert [index["name"] for index in found] == ["words_times"]


def test_what_is_wrong_with_a_row_is_no_database_that_is_away(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path}/x.db") as database:
        with pytest.raises(sql.exc.IntegrityError), database.begin() as connection:
            connection.execute(WORDS.insert(), [{"word": word} for word in ("once", "twice", "twice")])
        assert words(database) == []


def test_the_clock_of_a_database_is_that_of_its_machine(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path}/x.db") as database, database.begin() as connection:
        before = time.time()
        assert before - 1 <= database.clock(connection) <= time.time() + 1


def test_what_the_address_says_of_a_server_is_kept_beside_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    asked: list[dict[str, object]] = []

    def refused(*_: object, **given: object) -> None:
        asked.append(given)
        raise psycopg.OperationalError("no server")

    import psycopg

    monkeypatch.setattr(psycopg, "connect", refused)
    monkeypatch.setattr(psycopg.Connection, "connect", refused)
    for query, options, patience in (
        ("?options=-csearch_path%3Dteam&connect_timeout=3", "-csearch_path=team", "3"), ("", "", 5),
    ):  # fmt: skip
        asked.clear()
        with pytest.raises(Refusal, match="cannot be opened"):
            opened(f"postgresql://me@127.0.0.1:9/none{query}")
        assert str(asked[0]["options"]).startswith("-c lock_timeout=50 -c statement_timeout=")
        assert str(asked[0]["options"]).endswith(options)
        assert asked[0]["connect_timeout"] == patience
    asked.clear()
    with pytest.raises(Refusal, match="cannot be used"):
        Index.open("postgresql://me@127.0.0.1:9/none?options=-csearch_path%3Dteam")
    assert asked[0]["options"] == "-c lock_timeout=60s -csearch_path=team"
