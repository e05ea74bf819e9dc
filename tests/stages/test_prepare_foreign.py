"""Records as other tools write them: what is compared, grouped and kept of them."""

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from danlu.data.corpus.prepared import SPLITS, load
from danlu.data.corpus.stored import KEYS, arrow_table, one_schema, stored_records
from danlu.data.record import Record, text_of, truth_of
from danlu.refusal import Refusal
from danlu.stages.stage import Place, Stage
from danlu.text.dialogue.messages import checked, tools_in

TRADITIONAL = "這個圖書館裡的書籍數量非常龐大，歡迎讀者隨時前來閱讀與學習。"


def words(seed: int, count: int = 20) -> str:
    rng = random.Random(seed)
    return " ".join("".join(rng.choices("abcdefgh", k=6)) for _ in range(count))


def file(folder: Path, name: str, records: list[Record], **more: Any) -> dict[str, Any]:
    (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return {"kind": "jsonl", "path": str(folder / name), **more}


def prepare(folder: Path, said: list[str] | None = None, **section: Any) -> dict[str, list[Record]]:
    stage = Stage.model_validate({"kind": "prepare", **section})
    stage.run(Place(folder / "out", {}, "fingerprint", 0, "en", (said if said is not None else []).append))
    return {name: load(folder / "out", name) for name in SPLITS if (folder / "out" / f"{name}.parquet").exists()}


@pytest.mark.parametrize(
    ("text", "benchmark", "cleaners"),
    [
        (words(1), {"text": words(1)}, []),
        (words(1), {"messages": [{"role": "user", "content": words(1)}]}, []),
        (words(1), {"tokens": words(1).split()}, []),
        (TRADITIONAL, {"text": TRADITIONAL}, ["chinese"]),
    ],
)
@pytest.mark.parametrize("dialogues", [False, True])
def test_a_benchmark_is_looked_for_in_whatever_form_it_comes(
    text: str, benchmark: Record, cleaners: list[str], dialogues: bool, tmp_path: Path
) -> None:
    texts = [text, *map(words, range(10, 30))]
    spoken = [
        {"messages": [{"role": "user", "content": each}, {"role": "assistant", "content": "ok"}]} for each in texts
    ]
    found = prepare(
        tmp_path,
        data=file(tmp_path, "train.jsonl", spoken if dialogues else [{"text": each} for each in texts]),
        **({"text": "messages"} if dialogues else {}),
        cleaners=cleaners,
        split={"validation": 0, "test": 0},
        decontaminate={"against": file(tmp_path, "benchmark.jsonl", [benchmark])},
    )
    assert len(found["train"]) == 20


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"question": words(1)}, r"has no column 'text'.*the columns are: question; write 'columns: \{text: NAME\}'"),
        ({"text": "too short"}, r"no text of .*benchmark.jsonl has 13 words or 20 characters"),
    ],
)
def test_a_benchmark_of_which_nothing_can_be_looked_for_is_refused(
    record: Record, message: str, tmp_path: Path
) -> None:
    data = file(tmp_path, "train.jsonl", [{"text": words(seed)} for seed in range(20)])
    test = file(tmp_path, "test.jsonl", [{"text": words(99)}])
    against = file(tmp_path, "benchmark.jsonl", [record])
    with pytest.raises(Refusal, match=message):
        prepare(tmp_path, data=data, test=test, decontaminate={"against": against})


def test_a_group_stays_together_where_one_table_has_fractions_for_it(tmp_path: Path) -> None:
    for name, kind, first in (("whole", pa.int64(), 0), ("with_gaps", pa.float64(), 40)):
        texts = [words(first + user) for user in range(40)]
        pq.write_table(pa.table({"text": texts, "user": pa.array(range(40), kind)}), tmp_path / f"{name}.parquet")
    found = prepare(
        tmp_path,
        data=[{"kind": "parquet", "path": str(tmp_path / f"{name}.parquet")} for name in ("whole", "with_gaps")],
        split={"group": "user", "validation": 0.2, "test": 0.2},
    )
    users = [{int(record["user"]) for record in found[name]} for name in ("train", "validation", "test")]
    assert sum(map(len, users)) == len(set.union(*users)) == 40


def test_the_newest_stay_for_the_test_where_one_set_counts_milliseconds(tmp_path: Path) -> None:
    old = [{"text": words(day), "when": 1_262_304_000_000 + day * 86_400_000} for day in range(20)]
    new = [{"text": words(100 + day), "when": f"2024-05-{day:02d}"} for day in range(1, 21)]
    data = [file(tmp_path, "old.jsonl", old), file(tmp_path, "new.jsonl", new)]
    found = prepare(tmp_path, data=data, split={"time": "when", "validation": 0, "test": 0.2})
    assert all(record["when"].startswith("2024") for record in found["test"])


def test_dialogues_of_one_system_prompt_are_no_repetitions(tmp_path: Path) -> None:
    def dialogue(seed: int) -> Record:
        turns = [("system", words(0, 250)), ("user", words(2 * seed)), ("assistant", words(2 * seed + 1))]
        return {"messages": [{"role": role, "content": text} for role, text in turns]}

    data = file(tmp_path, "chat.jsonl", [dialogue(seed) for seed in range(1, 31)])
    found = prepare(tmp_path, data=data, text="messages", split={"validation": 0.2, "test": 0})
    assert (len(found["train"]), len(found["validation"])) == (24, 6)
    assert text_of({"messages": [{"role": "system", "content": "alone"}]}, "messages") == "alone"


