import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.parquet import read_table

from danlu.data.corpus.prepared import Writers, load, load_survey, put_in_place, save_split, split_of
from danlu.data.corpus.stored import arrow_table
from danlu.data.record import Record
from danlu.refusal import Refusal

entity = st.fixed_dictionaries(
    {"start": st.integers(0, 9), "end": st.integers(0, 9), "label": st.sampled_from("ab")},
    optional={"score": st.floats(0, 1)},
)
record = st.fixed_dictionaries({"text": st.text(st.characters(codec="utf-8"))}, optional={"entities": st.lists(entity)})


def put(folder: Path, splits: dict[str, list[Record]], scratch: Path) -> None:
    tables = {split: arrow_table(records) for split, records in splits.items()}
    scratch.mkdir()
    writers = Writers(scratch, {split: table.schema for split, table in tables.items()})
    for split, table in tables.items():
        writers.add(split, table)
    put_in_place(scratch, folder, writers.close(), {"survey.json": {"labels": {"pos": 1}}})


@given(st.lists(record, min_size=1, max_size=8))
def test_records_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, records: list[Record]) -> None:
    folder = tmp_path_factory.getbasetemp() / "prepared"
    folder.mkdir(exist_ok=True)
    save_split(folder, "train", records)
    assert load(folder, "train") == records
    assert [path.name for path in folder.iterdir()] == ["train.parquet"]


def test_other_tools_read_the_splits_and_the_survey(tmp_path: Path) -> None:
    records = [{"text": "好", "label": "pos"}, {"text": "差"}]
    put(tmp_path, {"train": records}, tmp_path / "scratch")
    assert read_table(tmp_path / "train.parquet").column("label").to_pylist() == ["pos", None]
    assert json.loads((tmp_path / "survey.json").read_text(encoding="utf-8")) == load_survey(tmp_path)
    assert load_survey(tmp_path)["labels"] == {"pos": 1}


def test_a_split_that_shrank_to_nothing_leaves_no_old_file(tmp_path: Path) -> None:
    records = [{"text": "好"}]
    put(tmp_path, {"train": records, "test": records}, tmp_path / "first")
    put(tmp_path, {"train": records}, tmp_path / "second")
    with pytest.raises(Refusal, match="holds no split 'test'; use one of: train"):
        load(tmp_path, "test")


def test_what_is_missing_or_of_two_types_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="holds no split 'train'; run the stage that prepares the data first"):
        load(tmp_path, "train")
    with pytest.raises(Refusal, match=r"holds no survey\.json"):
        load_survey(tmp_path)
    records = [{"text": "好", "head": {"start": 1}}, {"text": "差", "head": {"start": "x"}}]
    with pytest.raises(Refusal, match="column 'head' cannot be stored"):
        save_split(tmp_path, "train", records)
    assert not list(tmp_path.iterdir())


def test_a_split_is_asked_for_of_prepared_data_alone() -> None:
    assert split_of("out", None, "test", prepared=True) == "test"
    assert split_of("out", "train", "test", prepared=True) == "train"
    assert split_of("a.csv", None, "test", prepared=False) is None
    with pytest.raises(Refusal, match=r"^--split: a.csv is no folder of 'prepare', so it has no splits; leave it out$"):
        split_of("a.csv", "train", "test", prepared=False)
