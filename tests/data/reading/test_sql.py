"""Rows of databases, by the format `sql`."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.formats.sql import Sql
from danlu.recipe.lock import input_hashes
from danlu.refusal import Refusal


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "评论.db"
    with sqlite3.connect(path) as database:
        database.execute('CREATE TABLE "my ""rows" (text TEXT, label TEXT, stars NUMERIC, raw BLOB, more TEXT)')
        rows = [
            ("很好", "good", 5, b"\x00\xff", json.dumps({"shop": "北京", "label": "great"})),
            ("太慢", "bad", 1.5, None, None),
            ("坏", "bad", 1, None, "no json"),
            ("x", "bad", 1, None, "[1]"),
        ]
        database.executemany('INSERT INTO "my ""rows" VALUES (?, ?, ?, ?, ?)', rows)
    database.close()
    return path


def address(file: Path) -> str:
    return f"sqlite:///{file.as_posix()}"


def test_rows_of_a_table_are_records_and_objects_in_them_become_columns(file: Path) -> None:
    bad = BadRows()
    found = [*Sql(path=address(file), table='my "rows', expand=("more",), on_bad_row="skip").read(("text",), bad)]
    assert found == [
        {"text": "很好", "label": "great", "stars": 5, "raw": "AP8=", "shop": "北京"},
        {"text": "太慢", "label": "bad", "stars": 1.5},
    ]
    assert bad.count == 2
    query = 'SELECT upper(text) AS text FROM "my ""rows" WHERE stars < 2 ORDER BY text'
    assert [row["text"] for row in Sql(path=address(file), query=query).read()] == ["X", "坏", "太慢"]


def test_a_stage_is_done_again_where_the_file_has_changed(file: Path) -> None:
    section = Sql(path=address(file), table="rows")
    before = input_hashes(section)
    assert len(before) == 1
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE another (a)")
    database.close()
    assert input_hashes(section) != before


def test_rows_that_another_program_has_not_yet_put_into_the_file_count(file: Path) -> None:
    section = Sql(path=address(file), table='my "rows', on_bad_row="skip")
    writer = sqlite3.connect(file)
    writer.execute("PRAGMA journal_mode=WAL")
    before = input_hashes(section)
    writer.execute("""INSERT INTO "my ""rows" (text, label) VALUES ('又一条', 'good')""")
    writer.commit()
    assert len([*section.read()]) == 5
    assert input_hashes(section) != before
    writer.close()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"table": "none"}, "cannot be read .no such table: none"),
        ({"query": 'DELETE FROM "my ""rows"'}, "not authorized|gives no rows"),
        ({"query": "ATTACH 'other.db' AS other"}, "not authorized"),
        ({"query": "PRAGMA journal_mode = WAL"}, "not authorized"),
        ({"query": "SELEC"}, "cannot be read"),
        ({"query": "SELECT 1 AS a, 2 AS a;"}, "two columns are called 'a'"),
        ({"table": "a", "path": "mysql://machine/x"}, "'mysql' is no database"),
        ({"table": "a", "path": "sqlite://"}, "in memory"),
        ({"table": "a", "path": "sqlite:///nowhere/at.db"}, "there is no such file"),
    ],
)
def test_what_cannot_be_read_is_told(file: Path, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence) as refused:
        list(Sql.model_validate({"path": address(file), **settings}).read())
    assert "\n" not in str(refused.value)
    with sqlite3.connect(file) as database:
        assert database.execute('SELECT count(*) FROM "my ""rows"').fetchone() == (4,)
    database.close()


def test_a_colon_in_a_query_is_itself(file: Path) -> None:
    query = "SELECT text, ':good' AS label FROM \"my \"\"rows\" WHERE text <> 'a::b' LIMIT 1"
    assert [*Sql(path=address(file), query=query).read(("text",))] == [{"text": "很好", "label": ":good"}]


def test_a_password_is_shown_nowhere(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(Refusal) as refused:
        list(Sql(path="postgresql://me:secret@127.0.0.1:1/x", table="a").read())
    assert "secret" not in str(refused.value)
    assert str(tmp_path) not in str(refused.value)


def test_a_query_is_one_statement_and_json_in_it_is_sound(file: Path) -> None:
    with pytest.raises(ValueError, match="one SELECT"):
        Sql(path=address(file), query="SELECT 1; DROP TABLE x")
    bad = BadRows()
    half = Sql(
        path=address(file),
        query="SELECT 'a' AS text, '{\"b\": \"\\ud800\"}' AS more",
        expand=("more",),
        on_bad_row="skip",
    )
    with pytest.raises(Refusal, match="half of a surrogate pair"):
        list(half.read(("text",), bad))
