"""Whatever the type of a column, every command ends in a result or in one sentence."""

import csv
import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from danlu.apps.data_profile import profile
from danlu.data.cleaning.clean import rewriters
from danlu.data.cleaning.cleaner import Cleaner
from danlu.data.reading.format import guess
from danlu.data.record import Record
from danlu.data.wrong_labels.suspects import labels_in
from danlu.refusal import Refusal
from danlu.stages.stage import Place, Stage
from danlu.task.rewritten import rewritten
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

ROWS = 6
KINDS = ("jsonl", "json", "csv", "parquet", "arrow")
TASKS = ("classify", "tag", "causal_lm", "masked_lm")
COLUMNS = ("text", "label", "labels", "entities", "tags", "tokens", "words", "answers", "head", "messages", "meta")
JSON: dict[str, list[Any]] = {
    "text": ["北京很大", "上海很好"],
    "whole": [0, 1],
    "fraction": [0.5, 2.0],
    "true": [True, False],
    "null": [None, None],
    "null or text": [None, "a"],
    "no number": [float("nan"), 1.0],
    "64 bits": [2**63, 5],
    "beyond 64 bits": [10**30, -(2**63) - 1],
    "empty": ["", "  "],
    "texts": [["a", "b"], ["c"]],
    "numbers": [[1, 0], [0]],
    "lists": [[[0, 2, "PER"]], [[1, 2, "LOC"]]],
    "empty lists": [[], []],
    "object": [{"a": 1}, {"b": {"c": [None]}}],
    "empty objects": [{}, {}],
    "spans": [[{"start": 0, "end": 2, "label": "PER"}], []],
    "spans with a type": [[{"start": 0, "end": 2, "type": "PER"}], []],
    "spans outside": [[{"start": 5, "end": 999, "label": 3}], [{"start": -1, "end": 0, "label": None}]],
    "messages": [[{"role": "user", "content": "好"}], [{"role": "user", "content": None}]],
    "answers": [[{"text": "北京", "answer_start": 1}], []],
    "answers of datasets": [{"text": ["北京"], "answer_start": [1]}, {"text": [], "answer_start": []}],
    "mixed": [1, "a"],
    "mixed lists": [[1, "a", None], [2.5]],
}
ARROW: dict[str, Callable[[], pa.Array]] = {
    "date": lambda: pa.array([date(2024, 5, 31), None]),
    "nanoseconds": lambda: pa.array([1, 2], pa.timestamp("ns")),
    "zoned": lambda: pa.array([1, 2], pa.timestamp("us", "UTC")),
    "time": lambda: pa.array([5, 6], pa.time64("us")),
    "duration": lambda: pa.array([5, 6], pa.duration("us")),
    "decimal": lambda: pa.array([Decimal("1.50"), Decimal(2)], pa.decimal128(5, 2)),
    "unsigned": lambda: pa.array([2**64 - 1, 1], pa.uint64()),
    "bytes": lambda: pa.array([b"x", b"\xff"]),
    "map": lambda: pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
    "dates in objects": lambda: pa.array([{"x": datetime(2024, 1, 1)}, {"x": None}]),
    "dates in lists": lambda: pa.array([[date(2024, 1, 1)], []]),
    "dictionary": lambda: pa.array(["a", "b"]).dictionary_encode(),
    "half": lambda: pa.array([1.0, float("inf")], pa.float16()),
    "interval": lambda: pa.array([(1, 2, 3), None], pa.month_day_nano_interval()),
}
REWRITERS = rewriters([Cleaner.model_validate("whitespace")])


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return WordPiece(size=64, min_frequency=1).build(lambda: iter(["北京很大上海很好"]))


