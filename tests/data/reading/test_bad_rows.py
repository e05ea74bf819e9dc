import gzip
import json
import resource
import tracemalloc
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.parquet import write_table

from danlu.data.reading.bad_rows import SHOWN, BadRows
from danlu.data.reading.format import Format
from danlu.data.reading.lines import LINE_LIMIT, lines
from danlu.data.reading.source_file import find_source
from danlu.data.record import Record
from danlu.refusal import Refusal


def skipped(kind: str, path: Path | str, **fields: object) -> tuple[list[Record], BadRows]:
    bad_rows = BadRows()
    source = Format.model_validate({"kind": kind, "path": str(path), "on_bad_row": "skip", **fields})
    return list(source.read(bad_rows=bad_rows)), bad_rows


def stopped(kind: str, path: Path | str) -> str:
    with pytest.raises(Refusal) as caught:
        list(Format.model_validate({"kind": kind, "path": str(path)}).read())
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ruff: noqa: E501  (one row of the table a line)
# kind, content, records that are good, and place and beginning of the reason of each bad row
ROWS: dict[str, tuple[str, bytes, list[Record], list[str]]] = {
    "too_many_fields": ("csv", b"a,b\n1,2\n3,4,5\n6,7\n", [{"a": "1", "b": "2"}, {"a": "6", "b": "7"}], ["line 3: 3 f"]),
    "too_few_fields": ("tsv", b"a\tb\n1\n3\t4\n", [{"a": "3", "b": "4"}], ["line 2: 1 fields where 2"]),
    "wrong_quotes": ("csv", b'a,b\n"x"y,1\n"p\nq",2\n', [{"a": "p\nq", "b": "2"}], ["line 2: this row is no table row"]),
    "unclosed_quote": ("csv", b'a,b\n"x,1\np,2\nq,3\n', [{"a": "p", "b": "2"}, {"a": "q", "b": "3"}], ["line 2: this"]),
    "no_json": ("jsonl", b'{"a": 1}\n{"a": \n[1]\n{"a": 2}\n', [{"a": 1}, {"a": 2}], ["line 2: column 7", "line 3: exp"]),
    "no_object": ("json", b'[{"a": 1}, 3]', [{"a": 1}], ["record 2: expected an object"]),
    "utf8": ("text", "好\n".encode() + b"x\xff\xfey\n" + "的\n".encode(), [{"text": "好"}, {"text": "的"}], ["line 2: is n"]),
    "zeros": ("text", b"a\nb\0c\nd\n", [{"text": "a"}, {"text": "d"}], ["line 2: holds zero bytes"]),
    "tag": ("conll", b"a\tO\n\nb\tX-y\n\nc\tO\n", [{"tokens": ["a"], "tags": ["O"]}, {"tokens": ["c"], "tags": ["O"]}], ["line 3: tag"]),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "content", "good", "bad"), ROWS.values(), ids=ROWS.keys())
