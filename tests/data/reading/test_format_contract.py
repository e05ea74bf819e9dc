"""Every format on what other tools write, on odd columns and on hostile bytes: records or one sentence, nothing else."""

import datetime as dt
import gzip
import io
import json
import random
import warnings
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import ipc
from pyarrow.parquet import write_table

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.recipe.part import kinds
from danlu.refusal import Refusal

KINDS = [kind for kind in kinds(Format) if kind not in ("hub", "sql")]  # which ask a hub and a database

FRAME = {"text": ["好, 很好", 'He said "no"\nand left', "", "x"], "label": ["pos", "neg", None, "1"], "n": [1, 2, 3, 4]}


def of_pandas() -> dict[str, bytes]:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(FRAME)
    orients = ("split", "records", "index", "columns", "values", "table")
    found = {f"pandas_{orient}": frame.to_json(orient=orient).encode() for orient in orients}
    found["pandas_lines"] = frame.to_json(orient="records", lines=True, force_ascii=False).encode()
    found["pandas_csv"] = frame.to_csv().encode()
    found["pandas_csv_tab"] = frame.to_csv(sep="\t", index=False).encode("utf-16")
    found["pandas_csv_semicolon"] = frame.to_csv(sep=";", decimal=",", index=False).encode("utf-8-sig")
    return found


def of_arrow() -> dict[str, bytes]:
    columns: dict[str, Any] = {
        "decimal": [Decimal("1.5")],
        "date": [dt.date(2024, 5, 31)],
        "moment": [dt.datetime(2024, 5, 31, tzinfo=dt.UTC)],
        "duration": pa.array([1], pa.duration("s")),
        "time": [dt.time(1, 2)],
        "bytes": [b"\xff\x00"],
        "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())),
        "nested": [[{"a": [1, None]}]],
        "empty_object": [[None]],
        "whole_64": pa.array([2**63], pa.uint64()),
        "half": pa.array([1.5], pa.float16()) if hasattr(pa, "float16") else [1.5],
        "nothing": pa.nulls(1),
        "code": pa.array(["x"]).dictionary_encode(),
        "view": pa.array(["x"], pa.string_view()),
        "large": pa.array(["x"], pa.large_string()),
        "flag": [True],
    }
    found = {}
    for name, values in columns.items():
        for label in ("text", "label"):
            table = pa.table({label: values, "other": ["a"]})
            for suffix, file in (("arrow", io.BytesIO()), ("parquet", io.BytesIO())):
                try:
                    if suffix == "arrow":
                        with ipc.new_file(file, table.schema) as writer:
                            writer.write_table(table)
                    else:
                        write_table(table, file)
                except pa.ArrowException:  # what the format has no place for
                    continue
                found[f"{suffix}_{label}_{name}"] = file.getvalue()
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["text", "text"])
    file = io.BytesIO()
    write_table(twice, file)
    return found | {"parquet_two_of_a_name": file.getvalue()}


# ruff: noqa: E501  (one file a line)
TASK = {
    "id": 1,
    "data": {"text": "李明"},
    "annotations": [{"result": [{"value": {"start": 0, "end": 2, "labels": ["P"]}}]}],
}
JSON: dict[str, Any] = {
    "label_studio": [TASK],
    "label_studio_broken": [TASK | {"annotations": [{"result": [{"value": {"start": "0", "labels": "P"}}, 3, None]}, 4]}],
    "doccano": {"id": 1, "text": "李明", "label": [[0, 2, "P"]], "Comments": []},
    "doccano_broken": [{"text": "李明", "label": [[None, {}, []], ["a"], 3]}, {"text": 1}, {"text": "a", "entities": [{}]}],
    "spans_broken": [{"text": "a", "label": {"x": 3}}, {"text": "a", "label": [{"start": 1e300, "end": -1, "label": "x"}]}],
    "squad_broken": {"data": [{"paragraphs": [{"context": "a", "qas": [{"question": "q", "answers": [{"text": "a", "answer_start": -5}]}, 3]}, 4]}, None]},
    "choices": {"question": {"stem": "q", "choices": [{"label": "A", "text": "a"}, {"label": "B", "text": "b"}]}, "answerKey": "B"},
    "choices_broken": [{"question": {"stem": 1, "choices": [3, None]}}, {"question": "q", "choices": {"label": 3, "text": ["a"]}}, {"question": "q", "choices": {"text": ["a"], "label": ["A"]}, "answerKey": []}],
    "relations": {"token": ["a", "b"], "h": {"name": "a", "pos": [0, 1]}, "t": {"name": "b", "pos": [1, 2]}, "relation": "x"},
    "relations_broken": [{"token": [1], "h": {"pos": [0, 1]}, "t": {"pos": [0, 9]}}, {"text": "a", "h": {"pos": [-1, 9**30]}, "t": {"pos": [0]}}, {"text": "a", "h": 3, "t": {}}],
    "chat_broken": [{"messages": [None, 3]}, {"conversations": {}}, {"instruction": {}, "output": []}, {"chosen": 1, "rejected": {}}],
    "nothing": None,
    "number": 3,
    "text": "x",
    "empty_list": [],
    "empty_object": {},
    "lists": [[1, 2], [3]],
    "keys": [{"": 1, "a.b": {"c": []}, "\u0000": None, "text": "\u0000"}],
    "odd_numbers": [{"text": "a", "n": 2**70, "m": -(2**63), "f": 1e308}],
}  # fmt: skip