def written(folder: Path, kind: str, column: str, name: str) -> Path | None:
    """A file whose column has values of this type; None where the format has no place for them."""
    base: dict[str, Any] = {"text": [f"{chr(0x4E00 + n * 13)}住在  {chr(0x5E00 + n * 17)} 里" for n in range(ROWS)]}
    base |= {"label": [f"{n % 2}" for n in range(ROWS)]}
    if column in ("tokens", "words", "messages"):
        del base["text"]
    path = folder / f"rows.{kind}"
    if kind in ("parquet", "arrow"):
        try:
            array = ARROW[name]() if name in ARROW else pa.array(JSON[name])
            table = pa.table(base | {column: pa.chunked_array([array] * (ROWS // 2)).combine_chunks()})
            if kind == "parquet":
                parquet.write_table(table, path)
            else:
                with pa.OSFile(str(path), "wb") as file, ipc.new_file(file, table.schema) as writer:
                    writer.write_table(table)
        except (pa.ArrowException, OverflowError):
            return None
        return path
    if name in ARROW:
        return None
    base[column] = JSON[name] * (ROWS // 2)
    rows = [dict(zip(base, values, strict=True)) for values in zip(*base.values(), strict=True)]
    if kind == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerows([list(base), *([*row.values()] for row in rows)])
    else:
        text = json.dumps(rows) if kind == "json" else "".join(json.dumps(row) + "\n" for row in rows)
        path.write_text(text, encoding="utf-8")
    return path


def prepare(path: Path, cleaners: list[str]) -> None:
    data = guess(str(path)).to_plain()
    executor, split = {"kind": "local", "processes": 1}, {"validation": 0.2, "test": 0.2}
    section = {"kind": "prepare", "data": data, "cleaners": cleaners, "executor": executor, "split": split}
    Stage.model_validate(section).run(Place(path.parent / "out", {}, "fingerprint", 0, "en", lambda line: None))


def learn(records: list[Record], kind: str, tokenizer: Tokenizer) -> None:
    """All that a training does with records but its steps: fit, encode, golden records."""
    task = Task.model_validate(kind).fitted(records)
    task.encode(records, tokenizer, 64, labelled=True)
    for number, record in enumerate(records):
        task.gold(record, number)
    json.dumps([task.kept(record) for record in records], allow_nan=False)


def attempted(what: Callable[[], object]) -> bool:
    """Whether it went well; a refusal is one sentence, and anything else is an error of ours."""
    said = ""
    try:
        what()
    except Refusal as refusal:
        said = str(refusal)
        assert_sentence(said)
    return not said


def assert_sentence(said: str) -> None:
    assert 10 < len(said) < 1000
    assert "Traceback" not in said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("column", COLUMNS)
def test_every_type_of_column_gives_a_result_or_a_sentence(
    kind: str, column: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    seen, shift = 0, COLUMNS.index(column) + KINDS.index(kind)
    names = ARROW if kind == "arrow" else [*JSON, *ARROW]
    for name in [*names][shift % 2 :: 2]:  # by turns: each in every column and in every format, not in every pair
        path = written(tmp_path, kind, column, name)
        if path is None:
            continue
        seen += 1
        commands = (  # one of them by turns as well, as all of all took minutes
            lambda path=path: profile(str(path)),
            lambda path=path, seen=seen: prepare(path, ["whitespace"] if seen % 2 else []),
            lambda path=path: labels_in(list(guess(str(path)).read())),
            lambda path=path: rewritten(list(guess(str(path)).read()), REWRITERS),
            lambda path=path: profile(str(path)),
        )
        attempted(commands[(seen + shift) % len(commands)])
        records: list[Record] = []
        if attempted(lambda path=path, records=records: records.extend(guess(str(path)).read())):
            json.dumps(records)  # plain values alone
            task = TASKS[(seen + shift) % len(TASKS)]
            attempted(lambda records=records, task=task: learn(records, task, tokenizer))
    assert seen >= 7


def test_types_of_arrow_become_plain_values_without_loss(tmp_path: Path) -> None:
    columns = {name: pa.chunked_array([array()]).combine_chunks() for name, array in ARROW.items()}
    parquet.write_table(
        pa.table({name: column for name, column in columns.items() if name != "interval"}), tmp_path / "a.parquet"
    )
    first, second = guess(str(tmp_path / "a.parquet")).read()
    assert first == {
        "date": "2024-05-31",
        "nanoseconds": "1970-01-01 00:00:00.000000001",
        "zoned": "1970-01-01 00:00:00.000001Z",
        "time": "00:00:00.000005",
        "duration": "PT0.000005S",
        "decimal": "1.50",
        "unsigned": "18446744073709551615",
        "bytes": "eA==",
        "map": [{"key": "a", "value": 1}],
        "dates in objects": {"x": "2024-01-01 00:00:00.000000"},
        "dates in lists": ["2024-01-01"],
        "dictionary": "a",
        "half": 1.0,
    }
    assert second.keys() == first.keys() - {"date"}


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_numbers_of_classes_become_the_names_in_the_metadata(kind: str, tmp_path: Path) -> None:
    names = {"names": ["O", "B-PER", "I-PER"], "_type": "ClassLabel"}
    features = {
        "label": {"names": ["neg", "pos"], "_type": "ClassLabel"},
        "ner_tags": {"feature": names, "_type": "Sequence"},
    }
    rows = {"tokens": [["李明", "在"], ["王", "五"]], "ner_tags": [[1, 0], [1, 2]], "label": [1, -1], "number": [0, 1]}
    for told, wanted in (({"info": {"features": features}}, True), (None, False), ({"info": 3}, False)):
        table = pa.table(rows)
        if told:
            table = table.replace_schema_metadata({"huggingface": json.dumps(told)})
        path = tmp_path / f"a.{kind}"
        if kind == "parquet":
            parquet.write_table(table, path)
        else:
            with pa.OSFile(str(path), "wb") as file, ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
        found = list(guess(str(path)).read())
        assert [record["number"] for record in found] == [0, 1]
        assert [record["ner_tags"] for record in found] == (
            [["B-PER", "O"], ["B-PER", "I-PER"]] if wanted else [[1, 0], [1, 2]]
        )
        assert [record.get("label") for record in found] == (["pos", None] if wanted else [1, -1])
        assert attempted(lambda path=path: profile(str(path)))


NUMBERS = ["9223372036854775807", "9223372036854775808", "18446744073709551616", "-9223372036854775809", "7" * 5000]


@pytest.mark.parametrize("kind", ["json", "jsonl"])
@pytest.mark.parametrize("number", NUMBERS, ids=len)
def test_numbers_keep_all_their_digits(number: str, kind: str, tmp_path: Path) -> None:
    row = f'{{"text": "好", "id": {number}, "in": [{{"x": {number}}}]}}'
    path = tmp_path / f"a.{kind}"
    path.write_text(f"[{row}]" if kind == "json" else f"{row}\n{row}\n", encoding="utf-8")
    for record in guess(str(path)).read():
        assert str(record["id"]) == number
        assert str(record["in"][0]["x"]) == number
        assert isinstance(record["id"], int) == (number == NUMBERS[0])
