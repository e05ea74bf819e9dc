"""Which records of a retained set are looked at, and how many of its rows are learnt once more."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from danlu.data.corpus.prepared import save_split
from danlu.data.record import Record
from danlu.machine.seed import generator
from danlu.refusal import Refusal
from danlu.stages.ready import Ready
from danlu.stages.stage import Place, Stage
from danlu.task.tasks.classify import Classify

MODEL = {"kind": "scratch", "layers": 1, "width": 16, "heads": 2, "positions": 32, "dropout": 0.0}


def ready(folder: Path, old: dict[str, list[Record]], new: list[Record], **fields: Any) -> Ready:
    """What a training on new records begins with, which retains splits of old ones."""
    sets = {"new": {"train": new, "validation": new[:4]}, "old": old}
    for name, splits in sets.items():
        (folder / name).mkdir(parents=True)
        for split, records in splits.items():
            save_split(folder / name, split, records)
    place = Place(
        folder / "fit", {name: folder / name for name in (*sets, "vocab")}, "one", 0, "en", lambda _line: None
    )
    vocab = {"kind": "tokenizer", "data": "@new", "tokenizer": {"kind": "char", "size": 40}}
    Stage.model_validate(vocab).run(Place(folder / "vocab", place.inputs, "one", 0, "en", place.say))
    train = {"steps": 2, "batch_examples": 4, "precision": "float32"}
    fit = {"kind": "train", "data": "@new", "tokenizer": "@vocab", "model": MODEL, "train": train}
    found: Ready = Stage.model_validate(fit | fields).ready(place)  # type: ignore[attr-defined]
    return found


def lettered(letters: str) -> list[Record]:
    return [{"text": letter * number, "label": letter} for letter in letters for number in range(1, 7)]


def test_a_label_that_is_lacking_where_it_is_looked_is_known_from_the_training_split(tmp_path: Path) -> None:
    old = {"train": lettered("abc"), "validation": lettered("ab")}
    retain = {"general": {"data": "@old", "task": "classify"}}
    found = ready(tmp_path, old, lettered("abc"), task="classify", retain=retain)
    assert found.memory.kept[0].records == lettered("ab")


def test_a_test_split_is_looked_at_only_where_it_is_named(tmp_path: Path) -> None:
    old = {"train": lettered("abc"), "test": lettered("ab")}
    named = {"task": "classify", "retain": {"general": {"data": "@old:test"}}}
    assert ready(tmp_path / "named", old, lettered("abc"), **named).memory.kept[0].records == lettered("ab")
    with pytest.raises(Refusal, match=r"retain\.general\.data: @old has no validation split to look at; let its stage"):
        ready(tmp_path, old, lettered("abc"), task="classify", retain={"general": {"data": "@old"}})


def test_a_share_is_of_both_sides_of_what_is_learnt(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    texts = ["".join(dice.choice(list("abcdef"), 12)) for _ in range(80)]
    new = [{"text": text, "target": text[:1]} for text in texts[:40]]
    old = [{"text": text[:2], "target": text} for text in texts]
    model, retain = MODEL | {"architecture": "t5"}, {"general": {"data": "@old", "share": 0.4}}
    splits = {"train": old, "validation": old[:4]}
    found = ready(tmp_path, splits, new, task="rewrite", model=model, retain=retain)
    costs = [len(each) + len(each.target_ids) for each in found.encoded if each.target_ids is not None]
    assert sum(costs[len(new) :]) / sum(costs) == pytest.approx(0.4, abs=0.02)


def test_no_more_is_encoded_than_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.stages.retaining.PIECE", 4)
    sizes: list[int] = []
    learnable = Classify.learnable

    def counted(task: Classify, records: list[Record], *how: Any) -> Any:
        sizes.append(len(records))
        return learnable(task, records, *how)

    monkeypatch.setattr(Classify, "learnable", counted)
    old = {"train": lettered("abcabcabc"), "validation": lettered("ab")}
    retain = {"general": {"data": "@old", "share": 0.5}}
    new = lettered("abc")
    found = ready(tmp_path, old, new, task="classify", retain=retain)
    assert sizes == [len(new), 4, 8, 16]
    order = generator(0, "replay general").permutation(len(old["train"])).tolist()
    again = found.encoded[len(new) :]
    numbers = [row.record for row in again]
    assert len(set(numbers)) == len(numbers)
    assert set(numbers[:4]) == set(order[:4])
    assert set(numbers[4:]) <= set(order[4:])
    assert 0 <= sum(map(len, again)) - sum(map(len, found.encoded[: len(new)])) < 10


def test_a_record_that_cannot_be_learnt_once_more_is_told_by_its_number_in_the_data(tmp_path: Path) -> None:
    old = {"train": [*lettered("abc"), {"text": "a", "label": "z"}], "validation": lettered("ab")}
    retain = {"general": {"data": "@old", "share": 0.5}}
    with pytest.raises(Refusal, match="record 19"):
        ready(tmp_path, old, lettered("abc"), task="classify", retain=retain)
