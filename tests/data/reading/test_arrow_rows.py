"""Arrow and Parquet files from outside: damaged, endless, with names of classes."""

import io
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import ipc
from pyarrow.parquet import write_table

from danlu.data.reading.format import Format
from danlu.data.record import Record
from danlu.refusal import Refusal


def read(kind: str, path: Path, **fields: object) -> list[Record]:
    return list(Format.model_validate({"kind": kind, "path": str(path), **fields}).read())


TABLE = pa.table(
    {
        "text": ["第一行", "b", None, "dd"] * 50,
        "number": list(range(200)),
        "list": [[1, 2], [3], None, []] * 50,
        "object": [{"a": 1, "b": "x"}] * 200,
        "code": pa.array(["x", "y"] * 100).dictionary_encode(),
    }
)

READ_ALL = """
import resource, sys
from danlu.data.reading.format import Format
from danlu.refusal import Refusal
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
for path in sys.argv[2:]:
    print(path, flush=True)
    try:
        for _ in Format.model_validate({"kind": sys.argv[1], "path": path}).read(): pass
    except Refusal as refusal:
        assert "\\n" not in str(refusal)
print("done")
"""


def damaged(whole: bytes, rng: random.Random) -> bytes:
    content = bytearray(whole)
    for _ in range(rng.choice([1, 2, 5, 30])):
        place = rng.randrange(len(content) - 4)
        some = [b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff\xff\xff\xff", bytes(4), rng.randbytes(1)]
        content[place : place + len(piece)] = (piece := rng.choice(some))
    return bytes(content[: rng.randrange(len(content))]) if rng.random() < 0.1 else bytes(content)


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_damaged_files_end_in_records_or_a_sentence(kind: str, tmp_path: Path) -> None:
    rng = random.Random(0)
    for number in range(30):
        file = io.BytesIO()
        if kind == "parquet":
            write_table(TABLE, file, compression=rng.choice(["none", "snappy", "zstd"]))
        else:
            options = ipc.IpcWriteOptions(compression=rng.choice([None, "lz4", "zstd"]))
            with rng.choice([ipc.new_file, ipc.new_stream])(file, TABLE.schema, options=options) as writer:
                writer.write_table(TABLE)
        (tmp_path / str(number)).write_bytes(damaged(file.getvalue(), rng))
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    # in a process of its own, which a wrong offset would kill
    ran = subprocess.run([sys.executable, "-c", READ_ALL, kind, *paths], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.split()[-1]) == (0, "done"), ran.stdout[-300:] + ran.stderr[-2000:]


def nested(depth: int) -> Any:
    kind = pa.string()
    for _ in range(depth):
        kind = pa.list_(kind)
    return kind


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_columns_without_an_end_of_nesting_are_refused(kind: str, tmp_path: Path) -> None:
    table = pa.table({"text": ["a"], "deep": pa.nulls(1, nested(36))})
    path = tmp_path / "a"
    if kind == "parquet":
        write_table(table, path)
    else:
        with pa.OSFile(str(path), "wb") as file, ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(Refusal, match="column 'deep' is nested more than 32 deep"):
        read(kind, path)


def test_a_small_parquet_file_of_endless_rows_is_refused(tmp_path: Path) -> None:
    same = pa.array(["x"]).dictionary_encode().take(pa.array([0] * 2_000_000, pa.int32()))
    write_table(pa.table({"text": same}), tmp_path / "a.parquet")
    with pytest.raises(Refusal, match=r"a\.parquet: holds more than 1,048,576 rows in [\d,]+ packed bytes"):
        read("parquet", tmp_path / "a.parquet")


@pytest.mark.parametrize("stored", [True, False])
def test_a_small_parquet_file_of_one_long_text_is_refused_in_little_memory(stored: bool, tmp_path: Path) -> None:
    long = pa.array(["x" * 2**20]).dictionary_encode().take(pa.array([0] * 100_000, pa.int32()))
    write_table(pa.table({"text": long}), tmp_path / "a.parquet", compression="zstd", store_schema=stored)
    pool = pa.default_memory_pool()
    before = pool.max_memory()
    with pytest.raises(Refusal, match="as a zip bomb does"):
        read("parquet", tmp_path / "a.parquet")
    assert pool.max_memory() < max(before, 2**31)


FEATURES = {
    "ner_tags": {"feature": {"names": ["O", "B-PER", "I-PER"], "_type": "ClassLabel"}, "_type": "List"},
    "label": {"names": ["neg", "pos"], "_type": "ClassLabel"},
    "id": {"dtype": "string", "_type": "Value"},
}


def with_features(table: pa.Table, features: Any) -> pa.Table:
    import json

    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def test_numbers_of_classes_become_the_names_beside_them(tmp_path: Path) -> None:
    table = pa.table({"id": ["a", "b"], "ner_tags": [[0, 1, 2], [0, -1, 7]], "label": [1, -1]})
    write_table(with_features(table, FEATURES), tmp_path / "a.parquet")
    assert read("parquet", tmp_path / "a.parquet", columns={"tags": "ner_tags"}) == [
        {"id": "a", "label": "pos", "tags": ["O", "B-PER", "I-PER"]},
        {"id": "b", "tags": ["O", None, "7"]},
    ]
    old = FEATURES | {"ner_tags": [{"names": ["O", "B-PER", "I-PER"], "_type": "ClassLabel"}]}
    write_table(with_features(table, old), tmp_path / "b.parquet")
    assert read("parquet", tmp_path / "b.parquet")[0]["ner_tags"] == ["O", "B-PER", "I-PER"]


@pytest.mark.parametrize(
    "features", [None, 3, [], {"label": 3}, {"label": {"names": [1]}}, {"label": [{"names": None}]}]
)
def test_features_of_other_forms_leave_the_numbers(features: Any, tmp_path: Path) -> None:
    write_table(with_features(pa.table({"text": ["a"], "label": [1]}), features), tmp_path / "a.parquet")
    assert read("parquet", tmp_path / "a.parquet") == [{"text": "a", "label": 1}]


def test_tags_without_names_are_their_numbers_as_text(tmp_path: Path) -> None:
    write_table(pa.table({"tokens": [["a", "b"]], "ner_tags": [[0, 1]]}), tmp_path / "a.parquet")
    (record,) = read("parquet", tmp_path / "a.parquet", columns={"tags": "ner_tags"})
    assert record == {"tokens": ["a", "b"], "tags": ["0", "1"]}


def test_data_sets_that_the_datasets_library_saved_have_their_names(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["neg", "pos"]))
    made = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features)
    made.save_to_disk(str(tmp_path / "saved"))
    made.to_parquet(str(tmp_path / "a.parquet"))
    for kind, name in (("hub", "saved"), ("parquet", "a.parquet")):
        assert [record["label"] for record in read(kind, tmp_path / name)] == ["pos", "neg"], kind