def files() -> dict[str, bytes]:
    """The content of files, by what they are."""
    found = {f"json_{name}": json.dumps(value, ensure_ascii=False).encode() for name, value in JSON.items()}
    found |= of_pandas() | of_arrow()
    rows = json.dumps([{"text": "a", "label": 1}] * 3)
    found |= {
        "jq_pretty": b'{\n  "text": "a",\n  "label": 1\n}\n{\n  "text": "b",\n  "label": 2\n}\n',
        "jq_sequence": b'\x1e{"text": "a"}\n\x1e{"text": "b"}\n',
        "json_comments": b'// a\n[{"text": "a",},]',
        "json_nan": b'[{"text": "a", "n": NaN}, {"text": "b", "n": Infinity}]',
        "json_long_number": b'{"text": "a", "n": ' + b"9" * 5000 + b"}\n",
        "json_deep": b'{"text": ' + b"[" * 2000 + b"]" * 2000 + b"}\n",
        "json_half_a_pair": b'{"text": "\\ud83d", "label": "\\udc00"}\n',
        "json_twice": b'{"text": "a", "text": "b"}\n',
        "json_utf16": rows.encode("utf-16"),
        "json_cut": rows.encode()[:-7],
        "excel": b"\xef\xbb\xbfsep=;\r\ntext;label;;\r\n\"a\"\"b\";1;;\r\n;;;\r\n",
        "excel_gb18030": "文本,标签\r\n很好,好评\r\n".encode("gb18030"),
        "csv_quotes": b'text,label\n"a,1\n"b"c,2\n',
        "csv_header_of_blanks": b" , , \na,b,c\n",
        "csv_binary": bytes(range(256)) * 4,
        "conll": b"a\tB-X\nb\tI-X\n\nc O O O\n\n\t\n",
        "conll_odd": b"a B-\n-DOCSTART-\nb\n# text\n1-2\tx\t_\n",
        "brat": b"T1\tX 0 2;4 6\tab ef\nR1\tx Arg1:T1 Arg2:T2\nT2\tX 9 1\tx\n",
        "pfr": "19980101-01-001-001/m  [中央/n  电视台/n]nt  ]nt  /w  迈向/v\n".encode(),
        "marked": b"x\t<e1>a</e1> <e2></e2>\n1\t\"<e1>a</e1>\"\n",
        "html": b"<html><meta charset=nonsense><p>a<![CDATA[x]]></html>",
        "xml": b"<?xml version='1.0'?><a>" + b"<b>" * 500,
        "nul": b"\0" * 100,
        "mac": b"text,label\ra,1\rb,2\r",
        "high": b"\xff" * 300 + b"\n",
        "big5": "我覺得這家餐廳很好吃\n".encode("big5"),
        "latin": "Schöne Größe für Mädchen\n".encode("cp1252"),
        "long": b"a" * 2**17 + b"\n",
        "lines": b"\n" * 5000,
        "empty": b"",
        "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 1 0 R>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
        "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
        "gzip": gzip.compress(b"text\na\n"),
    }  # fmt: skip
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    return found | {"office": zipped.getvalue()}


FILES = files()


def test_formats_and_files_are_seen() -> None:
    assert len(KINDS) >= 19
    assert len(FILES) > 100


def outcome(kind: str, path: Path, needed: tuple[str, ...] = (), **fields: object) -> str | int:
    """How many records there are, or the sentence that refuses the file."""
    source = Format.model_validate({"kind": kind, "path": str(path), **fields})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return sum(isinstance(record, dict) for record in source.read(needed, BadRows()))
    except Refusal as refusal:
        told = str(refusal)
    assert "\n" not in told, told
    return told


@pytest.mark.parametrize("kind", KINDS)
def test_what_other_tools_write_is_read_or_refused_in_a_sentence(kind: str, tmp_path: Path) -> None:
    for name, content in FILES.items():
        path = tmp_path / (f"{name}.ann" if kind == "brat" else name)
        path.write_bytes(content)
        if kind == "brat":
            path.with_suffix(".txt").write_text("ab cd ef gh")
        for fields in ({}, {"on_bad_row": "skip"}):
            found = outcome(kind, path, **fields)
            assert isinstance(found, int) or path.stem in found, found
        outcome(kind, path, ("text",))


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_bytes_are_read_or_refused_in_a_sentence(kind: str, tmp_path: Path) -> None:
    rng = random.Random(kind)
    like = [name for name in FILES if name.startswith(kind)] or list(FILES)
    for number in range(25):
        content = bytearray(FILES[rng.choice(like if number % 2 else list(FILES))][:2000] or b"x")
        for _ in range(rng.choice([1, 3, 20])):
            place = rng.randrange(len(content))
            content[place : place + rng.randrange(3)] = rng.choice(
                [b"", b"\n", b'"', b"\0", b"\xff", b"{", b"]", b"\t", b"9"]
            )
            content = content or bytearray(b"x")
        path = tmp_path / (f"{number}.ann" if kind == "brat" else f"{number}")
        path.write_bytes(content)
        path.with_suffix(".txt").write_text("ab cd ef gh") if kind == "brat" else None
        outcome(kind, path, on_bad_row=rng.choice(["stop", "skip"]))
