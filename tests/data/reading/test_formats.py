import csv
import gzip
import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.parquet import write_table

from danlu.data.reading.format import Format, guess, open_records
from danlu.data.record import Record
from danlu.recipe.part import kinds
from danlu.refusal import Refusal

RECORDS = [{"text": "位置好，早餐丰富", "label": "pos"}, {"text": 'He said "no"\tand left', "label": "neg"}]
DATA = Path(__file__).parents[3] / "../shared/data"

as_published = pytest.mark.skipif(not DATA.is_dir(), reason="the real data of ../shared/data is not here")


def read(kind: str, path: Path | str, **fields: object) -> list[Record]:
    return list(Format.model_validate({"kind": kind, "path": str(path), **fields}).read())


def written(records: list[Record], kind: str) -> bytes:
    """The records in a format, as other libraries write it."""
    if kind == "parquet":
        buffer = io.BytesIO()
        write_table(pa.Table.from_pylist(records), buffer)
        return buffer.getvalue()
    if kind == "csv":
        table = io.StringIO()
        writer = csv.DictWriter(table, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
        return table.getvalue().encode()
    if kind == "tsv":
        return b"text\tlabel\n" + b"".join(
            f"{r['text'].replace(chr(9), ' ')}\t{r['label']}\n".encode() for r in records
        )
    if kind == "json":
        return json.dumps(records, ensure_ascii=False, indent=1).encode()
    if kind == "jsonl":
        return "\n".join(json.dumps(record) for record in records).encode()
    return "\n\n".join(record["text"] for record in records).encode()


def expected(kind: str) -> list[Record]:
    if kind == "text":
        return [{"text": record["text"]} for record in RECORDS]
    return [record | {"text": record["text"].replace("\t", " ")} for record in RECORDS] if kind == "tsv" else RECORDS


SUFFIXES = {"csv": ".csv", "tsv": ".tsv", "json": ".json", "jsonl": ".jsonl", "text": ".txt", "parquet": ".parquet"}


def test_every_format_with_a_suffix_is_covered() -> None:
    elsewhere = {"pfr", "words", "conll", "squad", "spans", "chat", "marked", "folder", "pdf", "arrow", "hub"}
    elsewhere |= {"doccano", "label_studio", "brat"}  # test_annotated.py
    elsewhere |= {"choices", "relations"}  # test_choices_and_relations.py
    elsewhere |= {"sql"}  # test_sql.py
    assert set(kinds(Format)) == set(SUFFIXES) | elsewhere  # test_structured_formats.py, test_documents.py


@pytest.mark.parametrize("packing", ["", ".gz", ".zip"])
@pytest.mark.parametrize("kind", SUFFIXES)
def test_each_format_reads_what_other_libraries_write_packed_or_not(kind: str, packing: str, tmp_path: Path) -> None:
    path = tmp_path / f"records{SUFFIXES[kind]}{packing}"
    content = written(RECORDS, kind)
    if packing == ".zip":
        path = path.with_name("records.zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"inside/records{SUFFIXES[kind]}", content)
            archive.writestr("__MACOSX/._records", b"\0")
    else:
        path.write_bytes(gzip.compress(content) if packing else content)
    assert read(kind, path) == expected(kind)
    assert list(open_records(str(path))) == expected(kind)
    assert guess(str(path)).kind == kind


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=2)))
def test_csv_reads_back_every_table_that_the_standard_library_writes(rows: list[list[str]]) -> None:
    from danlu.data.reading.bad_rows import BadRows
    from danlu.data.reading.table import named_rows, quoted_rows

    stop = BadRows(stop=True)
    table = io.StringIO(newline="")
    csv.writer(table, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
    lines = enumerate((line + "\n" for line in table.getvalue().removesuffix("\n").split("\n")), 1)
    found = [record for _, record in named_rows(quoted_rows(lines, ",", "memory", stop), None, "memory", stop)]
    assert found == [{"a": a, "b": b} for a, b in rows]


def test_columns_are_renamed_others_stay_and_constants_are_added(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("review,text,stars\n好,标题,5\n", encoding="utf-8")
    found = read("csv", path, columns={"text": "review", "title": "text"}, constants={"label": "pos"})
    assert found == [{"text": "好", "title": "标题", "stars": "5", "label": "pos"}]


def test_tables_without_a_header_take_the_names_given(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"1\tHi\r\n\r\n2\tBye\r\n")
    assert read("tsv", path, header=["id", "text"]) == [{"id": "1", "text": "Hi"}, {"id": "2", "text": "Bye"}]


def test_stray_quotes_and_tabs_of_a_tsv_are_text(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('label\ttext\n1\t"so\tlala\n0\tok"\n', encoding="utf-8")
    with pytest.raises(Refusal, match=r"a\.tsv, line 2: 3 fields where 2 columns are named"):
        read("tsv", path)
    joined = read("tsv", path, surplus="join")
    assert joined == [{"label": "1", "text": '"so\tlala'}, {"label": "0", "text": 'ok"'}]
    assert read("tsv", path, quoting=True) == [{"label": "1", "text": "so\tlala\n0\tok"}]


def test_text_may_be_one_record_a_file_and_keeps_unicode_line_separators(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("一\u2028二\x85三\r\n\r\n  \n四".encode())
    assert read("text", path) == [{"text": "一\u2028二\x85三"}, {"text": "四"}]
    assert read("text", path, column="poem", whole_file=True) == [{"poem": "一\u2028二\x85三\r\n\r\n  \n四"}]


def test_a_list_deep_in_json_is_found_by_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"version": 1, "data": {"rows": [{"text": "a", "label": null}]}}', encoding="utf-8")
    assert read("json", path, under="data.rows") == [{"text": "a"}]


def test_json_lines_in_a_file_named_json_are_recognised(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('\n{"text": "a"}\n{"text": "b"}\n', encoding="utf-8")
    assert [record["text"] for record in open_records(str(path))] == ["a", "b"]


BROKEN: dict[str, tuple[str, bytes, str]] = {
    "empty": ("csv", b"", r"file: the file is empty; give one with data"),
    "header_only": ("csv", b"text,label\n", r"file: holds no records"),
    "blank": ("text", b"\n \n", r"file: holds no records"),
    "short_row": ("csv", b'text,label\n"a\nb",1\nc\n', r"file, line 4: 1 fields where 2 columns are named"),
    "long_row": ("csv", b"text,label\na,b,c\n", r"file, line 2: 3 fields where 2 columns are named"),
    "open_quote": ("csv", b'text,label\na,1\n"b,2\nc,3\n', r"file, line 3: this row is no table row"),
    "stray_quote": ("csv", b'text,label\n"a"b,1\n', r"file, line 2: this row is no table row"),
    "twice": ("csv", b"text,text\na,b\n", r"file, line 1: two columns are named 'text'"),
    "no_json": ("json", b'[{"text": "a"},\n {"text" "b"}]', r"file, its line 2: is no JSON"),
    "no_list": (
        "json",
        b'{"rows": [{"text": "a"}]}',
        r"expected a list of objects, not an object; the lists are under: rows",
    ),
    "no_objects": ("json", b'[{"text": "a"}, "b"]', r"file, record 2: expected an object"),
    "no_json_line": ("jsonl", b'{"text": "a"}\n{"text": \n', r"file, line 2, column \d+: is no JSON"),
    "list_line": ("jsonl", b'[{"text": "a"}]\n', r"file, line 1: expected an object .* kind json"),
    "half_a_pair": ("jsonl", b'{"text": "\\ud83d"}\n', r"file, line 1: holds half of a surrogate pair"),
    "deep": ("jsonl", b"[" * 100_000 + b"\n", r"file, line 1: is nested too deeply"),
    "no_parquet": ("parquet", b"text,label\na,b\n", r"file: cannot be read as Parquet"),
    "zeros": ("text", b"a\0b", r"file, line 1: holds zero bytes"),
    "untagged": ("pfr", "迈向 充满 希望".encode(), r"file, line 1: 3 of the 3 words so far have no tag"),
}


@pytest.mark.parametrize(("kind", "content", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_what_cannot_be_read_is_refused_in_one_sentence(
    kind: str, content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(Refusal, match=message) as caught:
        read(kind, path)
    assert "\n" not in str(caught.value)


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("txt,label\n好,1\n", encoding="utf-8")
    with pytest.raises(Refusal, match=r"line 2: there is no column 'text'; did you mean 'txt'\?.* are: txt, label"):
        list(open_records(str(path), needed=["text"]))
    with pytest.raises(Refusal, match=r"there is no column 'lable'; did you mean 'label'\?"):
        read("csv", path, columns={"topic": "lable"})


def test_a_suffix_that_tells_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsnl"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(Refusal, match=r"suffix '\.jsnl' tells no format; did you mean '\.jsonl'\?"):
        open_records(str(path))


PUBLISHED = [
    ("sst2/dev.tsv", 6735, {"sentence", "label"}),
    ("bdci_car_2018/train_2.csv", 12572, {"content_id", "content", "subject", "sentiment_value"}),
    ("fewclue/eprstmt", 160, {"sentence", "label"}),
    ("cluener2020/test.json", 1343, {"text", "label"}),
    ("instructions/alpaca_zh_demo.json", 1000, {"instruction", "output"}),
    ("tinyshakespeare/input.txt", 32777, {"text"}),
]


@as_published
@pytest.mark.parametrize(("name", "count", "columns"), PUBLISHED, ids=[name for name, *_ in PUBLISHED])
def test_files_are_read_as_their_publishers_ship_them(name: str, count: int, columns: set[str]) -> None:
    path = DATA / name
    path = next(path.glob("dev*.json")) if path.is_dir() else path
    found = list(open_records(str(path)))
    assert len(found) == count
    assert columns <= found[0].keys()


@as_published
def test_one_table_of_a_zip_of_several_is_read_by_its_name() -> None:
    path = DATA / "chnsenticorp" / "chnsenticorp.zip"
    assert len(read("tsv", path, member="train.tsv")) == 9600
    with pytest.raises(Refusal, match=r"the zip holds 3 files \(there are: dev\.tsv, test\.tsv, train\.tsv\)"):
        read("tsv", path)


def test_a_header_of_very_many_columns_is_read(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(100_000)]  # quadratic work on them would take minutes
    (tmp_path / "wide.csv").write_text(",".join(names) + "\n" + ",".join("1" * len(names)) + "\n")
    (record,) = Format.model_validate({"kind": "csv", "path": str(tmp_path / "wide.csv")}).read()
    assert record == dict.fromkeys(names, "1")
    (tmp_path / "twice.csv").write_text("a,b,a\n1,2,3\n")
    with pytest.raises(Refusal, match="two columns are named 'a'"):
        list(Format.model_validate({"kind": "csv", "path": str(tmp_path / "twice.csv")}).read())


def test_a_column_that_is_renamed_must_be_there_even_where_its_new_name_is(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,review\na,b\n")
    source = {"kind": "csv", "path": str(tmp_path / "a.csv")}
    (record,) = Format.model_validate(source | {"columns": {"text": "review"}}).read()
    assert record == {"text": "b"}
    with pytest.raises(Refusal, match="line 2: there is no column 'reviw'; did you mean 'review'"):
        list(Format.model_validate(source | {"columns": {"text": "reviw"}}).read())


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(Refusal, match="the path is empty"):
        list(open_records(""))
