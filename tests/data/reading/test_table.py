"""Tables as spreadsheets and scripts write them, and what a table costs that is wrong throughout."""

import tracemalloc
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_proportion import BOUND, growth

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.data.reading.table import grouped, named_rows, quoted_rows
from danlu.data.record import Record
from danlu.refusal import Refusal


def read(path: Path, content: bytes, bad_rows: BadRows | None = None, **fields: object) -> list[Record]:
    path.write_bytes(content)
    return list(Format.model_validate({"kind": "csv", "path": str(path), **fields}).read(bad_rows=bad_rows))


FOUND = [{"text": "好, 很好", "label": "1"}, {"text": "a;b", "label": "0"}]

FILES = {
    "comma": ("text,label\n\"好, 很好\",1\na;b,0\n".encode(), {}),
    "semicolon": ("text;label\n好, 很好;1\n\"a;b\";0\n".encode(), {}),
    "bom_semicolon_quoted": ("\ufeff\"text\";\"label\"\r\n\"好, 很好\";\"1\"\r\n\"a;b\";\"0\"\r\n".encode(), {}),
    "tab": ("text\tlabel\n好, 很好\t1\na;b\t0\n".encode(), {}),
    "bar": ("text|label\n好, 很好|1\na;b|0\n".encode(), {}),
    "sep": ("sep=;\r\ntext;label\r\n好, 很好;1\r\n\"a;b\";0\r\n".encode(), {}),
    "bom_sep": ("\ufeffsep=;\r\ntext;label\r\n好, 很好;1\r\n\"a;b\";0\r\n".encode(), {}),
    "sep_tab": ("sep=\t\ntext\tlabel\n好, 很好\t1\na;b\t0\n".encode(), {}),
    "sep_beside_a_stated_one": ("sep=;\ntext;label\n好, 很好;1\n\"a;b\";0\n".encode(), {"delimiter": ";"}),
    "excel_unicode_text": ("text\tlabel\r\n\"好, 很好\"\t1\r\na;b\t0\r\n".encode("utf-16"), {}),
    "excel_in_gb18030": ("text,label\r\n\"好, 很好\",1\r\na;b,0\r\n".encode("gb18030"), {}),
    "macintosh": ("text,label\r\"好, 很好\",1\ra;b,0\r".encode(), {}),
    "macintosh_utf16": ("text,label\r\"好, 很好\",1\ra;b,0\r".encode("utf-16"), {}),
    "trailing_columns": ("text,label,,,\r\n\"好, 很好\",1,,,\r\na;b,0,,,\r\n".encode(), {}),
    "trailing_fields": ("text,label\n\"好, 很好\",1,\na;b,0,,\n".encode(), {}),
    "trailing_semicolons": ("text;label;\n好, 很好;1;\n\"a;b\";0;\n".encode(), {}),
    "lines_of_blanks": ("text,label\n\n   \n\"好, 很好\",1\n \t \n,,,\na;b,0\n\n  ".encode(), {}),
    "blanks_first": ("  \n,,\ntext,label\n\"好, 很好\",1\na;b,0\n".encode(), {}),
    "no_header": ("\"好, 很好\",1\na;b,0\n".encode(), {"header": ["text", "label"]}),
    "no_header_semicolon": ("好, 很好;1\n\"a;b\";0\n".encode(), {"header": ["text", "label"]}),
    "stated": ("text#label\n好, 很好#1\na;b#0\n".encode(), {"delimiter": "#"}),
}  # fmt: skip


