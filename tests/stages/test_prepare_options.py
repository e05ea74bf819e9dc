"""What a recipe may ask of the stage prepare beside reading, repeats and shares."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from danlu.data.corpus.prepared import SPLITS, load, stream
from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.stages.stage import Place, Stage


def prepare(folder: Path, said: list[str] | None = None, seed: int = 0, **section: object) -> dict[str, list[Record]]:
    stage = Stage.model_validate({"kind": "prepare", **section})
    stage.run(Place(folder / "out", {}, "fingerprint", seed, "en", (said if said is not None else []).append))
    return {name: load(folder / "out", name) for name in SPLITS if (folder / "out" / f"{name}.parquet").exists()}


def lines(folder: Path, records: list[Record], name: str = "data.jsonl") -> dict[str, str]:
    path = folder / name
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return {"kind": "jsonl", "path": str(path)}


def different(count: int, salt: int = 0, length: int = 30) -> list[str]:
    """Texts of which no two are alike."""
    rng = np.random.default_rng(salt)
    return ["".join(map(chr, rng.integers(0x4E00, 0x9FA5, length))) for _ in range(count)]


def note(folder: Path, name: str) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads((folder / "out" / name).read_text(encoding="utf-8"))
    return found


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.data.corpus.ingest.CHUNK", 2000)


@pytest.mark.usefixtures("small_chunks")
def test_the_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    texts = different(120)
    records = [{"text": text + end, "label": "ab"[n % 2]} for n, text in enumerate(texts) for end in ("", "！")]
    records[7]["score"] = 1
    records[200]["score"] = 0.5
    for number, record in enumerate(records):
        record["text"] += f"\n{texts[number // 2 - number % 20]}" * (number % 3)
    data, files = lines(tmp_path, records), []
    for processes in (1, 2):
        executor = {"kind": "local", "processes": processes}
        prepare(tmp_path, data=data, repeated_paragraphs={}, executor=executor)
        files.append({path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()})
    assert files[0] == files[1]
    assert len(files[0]) == 6
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.usefixtures("small_chunks")
def test_chunks_change_nothing_but_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = lines(tmp_path, [{"text": text + end} for text in different(200) for end in ("", "！")])
    many = prepare(tmp_path, data=data, executor={"kind": "local", "processes": 1})
    monkeypatch.setattr("danlu.data.corpus.ingest.CHUNK", 2**22)
    assert prepare(tmp_path, data=data) == many
    assert [record for part in stream(tmp_path / "out", "train") for record in part] == many["train"]


def test_rows_of_one_group_stay_in_one_split(tmp_path: Path) -> None:
    records = [{"text": text, "label": "ab"[n % 2], "user": f"u{n % 37}"} for n, text in enumerate(different(400))]
    splits = prepare(tmp_path, data=lines(tmp_path, records), split={"group": "user"})
    users = [{record["user"] for record in rows} for rows in splits.values()]
    assert sum(map(len, users)) == 37
    with pytest.raises(Refusal, match=r"data\.jsonl: record 1 has no column 'writer'"):
        prepare(tmp_path, data=lines(tmp_path, records), split={"group": "writer"})


def test_no_group_of_a_given_set_is_trained_on(tmp_path: Path) -> None:
    texts = different(220)
    records = [{"text": text, "label": "ab"[n % 2], "user": f"u{n % 20}"} for n, text in enumerate(texts[:200])]
    given = [{"text": text, "label": "a", "user": f"u{n % 4}"} for n, text in enumerate(texts[200:])]
    (tmp_path / "given").mkdir()
    for split in ({"group": "user"}, {"group": "user", "validation": 0}):
        test = lines(tmp_path / "given", given)
        splits = prepare(tmp_path, data=lines(tmp_path, records), test=test, split=split)
        users = {name: {record["user"] for record in rows} for name, rows in splits.items()}
        assert users["test"] == {"u0", "u1", "u2", "u3"}
        users.setdefault("validation", set())
        assert users["train"] | users["validation"] == {f"u{number}" for number in range(4, 20)}
        assert not users["train"] & users["validation"]


def test_what_marks_a_text_moves_with_it_also_where_it_is_one_of_several(tmp_path: Path) -> None:
    marked = [{"label": "X", "start": 8, "end": 10}]
    records = [
        {"title": f"题{text}", "text": f"<b>{text[:5]}云月{text[5:]}</b>", "entities": marked} for text in different(40)
    ]
    splits = prepare(tmp_path, data=lines(tmp_path, records), text=["title", "text"], cleaners=["html"])
    found = [(record["text"], span) for rows in splits.values() for record in rows for span in record["entities"]]
    assert len(found) == 40
    assert {text[span["start"] : span["end"]] for text, span in found} == {"云月"}


def test_the_latest_rows_are_for_testing(tmp_path: Path) -> None:
    days = np.random.default_rng(0).permutation(100).tolist()
    records = [
        {"text": text, "day": f"2024-0{1 + day // 28}-{1 + day % 28:02}"}
        for text, day in zip(different(100), days, strict=True)
    ]
    splits = prepare(tmp_path, data=lines(tmp_path, records), split={"time": "day"})
    bounds = [(min(row["day"] for row in rows), max(row["day"] for row in rows)) for rows in splits.values()]
    assert bounds == sorted(bounds)
    assert [len(rows) for rows in splits.values()] == [80, 10, 10]


def test_training_rows_that_hold_a_piece_of_a_test_text_are_dropped_and_shown(tmp_path: Path) -> None:
    tests = different(5, 1, 60)
    texts = [*different(60), *(f"{extra}{text[20:45]}" for extra, text in zip(different(5, 2), tests, strict=True))]
    data = lines(tmp_path, [{"text": text} for text in texts])
    test = lines(tmp_path, [{"text": text} for text in tests], "test.jsonl")
    said: list[str] = []
    splits = prepare(tmp_path, said, data=data, test=test, decontaminate={})
    assert sum(len(splits[name]) for name in ("train", "validation")) == 60
    assert "dropped rows: hold a piece of a test text 5" in said
    found = note(tmp_path, "dropped.json")["hold a piece of a test text"]
    assert found["count"] == 5
    assert found["samples"][0] == f"{data['path']}: record 61: {texts[60]}"  # type: ignore[index]
    assert len(prepare(tmp_path, data=data, test=test)["train"]) > len(splits["train"])


@pytest.mark.usefixtures("small_chunks")
def test_paragraphs_that_stand_in_many_texts_stay_in_the_first_alone(tmp_path: Path) -> None:
    notice = "本站使用缓存文件，继续浏览即表示您同意我们的隐私政策。"
    records: list[Record] = [{"text": f"{notice}\n{text}\n短句"} for text in different(50)]
    records.append({"text": f"{notice}\n{notice}", "entities": [{"start": 0, "end": 2, "label": "X"}]})
    said: list[str] = []
    alone = {"kind": "local", "processes": 1}
    given = {"data": lines(tmp_path, records), "executor": alone}
    splits = prepare(tmp_path, said, **given, repeated_paragraphs={}, split={"validation": 0, "test": 0.1})
    texts = [record["text"] for rows in splits.values() for record in rows if "entities" not in record]
    assert sum(notice in text for text in texts) == 1
    assert all(text.endswith("\n短句") for text in texts)
    assert len(texts) == 50
    assert "dropped paragraphs that stand in many texts: 49" in said
    kept = prepare(tmp_path, **given, repeated_paragraphs={"rows": 100})
    assert sum(notice in record["text"] for rows in kept.values() for record in rows) == 51


def test_sources_are_mixed_by_weight_in_training_alone(tmp_path: Path) -> None:
    sources = [
        lines(tmp_path, [{"text": text, "from": name} for text in different(count, salt)], f"{name}.jsonl")
        for salt, (name, count) in enumerate((("big", 300), ("small", 30)))
    ]
    test = lines(tmp_path, [{"text": text, "from": "test"} for text in different(9, 9)], "test.jsonl")
    splits = prepare(tmp_path, data=sources, test=test, mix={"weights": [1, 1], "rows": 200})
    assert Counter(record["from"] for record in splits["train"]) == {"big": 100, "small": 100}
    copies = Counter(record["text"] for record in splits["train"] if record["from"] == "small")
    assert max(copies.values()) - min(copies.values()) <= 1
    assert max(Counter(record["text"] for record in splits["validation"]).values()) == 1
    assert not copies.keys() & {record["text"] for record in splits["validation"]}


def test_splits_are_compared(tmp_path: Path) -> None:
    records = [{"text": text, "label": "ab"[n % 2]} for n, text in enumerate(different(200))]
    said: list[str] = []
    prepare(tmp_path, said, data=lines(tmp_path, records))
    assert said[-1].startswith("records: train 160, validation 20, test 20; labels differ by up to 0.0% from training")
    assert note(tmp_path, "splits.json")["test"]["labels"] == {"a": 10, "b": 10}


def test_structured_columns_of_two_types_in_two_files_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    data = [
        lines(tmp_path, [{"text": text, "head": year} for text in different(30, salt)], f"{salt}.jsonl")
        for salt, year in enumerate(({"start": 0}, {"start": "x"}))
    ]
    with pytest.raises(Refusal, match=r"1\.jsonl: column 'head' cannot be stored"):
        prepare(tmp_path, data=data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.jsonl", "1.jsonl"]


def test_a_structured_value_of_another_type_is_refused_by_its_record(tmp_path: Path) -> None:
    records = [{"text": text, "head": {"start": 0 if n != 17 else "x"}} for n, text in enumerate(different(30))]
    with pytest.raises(Refusal, match=r"data\.jsonl: record 18: column 'head' cannot be stored"):
        prepare(tmp_path, data=lines(tmp_path, records))


MIXED: dict[str, list[Any]] = {
    "numbers_and_texts": [1, "x2", 2.5, None, True],
    "objects_of_other_keys": [{"a": 1}, {"a": "x"}, {"b": [1]}, "none"],
    "lists": [[1], ["x"], "x", 3],
    "objects_without_keys": [{}, {}],
    "lists_of_objects_without_keys": [[{}], []],
    "texts_and_null": ["a", None],
    "whole_and_not": [1, 2.5],
}


@pytest.mark.parametrize("values", MIXED.values(), ids=MIXED.keys())
@pytest.mark.parametrize("files", [1, 2])
def test_a_column_that_nobody_asked_for_may_hold_anything(values: list[Any], files: int, tmp_path: Path) -> None:
    given = [[{"text": text, "meta": values[(n + salt) % len(values) if files == 1 else min(salt, len(values) - 1)]}
              for n, text in enumerate(different(30, salt))] for salt in range(files)]  # fmt: skip
    said: list[str] = []
    splits = prepare(tmp_path, said, data=[lines(tmp_path, rows, f"{n}.jsonl") for n, rows in enumerate(given)])
    found = {record["text"]: record.get("meta") for records in splits.values() for record in records}
    assert len(found) == 30 * files
    for record in (row for rows in given for row in rows):
        value, expected = found[record["text"]], record["meta"]
        as_text = isinstance(value, str) and not isinstance(expected, str)
        assert (json.loads(value) if as_text else value) == expected
        assert not as_text or any("kept as text: meta" in line for line in said)


def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("danlu.data.corpus.ingest.write_arrow", full)
    with pytest.raises(Refusal, match="the disk is full"):
        prepare(tmp_path, data=lines(tmp_path, [{"text": text} for text in different(30)]))
    assert [path.name for path in tmp_path.iterdir()] == ["data.jsonl"]


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".out.1234abcd.scratch"
    left.mkdir()
    (left / "0.arrow").write_bytes(b"x")
    prepare(tmp_path, data=lines(tmp_path, [{"text": text} for text in different(30)]))
    assert not left.exists()


def test_of_pairs_both_texts_are_compared(tmp_path: Path) -> None:
    first, second = different(40), different(40, salt=1)
    pairs = [{"text": text, "text_pair": pair, "label": "a"} for text, pair in zip(first, second, strict=True)]
    crossed = [pairs[n] | {"text_pair": pairs[n - 1]["text_pair"], "label": "b"} for n in range(len(pairs))]
    found = prepare(tmp_path, data=lines(tmp_path, [*pairs, *crossed, *pairs[:7]]), split={"validation": 0, "test": 0})
    assert len(found["train"]) == 80


def test_of_several_columns_all_are_compared(tmp_path: Path) -> None:
    contexts, questions = different(20, length=60), different(3, salt=1)
    records = [{"context": context, "question": question} for context in contexts for question in questions]
    data = lines(tmp_path, [*records, *records[:5], {"context": contexts[0], "question": ""}])
    found = prepare(tmp_path, data=data, text=["question", "context"], split={"validation": 0, "test": 0})
    assert [record for record in found["train"] if record["question"]] == records
    with pytest.raises(Refusal, match="'question'"):
        prepare(tmp_path, data=lines(tmp_path, [{"context": "a"}], "other.jsonl"), text=["question", "context"])


def test_given_sets_that_share_records_are_told_and_kept(tmp_path: Path) -> None:
    texts, said = different(24), list[str]()
    given = {
        name: lines(tmp_path, [{"text": text} for text in texts[start:]], f"{name}.jsonl")
        for name, start in (("validation", 20), ("test", 21))
    }
    data = lines(tmp_path, [{"text": text} for text in texts[:20]])
    splits = prepare(tmp_path, said, data=data, **given)
    assert (len(splits["validation"]), len(splits["test"])) == (4, 3)
    assert [line[:48] for line in said if "flatters" in line] == ["3 of 3 test records are like validation records,"]


def test_no_augmented_row_stands_in_validation_or_test(tmp_path: Path) -> None:
    texts = [
        f"{a} {b} {c}" for a in ("please open", "open", "close") for b in ("the", "our") for c in ("window", "door")
    ]
    records = [{"text": text, "label": text.split()[-1]} for text in texts * 2]
    said: list[str] = []
    shares = {"validation": 0.3, "test": 0.3}
    augment = [{"kind": "delete", "copies": 9}]
    splits = prepare(tmp_path, said, data=lines(tmp_path, records), dedup="exact", split=shares, augment=augment)
    held = {record["text"] for name in ("validation", "test") for record in splits[name]}
    assert not held & {record["text"] for record in splits["train"]}
    assert any(line.startswith("new rows for training: delete ") for line in said)
    assert any(line.endswith("more are left out, for validation or test has their text") for line in said)


ASKED: dict[str, list[Record]] = {
    "relations": [{"head": {"start": 0, "end": 2}, "tail": {"start": n, "end": n + 2}, "label": "ab"[n % 2]}
                  for n in range(4, 7)],
    "choices": [{"choices": different(4, salt), "answer": "A"} for salt in range(5, 8)],
    "questions": [{"question": text} for text in different(3, 8)],
    "ranking": [{"positives": different(1, salt), "negatives": different(2, 9)} for salt in range(5, 8)],
}  # fmt: skip


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED.keys())
@pytest.mark.parametrize("dedup", ["exact", "near"])
def test_records_of_one_text_that_are_asked_something_else_are_no_repeats(
    asked: list[Record], dedup: str, tmp_path: Path
) -> None:
    records = [{"text": text} | each for text in different(30) for each in asked]
    said: list[str] = []
    splits = prepare(tmp_path, said, data=lines(tmp_path, [*records, *records[:5]]), dedup=dedup, stratify="none")
    assert sum(map(len, splits.values())) == len(records)
    assert "dropped rows: repeat another 5" in said
    assert any(line.startswith("60 records have the text of another and stay, for their pair, ") for line in said)
    texts = [{record["text"] for record in rows} for rows in splits.values()]
    assert sum(map(len, texts)) == 30


def test_records_of_one_pair_with_different_labels_contradict_each_other(tmp_path: Path) -> None:
    records = [{"text": text} | each for text in different(30) for each in ASKED["relations"]]
    said: list[str] = []
    prepare(tmp_path, said, data=lines(tmp_path, [*records, records[0] | {"label": "b"}]), stratify="none")
    assert "dropped rows: same text with different labels 2" in said
