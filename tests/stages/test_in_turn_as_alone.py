"""Tasks in turn are learnt and settled as the stage `train` would: packed rows, heads in common, weights of labels."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

import danlu
from danlu.data.corpus.prepared import load as load_split
from danlu.stages import learning
from danlu.stages.course import Course
from danlu.stages.run import Run
from danlu.stages.stage import Place, Stage
from danlu.stages.teaching import Stands, Teaching

from .in_turn import MODEL, TRAIN, prepared, run, section

SHARED = ("first", "second")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return prepared(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two sets of texts with the same labels, which are in other proportions, and not always right."""
    root, stages = tmp_path_factory.mktemp("alike"), dict[str, Any]()
    for name, letters, share in (("first", "红蓝", 0.5), ("second", "猫狗", 0.75)):
        dice, lines = random.Random(name), []
        for row in range(300):
            label = int(dice.random() < share)
            sign = letters[label if dice.random() < 0.8 else 1 - label]
            lines.append(json.dumps({"text": f"{sign}{row}{sign}", "label": ["bad", "good"][label]}))
        (root / f"{name}.jsonl").write_text("\n".join(lines))
        data = {"kind": "jsonl", "path": str(root / f"{name}.jsonl")}
        split = {"validation": 0.2, "test": 0.2}
        stages[name] = {"kind": "prepare", "data": data, "dedup": "none", "split": split}
    stages["vocab"] = {"kind": "tokenizer", "data": ["@first", "@second"], "tokenizer": {"kind": "char", "size": 40}}
    return danlu.run({"name": "alike", "stages": stages}, root=root, say=lambda line: None)


def learnt(alike: Run, folder: Path, task: dict[str, Any]) -> dict[str, Any]:
    tasks = {name: {"data": f"@{name}", "task": task} for name in SHARED}
    fields = {"tasks": tasks, "remedies": ["replay"], "train": TRAIN | {"steps": 6}}
    place = Place(folder, {name: alike[name] for name in (*SHARED, "vocab")}, "one", 0, "en", lambda line: None)
    Stage.model_validate(section(**fields)).run(place)
    found: dict[str, Any] = json.loads((folder / "continual.json").read_text())
    return found


class Enough(Exception):
    pass


def test_documents_that_share_a_row_are_read_as_if_they_were_alone(
    made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def begun(networks: Any, batches: Any, *_given: Any, **_settings: Any) -> None:
        seen.append((networks, next(batches.groups(0, 1, torch.device("cpu")))[0]))
        raise Enough

    monkeypatch.setattr(learning, "TrainingRun", begun)
    tasks = {name: {"data": f"@{name}", "task": {"kind": "masked_lm", "pack": True}} for name in ("colours", "animals")}
    with pytest.raises(Enough):
        run(made, tmp_path / "turn", tasks=tasks, model=MODEL | {"dropout": 0.0})
    networks, batch = seen[0]
    network = networks.first.eval()
    ids_BT, segments_BT = (batch.inputs[f"colours {name}"] for name in ("input_ids", "segments"))
    with torch.no_grad():
        packed = network(input_ids=ids_BT, segments=segments_BT).logits
        for row, segments_T in enumerate(segments_BT):
            assert segments_T.max() > 0
            for number in range(int(segments_T.max()) + 1):
                own_T = segments_T == number
                alone = network(input_ids=ids_BT[row, own_T][None]).logits[0]
                torch.testing.assert_close(packed[row, own_T], alone)


def test_two_sides_may_share_their_rows_too(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"红蓝{row}", "target": f"{row}猫"}) for row in range(40)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines))
    data = {"kind": "jsonl", "path": str(tmp_path / "pairs.jsonl")}
    stages: dict[str, Any] = {
        "pairs": {"kind": "prepare", "data": data, "dedup": "none", "split": {"validation": 0, "test": 0.1}},
        "vocab": {"kind": "tokenizer", "data": "@pairs", "tokenizer": {"kind": "char", "size": 40}},
        "turn": section(
            tasks={name: {"data": "@pairs", "task": {"kind": "rewrite", "pack": True}} for name in "ab"},
            model=MODEL | {"architecture": "t5"},
            train=TRAIN | {"steps": 2},
            remedies=["replay"],
        ),
    }
    found = danlu.run({"name": "two", "stages": stages}, root=tmp_path, say=lambda line: None)
    assert json.loads((found["turn"] / "continual.json").read_text())["scenario"] == "domain-incremental"


def test_what_shares_a_head_is_settled_by_the_network_that_is_served(
    alike: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, float]] = []
    put = Teaching._write

    def noted(self: Teaching, folder: Path, stands: Stands) -> None:
        if self.learning.name == "replay":
            told.append({name: task.temperature for name, task in stands.tasks.items()})  # type: ignore[attr-defined]
        put(self, folder, stands)

    monkeypatch.setattr(Teaching, "_write", noted)
    found = learnt(alike, tmp_path / "turn", {"kind": "classify", "calibrate": True})
    assert found["scenario"] == "domain-incremental"
    after_first, after_second = told
    assert after_first["first"] == after_first["second"] != after_second["first"] == after_second["second"]
    with danlu.load(tmp_path / "turn" / "bundles" / "all", "float32") as bundle:
        assert bundle.task.temperature == after_second["first"]  # type: ignore[attr-defined]
        records = load_split(alike["second"], "validation")
        plain = bundle.task.model_copy(update={"temperature": None})
        settled = plain.settled(records, bundle.predictor.outputs(records))
        assert settled.temperature == pytest.approx(after_second["second"], rel=1e-3)  # type: ignore[attr-defined]


def test_labels_in_other_proportions_share_a_head_and_each_task_weighs_its_own(
    alike: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights: dict[str, dict[str, float]] = {}
    suit = Course.suit

    def noted(self: Course, networks: Any) -> None:
        weights.update({name: task.weights for name, task in self.tasks.items()})  # type: ignore[attr-defined]
        suit(self, networks)

    monkeypatch.setattr(Course, "suit", noted)
    found = learnt(alike, tmp_path / "turn", {"kind": "classify", "label_weights": "balanced"})
    assert found["scenario"] == "domain-incremental"
    assert [path.name for path in (tmp_path / "turn" / "bundles").iterdir()] == ["all"]
    assert weights["first"] != weights["second"]


def test_event_files_of_each_training_are_kept(made: Run, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    train = TRAIN | {"steps": 2, "recorders": ["tensorboard"]}
    run(made, tmp_path / "turn", train=train)
    logs = {
        path.relative_to(tmp_path / "turn" / "logs").parts[:2] for path in (tmp_path / "turn" / "logs").rglob("events*")
    }
    expected = {("naive-colours", "tensorboard"), ("naive-animals", "tensorboard"), ("replay-animals", "tensorboard")}
    assert logs >= expected
