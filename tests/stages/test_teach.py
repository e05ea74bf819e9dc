"""Prepared data in which a teacher's own texts stand for the truth: what is written, counted, gone on from, refused."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import danlu
from danlu.data.augmenting.augment import given
from danlu.data.corpus.prepared import load, save_split
from danlu.engine.predict import Predictor
from danlu.refusal import Refusal
from danlu.stages.kinds import teach
from danlu.stages.stage import Place, Stage

TEXTS = ["这本书写得很好", "物流太慢", "很好", "值得读一遍", "太慢"]
CUT = {"kind": "greedy", "max_new_tokens": 4}


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[[str], Path]:
    """Prepared data of a task, with a validation split."""

    def make(kind: str) -> Path:
        records: list[dict[str, Any]] = [{"text": text, "target": "真", "more": text[:1]} for text in TEXTS]
        if kind == "chat":
            said = [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "真"}]
            records = [{"messages": [{"role": "user", "content": text}, said[1], *said]} for text in TEXTS]
        folder = tmp_path / f"{kind}-data"
        folder.mkdir(exist_ok=True)
        save_split(folder, "train", records)
        save_split(folder, "validation", records[:2])
        (folder / "survey.json").write_text("{}")
        return folder

    return make


def taught(folder: Path, data: Path, bundle: Path, said: list[str] | None = None, /, **fields: Any) -> Path:
    stage = Stage.model_validate({"kind": "teach", "data": "@data", "bundle": str(bundle)} | fields)
    say = (lambda _line: None) if said is None else said.append
    stage.run(Place(folder, {"data": data}, "one", 0, "en", say))
    return folder


@pytest.mark.parametrize("kind", ["rewrite", "chat"])
def test_what_the_teacher_writes_stands_for_the_truth_and_the_rest_stays(
    kind: str, tmp_path: Path, prepared: Callable[[str], Path], tiny_bundle: Callable[[str], Path]
) -> None:
    data, bundle, said = prepared(kind), tiny_bundle(kind), list[str]()
    found = taught(tmp_path / "found", data, bundle, said, policy=CUT, cut="kept")
    records, truths = load(found, "train"), load(data, "train")
    with danlu.load(bundle) as opened:
        if kind == "rewrite":
            asked = [{"text": record["text"]} for record in truths]
        else:
            asked = [{"messages": record["messages"][:-1]} for record in truths]
        written = [texts[0].text.strip() for texts in opened.generate(asked, CUT)]
    kept = [number for number, text in enumerate(written) if text]
    assert kept
    for number, record in zip(kept, records, strict=True):
        if kind == "rewrite":
            assert record == truths[number] | {"target": written[number]}
        else:
            assert record["messages"][:-1] == truths[number]["messages"][:-1]
            assert record["messages"][-1] == {"role": "assistant", "content": written[number]}
    assert load(found, "validation") == load(data, "validation")
    counts = json.loads((found / "taught.json").read_text())
    assert counts["records"] == counts["texts"] == len(TEXTS)
    assert counts["kept"] == len(kept) == len(TEXTS) - counts["empty"]
    assert any(f"{len(kept)} of {len(TEXTS)} texts are learnt from" in line for line in said)
    beside = taught(tmp_path / "beside", data, bundle, policy=CUT, cut="kept", truth="beside")
    assert load(beside, "train") == [*truths, *records]


def test_what_goes_on_after_a_stop_is_what_was_never_stopped(
    tmp_path: Path,
    prepared: Callable[[str], Path],
    tiny_bundle: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    how = {"policy": {"kind": "sample", "samples": 2, "max_new_tokens": 4, "temperature": 2.0}, "cut": "kept"}
    data, bundle = prepared("rewrite"), tiny_bundle("rewrite")
    whole = taught(tmp_path / "whole", data, bundle, **how)
    monkeypatch.setattr(teach, "BLOCK", 2)
    write, calls = Predictor.write, list[int]()

    def stopped(self: Predictor, *given: Any, **named: Any) -> Any:
        calls.append(named["first"])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return write(self, *given, **named)

    monkeypatch.setattr(Predictor, "write", stopped)
    with pytest.raises(KeyboardInterrupt):
        taught(tmp_path / "broken", data, bundle, **how)
    stage = Stage.model_validate({"kind": "teach", "data": "@data", "bundle": str(bundle), **how})
    assert stage.standing(tmp_path / "broken") == "record 2"
    assert not (tmp_path / "broken" / "train.parquet").exists()
    with (tmp_path / "broken" / "written.jsonl").open("a") as file:
        file.write('[[{"text": "ha')  # as a kill leaves it
    broken = taught(tmp_path / "broken", data, bundle, **how)
    assert calls == [0, 2, 2, 4]
    assert load(broken, "train") == load(whole, "train")
    assert json.loads((broken / "taught.json").read_text())["texts"] == 2 * len(TEXTS)


def test_a_split_that_is_taught_is_not_held_out(
    tmp_path: Path, prepared: Callable[[str], Path], tiny_bundle: Callable[[str], Path]
) -> None:
    data = prepared("rewrite")
    save_split(data, "test", load(data, "train")[2:])
    found = taught(tmp_path / "found", data, tiny_bundle("rewrite"), data="@data:validation", policy=CUT, cut="kept")
    assert {path.name for path in found.glob("*.parquet")} == {"train.parquet", "test.parquet"}
    assert load(found, "test") == load(data, "test")


@pytest.mark.parametrize("truth", ["replaced", "beside"])
def test_what_was_made_of_a_record_names_its_place_among_those_that_are_taught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Callable[[str], Path], truth: str
) -> None:
    rows = [{"text": text, "target": "真"} for text in "甲乙丙"]
    rows += [{"text": text.lower(), "target": "真", "source_row": row} for text, row in (("A", 0), ("B", 1), ("C", 2))]
    (tmp_path / "data").mkdir()
    save_split(tmp_path / "data", "train", rows)

    def write(_: Predictor, asked: list[dict[str, Any]], *_given: Any, **_named: Any) -> list[list[SimpleNamespace]]:
        return [[SimpleNamespace(text="" if each["text"] == "甲" else "写", ended="end")] * 2 for each in asked]

    monkeypatch.setattr(Predictor, "write", write)
    found = load(taught(tmp_path / "found", tmp_path / "data", tiny_bundle("rewrite"), truth=truth), "train")
    first = given(found)
    assert found[: len(first)] == first
    copies = {(each["text"], found[each["source_row"]]["text"]) for each in found[len(first) :]}
    assert copies == {("b", "乙"), ("c", "丙")} | ({("a", "甲")} if truth == "beside" else set())


def test_a_teacher_that_writes_nothing_of_use_is_one_sentence(
    tmp_path: Path, prepared: Callable[[str], Path], tiny_bundle: Callable[[str], Path]
) -> None:
    with pytest.raises(Refusal, match="has learnt the task classify, which writes no text in answer"):
        taught(tmp_path / "classify", prepared("rewrite"), tiny_bundle("classify"))
    with pytest.raises(Refusal, match=r"were cut, so nothing is left to learn; give 'policy' more 'max_new_tokens'"):
        taught(tmp_path / "cut", prepared("rewrite"), tiny_bundle("rewrite"), policy=CUT | {"max_new_tokens": 1})
