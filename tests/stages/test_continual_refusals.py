"""What the stage that learns tasks in turn refuses, each in one sentence."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from danlu.refusal import Refusal
from danlu.stages.run import Run
from danlu.stages.stage import Stage

from .in_turn import TRAIN, prepared, run, section


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return prepared(tmp_path_factory.mktemp("made"))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"tuning": "prompt"}, "tuning 'prompt' cannot be merged, and what one task has learnt must be in the weights"),
        ({"tuning": "head", "remedies": ["ewc"]}, "ewc holds parameters of the trunk, and tuning 'head' trains none"),
        (
            {"scenario": "domain-incremental"},
            "scenario domain-incremental: the tasks differ in labels, so they cannot share one head",
        ),
        (
            {
                "tasks": {
                    "one": {"data": "@colours", "task": "classify"},
                    "two": {"data": "@animals", "task": "regress"},
                }
            },
            r"tasks\.two: .*number",
        ),
        (
            {
                "scenario": "class-incremental",
                "tasks": {
                    "a": {"data": "@colours", "task": "classify"},
                    "b": {"data": "@animals", "task": "masked_lm"},
                },
            },
            "scenario class-incremental: one head for all labels needs tasks that choose one label",
        ),
        (
            {
                "train": TRAIN | {"patience": 1},
                "tasks": {
                    name: {"data": f"@{name}:train", "test": f"@{name}", "task": "classify"}
                    for name in ("colours", "animals")
                },
            },
            r"tasks\.colours: train\.patience waits for better validations",
        ),
        (
            {"tasks": {name: {"data": f"@{name}:train", "task": "classify"} for name in ("colours", "animals")}},
            r"tasks\.colours: has no test data, which each row of the matrix needs; add 'test' to it",
        ),
        (
            {"tasks": {name: {"data": f"@{name}", "task": "prefer"} for name in ("colours", "animals")}},
            r"tasks\.colours: 'prefer' asks reference beside the network, and tasks in turn have none",
        ),
        (
            {
                "tasks": {
                    name: {"data": f"@{name}", "task": {"kind": "classify", "calibrate": True}}
                    for name in ("colours", "animals")
                }
            },
            r"tasks\.colours: task\.calibrate fits a temperature on validation records, and there are 0",
        ),
        (
            {
                "remedies": ["lwf"],
                "tasks": {
                    "a": {"data": "@colours", "task": "classify"},
                    "b": {"data": "@animals", "task": "multilabel"},
                },
            },
            r"tasks\.b: lwf asks old heads about new rows",
        ),
        (
            {
                "remedies": ["lwf"],
                "tasks": {
                    name: {"data": f"@{name}", "task": {"kind": "classify", "pooling": "mean"}}
                    for name in ("colours", "animals")
                },
            },
            r"tasks\.colours: lwf asks the heads of networks about new rows, and with 'pooling' the head is",
        ),
        (
            {
                "remedies": ["ewc"],
                "tasks": {name: {"data": f"@{name}", "task": "embed"} for name in ("colours", "animals")},
            },
            r"tasks\.colours: ewc looks at the loss of each row by itself, and rows of embed are learnt from one",
        ),
        (
            {
                "scenario": "class-incremental",
                "tasks": {name: {"data": f"@{name}", "task": "prompted"} for name in ("colours", "animals")},
            },
            "scenario class-incremental: the task has words for the labels of its own data alone; write the word of",
        ),
    ],
)
def test_what_cannot_be_learnt_in_turn_is_one_sentence(
    made: Run, tmp_path: Path, fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Refusal, match=sentence) as refused:
        run(made, tmp_path / "turn", **fields)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "turn" / "bundles").exists()


def test_an_unknown_remedy_to_serve_is_named_with_the_nearest() -> None:
    with pytest.raises(ValidationError, match="'serve' names no remedy 'replya'; did you mean 'replay'"):
        Stage.model_validate(section(serve="replya"))
    stage = Stage.model_validate(section(remedies=["ewc", "ewc"]))
    assert list(stage.named()) == ["naive", "ewc", "ewc-2", "replay", "joint"]
    assert stage.serves == "ewc"
