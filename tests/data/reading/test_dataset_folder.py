"""Folders of the datasets library: neither the network nor anything outside of the folder is read."""

import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from danlu.data.reading.format import Format
from danlu.refusal import Refusal

datasets = pytest.importorskip("datasets", reason="the extra hub is not installed")

ROWS = [{"text": "a"}, {"text": "b"}]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    asked: list[Any] = []

    def refused(*given: Any, **_: Any) -> Any:
        asked.append(given)
        raise OSError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    yield
    assert not asked


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two splits, and beside it what is nobody's business."""
    (tmp_path / "secret.csv").write_text("text\nsecret\n")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.csv").write_text("text\na\nb\n")
    (tmp_path / "set" / "test.csv").write_text("text\nc\n")
    return tmp_path / "set"


def read(path: Path, **fields: Any) -> list[dict[str, Any]]:
    return list(Format.model_validate({"kind": "hub", "path": str(path), **fields}).read())


def card(folder: Path, files: str) -> None:
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: x\n  data_files: {files}\n---\n# A set\n")


def test_the_readme_says_which_file_is_which_split(folder: Path) -> None:
    assert read(folder) == ROWS
    card(folder, "[{split: late, path: 'te*.csv'}]")
    assert read(folder, split="late") == [{"text": "c"}]
    with pytest.raises(Refusal, match="there is no split 'train'; there are: late"):
        read(folder)


OUTSIDE = [
    "https://example.org/x.csv", "hf://datasets/a/b/x.csv", "zip://x.csv::https://example.org/x.zip", "../secret.csv",
    "sub/../../secret.csv", "/etc/hostname", "{parent}/secret.csv", "~/secret.csv", "file:///etc/hostname",
    "..\\secret.csv",
]  # fmt: skip


@pytest.mark.parametrize("named", OUTSIDE)
@pytest.mark.parametrize("form", ["{}", "[{{split: train, path: {}}}]", "[{{split: train, path: [train.csv, {}]}}]"])
def test_a_readme_that_names_files_elsewhere_is_refused(folder: Path, named: str, form: str) -> None:
    card(folder, form.format(json.dumps(named.format(parent=folder.parent))))
    with pytest.raises(Refusal, match=r"README\.md: names '.*', and a local folder is read without anything outside"):
        read(folder)


@pytest.mark.parametrize("key", ["data_dir: ../", "data_dir: https://example.org"])
def test_other_keys_of_the_readme_lead_nowhere_either(folder: Path, key: str) -> None:
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: x\n  {key}\n---\n")
    with pytest.raises(Refusal, match="outside of it"):
        read(folder)


@pytest.mark.parametrize(
    "head", ["a: [", "configs: &a [*a]", "- " * 3000, "configs: 5", "configs: [5]", "!!python/name:os.x"]
)
def test_a_readme_that_is_no_yaml_is_one_sentence_or_ignored(folder: Path, head: str) -> None:
    (folder / "README.md").write_text(f"---\n{head}\n---\n")
    try:
        assert read(folder) == ROWS
    except Refusal as refusal:
        assert "\n" not in str(refusal)  # noqa: PT017


def test_other_settings_and_links_lead_nowhere(folder: Path) -> None:
    (folder / ".huggingface.yaml").write_text("configs: [{config_name: x, data_files: ../secret.csv}]")
    (folder / "dataset_infos.json").write_text("{}")
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    assert read(folder) == ROWS
    (folder / "train.csv").unlink()
    (folder / "train.csv").symlink_to(folder.parent / "secret.csv")
    with pytest.raises(Refusal, match=r"is a link to .*, outside of the folder"):
        read(folder)


def test_a_folder_without_tables_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"x")
    with pytest.raises(Refusal, match="holds no files that are read as a data set"):
        read(tmp_path)


def test_a_snapshot_of_the_hubs_cache_is_links_to_blobs(folder: Path) -> None:
    snapshot, blobs = folder / "datasets--a--b" / "snapshots" / "1", folder / "datasets--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (folder / "train.csv").rename(blobs / "f00d")
    (snapshot / "train.csv").symlink_to(Path("../../blobs/f00d"))
    assert read(snapshot) == ROWS


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    datasets.disable_progress_bars()
    datasets.DatasetDict({"train": datasets.Dataset.from_list(ROWS)}).save_to_disk(str(tmp_path / "saved"))
    datasets.Dataset.from_list([{"text": "secret"}]).save_to_disk(str(tmp_path / "other"))
    return tmp_path / "saved"


@pytest.mark.parametrize("file", ["../../other/data-00000-of-00001.arrow", "{parent}/other/data-00000-of-00001.arrow",
                                  "https://example.org/x.arrow", "", ".", "missing.arrow"])  # fmt: skip
def test_what_was_saved_names_its_own_files_alone(saved: Path, file: str) -> None:
    assert read(saved) == ROWS
    state = json.loads((saved / "train" / "state.json").read_text())
    state["_data_files"] = [{"filename": file.format(parent=saved.parent)}]
    (saved / "train" / "state.json").write_text(json.dumps(state))
    with pytest.raises(Refusal):
        read(saved)


@pytest.mark.parametrize("split", ["../other", "..", "/etc"])
def test_a_split_lies_in_the_folder(saved: Path, split: str) -> None:
    (saved / "dataset_dict.json").write_text(json.dumps({"splits": [split]}))
    with pytest.raises(Refusal, match=f"the split '{split}' lies outside of the folder"):
        read(saved, split=split)


STATES = [
    "",
    "[]",
    "{}",
    '{"_data_files": 5}',
    '{"_data_files": [5]}',
    '{"_data_files": [{}]}',
    '{"_data_files": null}',
]


@pytest.mark.parametrize("text", STATES)
def test_a_damaged_description_is_one_sentence(saved: Path, text: str) -> None:
    (saved / "train" / "state.json").write_text(text)
    with pytest.raises(Refusal) as told:
        read(saved)
    assert "\n" not in str(told.value)


def test_offsets_that_point_elsewhere_are_a_sentence_and_not_the_end_of_the_process(saved: Path) -> None:
    file = saved / "train" / "data-00000-of-00001.arrow"
    data = file.read_bytes()
    ascending, wild = (b"".join(number.to_bytes(4, "little") for number in row) for row in ([0, 1, 2], [0, 2**30, 2]))
    place = data.rindex(ascending)
    file.write_bytes(data[:place] + wild + data[place + 12 :])
    with pytest.raises(Refusal, match="cannot be read as Arrow"):
        read(saved)


@pytest.mark.parametrize("name", ["train.json", "train.jsonl", "train.json.gz"])
def test_json_that_is_nested_to_no_end_is_refused_before_a_library_reads_it(tmp_path: Path, name: str) -> None:
    deep = b'{"a":' * 60_000 + b"1" + b"}" * 60_000 + b"\n"
    (tmp_path / name).write_bytes(gzip.compress(deep) if name.endswith("gz") else deep)
    with pytest.raises(Refusal, match="nested more than 64 levels deep"):
        read(tmp_path)