def test_bad_rows_stop_or_are_left_out_and_told_by_line(
    kind: str, content: bytes, good: list[Record], bad: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    found, bad_rows = skipped(kind, path)
    assert found == good
    assert bad_rows.count == len(bad)
    for sentence, begins in zip(bad_rows.first, bad, strict=True):
        assert sentence.startswith(f"{path}, {begins}")
    place = bad[0].partition(":")[0]
    assert stopped(kind, path).startswith(f"{path}, {place}")


def test_bad_rows_are_written_aside_with_what_stood_there(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\nnonsense\n{"txt": "c"}\n', encoding="utf-8")
    source = Format.model_validate({"kind": "jsonl", "path": str(tmp_path / "a.jsonl"), "on_bad_row": "skip"})
    aside = tmp_path / "out" / "bad_rows.jsonl"
    with BadRows(aside) as bad_rows:
        assert list(source.read(["text"], bad_rows)) == [{"text": "a"}]
    written = [json.loads(line) for line in aside.read_text(encoding="utf-8").splitlines()]
    assert [(row["place"], row["row"]) for row in written] == [("line 2", "nonsense\n"), ("line 3", {"txt": "c"})]
    assert "there is no column 'text'; did you mean 'txt'?" in written[1]["reason"]
    assert bad_rows.by_file == {str(tmp_path / "a.jsonl"): 2}
    assert bad_rows.in_words()[0].startswith(f"2 bad rows left out; the first: {tmp_path / 'a.jsonl'}, line 2")
    assert bad_rows.in_words()[1] == f"all of them are in {aside}"


def test_a_warning_tells_of_bad_rows_that_nobody_takes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3\n")
    source = Format.model_validate({"kind": "csv", "path": str(tmp_path / "a.csv"), "on_bad_row": "skip"})
    with pytest.warns(UserWarning, match=r"1 bad rows left out; the first: .*a\.csv, line 3"):
        assert list(source.read()) == [{"a": "1", "b": "2"}]


def test_rows_that_an_earlier_reading_of_a_stage_left_stay_each_once(tmp_path: Path) -> None:
    aside = tmp_path / "bad_rows.jsonl"
    readings: list[list[str]] = [["line 1", "line 2"], ["line 2", "line 7"], []]
    for places in readings:
        with BadRows(aside) as bad_rows:
            for place in places:
                bad_rows.reject("a", place, "is bad", "x")
    failing = BadRows(aside)
    failing.reject("a", "line 9", "is bad", "x")
    failing.__exit__(RuntimeError, RuntimeError(), None)
    found = [json.loads(line)["place"] for line in aside.read_text(encoding="utf-8").splitlines()]
    assert found == ["line 1", "line 2", "line 7"]
    assert list(tmp_path.iterdir()) == [aside]


def test_nothing_is_left_of_an_aside_file_when_reading_fails(tmp_path: Path) -> None:
    bad_rows = BadRows(tmp_path / "bad_rows.jsonl")
    bad_rows.reject("a", "line 1", "is bad", "x" * 100_000)
    assert len(list(tmp_path.iterdir())) == 1
    bad_rows.__exit__(RuntimeError, RuntimeError(), None)
    assert list(tmp_path.iterdir()) == []


def test_memory_holds_few_sentences_and_long_rows_are_cut(tmp_path: Path) -> None:
    with BadRows(tmp_path / "aside") as bad_rows:
        for number in range(100):
            bad_rows.reject("a", f"line {number}", "is bad", "x" * 100_000)
    assert len(bad_rows.first) == SHOWN
    assert bad_rows.count == 100
    assert (tmp_path / "aside").stat().st_size < 100 * 11_000


def test_a_huge_line_is_never_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "a"}\n{"text": "')
        for _ in range(300):
            file.write(b"x" * 2**20)
        file.write(b'"}\n{"text": "b"}\n')
    tracemalloc.start()
    assert f"line 2: is longer than {LINE_LIMIT} bytes" in stopped("jsonl", path)
    found, bad_rows = skipped("jsonl", path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [{"text": "a"}, {"text": "b"}]
    assert bad_rows.count == 1
    assert peak < 80 * 2**20


def test_lists_and_objects_are_refused_where_a_text_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": {"zh": "好"}}\n{"text": ["a"]}\n{"text": "b"}\n', encoding="utf-8")
    source = Format.model_validate({"kind": "jsonl", "path": str(path)})
    with pytest.raises(Refusal, match=r"line 1: column 'text' holds an object where a text is expected"):
        list(source.read(["text"]))
    skipping, bad_rows = source.model_copy(update={"on_bad_row": "skip"}), BadRows()
    assert list(skipping.read(["text"], bad_rows)) == [{"text": "b"}]
    assert "holds a list where a text is expected" in bad_rows.first[1]


def test_numbers_are_refused_where_a_text_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": 5, "label": 1}\n{"text": "b", "label": 2}\n')
    source = Format.model_validate({"kind": "jsonl", "path": str(path)})
    with pytest.raises(Refusal, match=r"line 1: column 'text' holds 5 where a text is expected"):
        list(source.read(["text"]))
    skipping, bad_rows = source.model_copy(update={"on_bad_row": "skip"}), BadRows()
    assert list(skipping.read(["text"], bad_rows)) == [{"text": "b", "label": 2}]
    assert bad_rows.count == 1


def test_a_damaged_shard_among_others_stops_or_is_told(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b'{"text": "%d"}\n' % number for number in range(150_000)))
    (tmp_path / "1.jsonl.gz").write_bytes(whole)
    (tmp_path / "2.jsonl.gz").write_bytes(b"")
    (tmp_path / "3.jsonl.gz").write_bytes(whole[:-1000])
    pattern = str(tmp_path / "*.gz")
    assert stopped("jsonl", pattern).startswith(f"{tmp_path / '2.jsonl.gz'}: the file is empty")
    found, bad_rows = skipped("jsonl", pattern)
    assert 150_000 < len(found) < 300_000
    assert [name.rpartition("/")[2] for name in bad_rows.by_file] == ["2.jsonl.gz", "3.jsonl.gz"]
    assert "damaged or cut short" in bad_rows.first[1]


def test_cut_parquet_and_zip_are_refused_in_a_sentence(tmp_path: Path) -> None:
    write_table(pa.table({"text": [str(number) for number in range(10_000)]}), tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(content[: len(content) // 2])
    assert "cut.parquet: cannot be read as Parquet" in stopped("parquet", tmp_path / "cut.parquet")
    damaged = bytearray(content)
    damaged[1000:1400] = bytes(400)
    (tmp_path / "damaged.parquet").write_bytes(damaged)
    assert "cannot be read as Parquet" in stopped("parquet", tmp_path / "damaged.parquet")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "text\n" * 100)
    (tmp_path / "cut.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:-30])
    assert "cut.zip: the zip is damaged or cut short" in stopped("text", tmp_path / "cut.zip")


def test_a_file_without_any_good_row_is_refused_with_the_first_reason(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1\n2\n")
    with pytest.raises(
        Refusal, match=r"holds no records that can be read, the first bad row being: .* line 2: 1 fields"
    ):
        skipped("csv", tmp_path / "a.csv")


def test_damaged_utf8_is_not_taken_for_gb18030(tmp_path: Path) -> None:
    text = "今天天气很好，我们去公园散步吧。\n"
    damaged = bytearray(text.encode())
    damaged[7] = 0xFF
    (tmp_path / "a.txt").write_bytes(text.encode() * 3 + bytes(damaged) + text.encode() * 3)
    found, bad_rows = skipped("text", tmp_path / "a.txt")
    assert [record["text"] for record in found] == [text.strip()] * 6
    assert "line 4: is n" in bad_rows.first[0]


PIECES = [
    '{"a": 1}',
    '{"a": [1',
    "2]}",
    '2]}, {"b": 3}',
    '{"text": "x',
    'y"}',
    "",
    " ",
    "[1]",
    "{}",
    '{"a": 1}, {"b": 2}',
]


@given(st.lists(st.sampled_from(PIECES), max_size=6), st.booleans())
def test_json_lines_are_objects_of_their_own_however_they_are_parsed(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], ended: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "pieces.jsonl"
    path.write_text("\n".join(['{"first": 0}', *pieces]) + "\n" * ended, encoding="utf-8")
    found, bad_rows = skipped("jsonl", path)
    alone = [value for piece in pieces if piece.strip() and isinstance(value := _value(piece), dict)]
    assert found == [{"first": 0}, *alone]
    assert bad_rows.count == sum(1 for piece in pieces if piece.strip()) - len(alone)


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\n")), min_size=1), st.integers(1, 40))
def test_lines_do_not_depend_on_where_blocks_end(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], block: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "blocks.txt"
    content = "\n".join(texts).encode()
    path.write_bytes(content or b"\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("danlu.data.reading.lines._BLOCK", block)
        found = list(lines(find_source(str(path)), "utf-8"))
    given_lines = (content.removeprefix(b"\xef\xbb\xbf") or b"\n" * (not content)).decode().split("\n")
    assert [line.removesuffix("\n") for _, line in found] == (given_lines if given_lines[-1] else given_lines[:-1])
    assert [number for number, _ in found] == list(range(1, len(found) + 1))


def test_a_disk_that_fills_while_bad_rows_are_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(Refusal, match="the disk is full"), BadRows(tmp_path / "bad_rows.jsonl") as bad_rows:
            bad_rows.reject("a.csv", "line 1", "is bad", "x" * 3000)  # held in memory until the file is closed
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not list(tmp_path.iterdir())