@pytest.mark.parametrize(("content", "fields"), FILES.values(), ids=FILES.keys())
def test_tables_of_spreadsheets_are_read(content: bytes, fields: dict[str, object], tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", content, **fields) == FOUND


@pytest.mark.parametrize("content", [b"text\na; b\nc, d\n", b"text\na|b\nc\n", b"text\n1.5\n2\n", b"text\nplain\n"])
def test_one_column_is_not_cut(content: bytes, tmp_path: Path) -> None:
    rows = content.decode().replace("c, d", '"c, d"').encode()
    assert [record["text"] for record in read(tmp_path / "a.csv", rows)] == content.decode().splitlines()[1:]


def test_a_separator_of_more_than_one_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pattern"):
        read(tmp_path / "a.csv", b"a\n", delimiter="::")


def test_a_surplus_field_with_something_in_it_is_a_bad_row(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"a\.csv, line 2: 4 fields where 2 columns are named"):
        read(tmp_path / "a.csv", b"a,b,,\n1,2,,x\n")
    bad_rows = BadRows()
    assert read(tmp_path / "a.csv", b"a,b\n1,2\n  \n", bad_rows) == [{"a": "1", "b": "2"}]
    assert bad_rows.mended == {"rows of blanks left out": 1}


WRONG = {
    "stray": 'x","y"\n',
    "unclosed": '"x,1\n',
    "unclosed_twice": '"x,"1\n',
    "text_behind": '"x"y,1\n',
    "alternating": '"x\ny"z\n',
    "empty_quotes": '"",""a\n',
}


def rows_of(text: str, bad_rows: BadRows) -> list[tuple[int, list[str]]]:
    lines = enumerate(text.splitlines(keepends=True), 1)
    return list(quoted_rows(lines, ",", "memory", bad_rows))


@pytest.mark.parametrize("line", WRONG.values(), ids=WRONG.keys())
def test_a_table_that_is_wrong_throughout_is_read_in_linear_time_and_memory(line: str) -> None:
    count = 4_000 // line.count("\n")
    assert growth(*(partial(rows_of, line * size, BadRows()) for size in (count, 4 * count))) < BOUND


@pytest.mark.parametrize("line", WRONG.values(), ids=WRONG.keys())
def test_memory_does_not_grow_with_wrong_rows(line: str) -> None:
    lines = ((number, line) for number in range(8_000))
    tracemalloc.start()
    count = sum(1 for _ in quoted_rows(lines, ",", "memory", BadRows()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count >= 0
    assert peak < 2**20


@given(st.lists(st.text('ab",\n', max_size=6)))
def test_wrong_quotes_lose_the_same_rows_as_beginning_anew_at_every_line(parts: list[str]) -> None:
    text = "".join(parts)
    lines = text.splitlines(keepends=True)
    expected, start = [], 0
    while start < len(lines):
        for end in range(start + 1, len(lines) + 1):
            try:
                import csv

                found = list(csv.reader(lines[start:end], strict=True))
            except csv.Error as error:
                if "unexpected end" in str(error) and end < len(lines):
                    continue
                start += 1
                break
            expected += [(start + 1, found[0])] if found and found[0] else []
            start = end
            break
    assert rows_of(text, BadRows()) == expected


def test_rows_of_a_group_cost_linear_time_however_many_values_they_have() -> None:
    def once(count: int) -> None:
        ((_, record),) = grouped(iter(rows[:count]), "id", {"labels": "topic"}, "memory")
        assert len(record["labels"]) == count

    rows = [(number, {"id": "1", "topic": f"t{number}", "text": "a"}) for number in range(40_000)]
    assert growth(partial(once, 10_000), partial(once, 40_000)) < BOUND


def test_a_quote_that_is_never_closed_does_not_hold_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.data.reading.table.ROW_LIMIT", 1000)
    bad_rows = BadRows()
    lines = ((number, line) for number, line in enumerate(['"x,1\n', *["1,2\n"] * 20_000], 1))
    tracemalloc.start()
    assert sum(1 for _ in quoted_rows(lines, ",", "memory", bad_rows)) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "a quoted field goes over more than 1,000 lines" in bad_rows.first[0]
    assert bad_rows.count == 1
    assert peak < 2**23


def test_named_rows_take_names_from_the_first_row_that_is_not_blank() -> None:
    rows = iter([(1, [" ", ""]), (2, ["a", "b"]), (3, ["1", "2"])])
    assert list(named_rows(rows, None, "memory", BadRows(stop=True))) == [(3, {"a": "1", "b": "2"})]