def test_entities_are_the_same_whatever_their_numbers_and_order() -> None:
    marks = [{"id": 7, "start": 0, "end": 5, "label": "X"}, {"id": 8, "start": 6, "end": 9, "label": "Y"}]
    others = [{"start": 6, "end": 9, "label": "Y", "id": 1}, {"start": 0, "end": 5, "label": "X", "id": 2}]
    assert truth_of({"entities": marks}) == truth_of({"entities": others})
    assert truth_of({"entities": marks}) != truth_of({"entities": marks[:1]})
    assert truth_of({"entities": marks}) != truth_of({"entities": [marks[0], {**marks[1], "label": "Z"}]})


SCHEMAS = [
    [{"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}],
    [{"type": "function", "function": {"name": "hot", "parameters": {"properties": {"z": {"default": 3}, "a": {}}}}}],
    [{"type": "function", "function": {"name": "hot", "parameters": {"properties": {"z": {"default": "Paris"}}}}}],
]


def test_tools_and_what_they_are_called_with_are_kept_as_they_were(tmp_path: Path) -> None:
    arguments: list[Any] = [{"days": 3}, {"days": "three", "at": {"x": 1}}, {}]
    records = []
    for seed, (tools, given) in enumerate(zip(SCHEMAS, arguments, strict=True)):
        call = {"id": "1", "type": "function", "function": {"name": "hot", "arguments": given}}
        asks = {"role": "assistant", "content": "", "tool_calls": [call]}
        messages = [{"role": "user", "content": words(seed)}, asks, {"role": "tool", "content": "hot"}]
        records.append({"messages": [*messages, {"role": "assistant", "content": words(50 + seed)}], "tools": tools})
    said: list[str] = []
    data = file(tmp_path, "calls.jsonl", records)
    found = prepare(tmp_path, said, data=data, text="messages", split={"validation": 0, "test": 0})["train"]
    for record in found:
        place = next(place for place, each in enumerate(records) if each["messages"][0] == record["messages"][0])
        assert json.dumps(tools_in(record, 0)) == json.dumps(SCHEMAS[place]), "in the order of their keys"
        assert checked(record["messages"], 0) == checked(records[place]["messages"], 0)
    assert not [line for line in said if "kept as text" in line]


def test_objects_with_a_key_for_each_record_become_text() -> None:
    records = [{"text": "t", "votes": {f"user {row} {each}": each for each in range(5)}} for row in range(100)]
    assert pa.types.is_string(arrow_table(records).schema.field("votes").type)
    assert json.loads(stored_records(arrow_table(records))[3]["votes"]) == records[3]["votes"]
    few = [arrow_table(records[start : start + 40]) for start in (0, 40)]
    assert all(pa.types.is_struct(table.schema.field("votes").type) for table in few)
    assert KEYS < 400
    assert pa.types.is_string(one_schema([table.schema for table in few]).field("votes").type)


def test_words_beside_a_text_are_not_augmented_apart(tmp_path: Path) -> None:
    records = [{"text": words(seed), "words": [words(seed)]} for seed in range(20)]
    with pytest.raises(Refusal, match="record 1: its 'words' stand beside the text"):
        prepare(tmp_path, data=file(tmp_path, "a.jsonl", records), augment=["swap"])


def test_counts_called_words_are_no_words(tmp_path: Path) -> None:
    data = file(tmp_path, "a.jsonl", [{"review": words(seed), "words": 3} for seed in range(20)])
    with pytest.raises(Refusal, match="there is no column 'text'"):
        prepare(tmp_path, data=data)


def test_conversations_are_compared_by_their_messages(tmp_path: Path) -> None:
    talk = {"messages": [{"role": "user", "content": "几点开门？"}, {"role": "assistant", "content": "九点。"}]}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(talk) + "\n", encoding="utf-8")
    with pytest.raises(Refusal, match="of conversations write 'text: messages' in the stage"):
        prepare(tmp_path, data={"kind": "chat", "path": str(path)})


def test_a_group_is_one_however_a_table_writes_its_number(tmp_path: Path) -> None:
    rows = [f"{words(n)},{n % 10}{('', '.0')[n // 10 % 2]}" for n in range(100)]
    rows += [f"{words(100 + n)},{'０１２３４５６７８９'[n]}" for n in range(10)]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["text,patient", *rows]) + "\n", encoding="utf-8")
    splits = prepare(tmp_path, data={"kind": "csv", "path": str(path)}, split={"group": "patient"})
    patients = [{float(record["patient"]) for record in records} for records in splits.values()]
    assert sum(map(len, patients)) == 10


def test_numbers_that_are_in_part_as_long_as_a_date_are_in_order_of_their_size(tmp_path: Path) -> None:
    rows: list[Record] = [{"text": words(n), "number": 20240120 + n} for n in range(40)]
    data = file(tmp_path, "rows.jsonl", rows)
    splits = prepare(tmp_path, data=data, split={"time": "number"})
    assert [row["number"] for name in SPLITS for row in splits[name]] == [*range(20240120, 20240160)]
    file(tmp_path, "rows.jsonl", [*rows, {"text": words(99), "number": "2024-01-05"}])
    with pytest.raises(
        Refusal, match=r"record 13: the number in 'number' is as long as a date .* record 41 has a date"
    ):
        prepare(tmp_path, data=data, split={"time": "number"})
    minutes = [{"text": words(100 + n), "number": 202401150800 + n} for n in range(20)]
    file(tmp_path, "rows.jsonl", [*rows[:8], rows[12], *minutes])
    with pytest.raises(Refusal, match=r"record 9: the number in 'number' is as long .* record 10 has a date"):
        prepare(tmp_path, data=data, split={"time": "number"})
