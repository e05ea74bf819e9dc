"""The stage that learns tasks in turn: matrices, remedies, resuming, scenarios, and what may be read of the past."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

import danlu
from danlu.continual.networks import Networks
from danlu.continual.remedy import Remedy
from danlu.data.corpus.prepared import load as load_split
from danlu.evaluate.reporting.learnt_in_turn import in_turn_in_words
from danlu.evaluate.reporting.report import write_report
from danlu.evaluate.scoring.score import values
from danlu.recipe.lock import lock, save
from danlu.stages.course import Course
from danlu.stages.kinds import continual
from danlu.stages.learning import Learning
from danlu.stages.run import Run
from danlu.stages.stage import Stage
from danlu.stages.teaching import Stands, Teaching
from danlu.train.run import TrainingRun

from .in_turn import LETTERS, MODEL, TRAIN, prepared, run, section, write


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return prepared(tmp_path_factory.mktemp("made"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {
        f"{path.parent.name} {name}": value
        for path in sorted(folder.glob("bundles/*/model.safetensors"))
        for name, value in load_file(path).items()
    }


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return (
        bool(one) and one.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in one.items())
    )


Left = dict[str, dict[str, torch.Tensor]]
"""The parameters of the networks of each remedy after its last task."""


@contextmanager
def seen() -> Iterator[Left]:
    """Within the block, what each remedy has left in the end."""
    left: Left = {}
    after, result = Teaching.after, continual._result

    def noted(self: Teaching, number: int, before: Stands) -> Stands:
        stands = after(self, number, before)
        left[self.learning.name] = dict(stands.values or {})
        return stands

    def light(found: Course, remedy: Remedy, rows: list[Stands]) -> dict[str, Any]:
        assert all(row.values is None and not row.kept.tensors for row in rows[:-1])
        return result(found, remedy, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Teaching, "after", noted)
        patch.setattr(continual, "_result", light)
        yield left


@pytest.fixture(scope="module")
def whole(made: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Left]:
    """All remedies, unbroken."""
    folder = tmp_path_factory.mktemp("whole") / "turn"
    remedies = [
        {"kind": "replay", "budget": 4},
        {"kind": "ewc", "strength": 0},
        {"kind": "ewc", "strength": 1e5},
        "lwf",
        "averaging",
        {"kind": "mixture", "of": [{"kind": "replay", "budget": 4}, {"kind": "ewc", "online": True}]},
    ]
    with seen() as left:
        run(made, folder, remedies=remedies)
    return folder, left


@pytest.fixture(scope="module")
def told(whole: tuple[Path, Left]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((whole[0] / "continual.json").read_text())
    return found


def test_the_whole_matrix_is_told_with_the_row_before_training(told: dict[str, Any]) -> None:
    assert told["scenario"] == "task-incremental"
    assert told["serves"] == "replay"
    names = ["naive", "replay", "ewc", "ewc-2", "lwf", "averaging", "mixture", "joint"]
    assert list(told["remedies"]) == names
    for name, remedy in told["remedies"].items():
        assert [row["after"] for row in remedy["rows"]] == (
            [[], ["colours", "animals"]] if name == "joint" else [[], ["colours"], ["colours", "animals"]]
        )
        assert all(len(row) == 2 and all(0 <= value <= 1 for value in row) for row in remedy["matrix"])
        assert remedy["matrix"][0] == told["remedies"]["naive"]["matrix"][0]
        assert remedy["rows"][-1]["scores"]["colours"].keys() == {"macro_f1", "accuracy"}
        assert (remedy["forgetting"] is None) == (name == "joint")
    assert told["remedies"]["joint"]["beside_joint"] == 0


def test_ewc_of_strength_zero_is_naive_to_the_bit_and_no_other_remedy_is(whole: tuple[Path, Left]) -> None:
    left = whole[1]
    assert same(left["naive"], left["ewc"])
    others = ("replay", "ewc-2", "lwf", "averaging", "mixture", "joint")
    assert not [name for name in others if same(left["naive"], left[name])]


def test_the_bundles_answer_as_the_last_row_says(whole: tuple[Path, Left], made: Run, told: dict[str, Any]) -> None:
    folder = whole[0]
    assert sorted(path.name for path in folder.iterdir()) == ["bundles", "continual.json", "logs"]
    bundles = {name: danlu.load(folder / "bundles" / name) for name in ("colours", "animals")}
    for name, bundle in bundles.items():
        records = load_split(made[name], "test")
        scores = values(bundle.task, records, bundle.predict(records))
        bundle.close()
        assert scores == told["remedies"]["replay"]["rows"][-1]["scores"][name]
    served, start = weights(folder), "each.of colours."
    left = {key.removeprefix(start): value for key, value in whole[1]["replay"].items() if key.startswith(start)}
    assert same(left, {key.removeprefix("colours "): value for key, value in served.items() if "colours" in key})
    trunks = [
        {
            key: value
            for key, value in load_file(folder / "bundles" / name / "model.safetensors").items()
            if "encoder" in key
        }
        for name in bundles
    ]
    assert same(*trunks)


class Killed(BaseException):
    """What nobody catches, as nobody does a signal that cannot be caught."""


def test_what_is_killed_and_resumed_ends_with_the_same_bits(
    whole: tuple[Path, Left],
    made: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, rate = tmp_path / "turn", TrainingRun._rate
    remedies = [{"kind": "replay", "budget": 4}, {"kind": "ewc", "strength": 1e5}]
    fields = {"train": TRAIN | {"checkpoint_seconds": 1e-6}, "remedies": remedies}

    kills = ["naive/0.training", "ewc/1.training"]

    def killed(self: TrainingRun, step: int) -> float:
        if step == 4 and kills[:1] == [f"{self.folder.parent.name}/{self.folder.name}"]:
            kills.pop(0)
            raise Killed
        return rate(self, step)

    monkeypatch.setattr(TrainingRun, "_rate", killed)
    for standing in ("training 1, step 4", "training 6, step 4"):
        with pytest.raises(Killed):
            run(made, folder, **fields)
        assert Stage.model_validate(section(**fields)).standing(folder) == standing
    monkeypatch.undo()
    with seen() as left:
        run(made, folder, **fields)
    unbroken = {"ewc" if name == "ewc-2" else name: values for name, values in whole[1].items() if name != "ewc"}
    for name in ("replay", "ewc", "joint"):
        assert same(left[name], unbroken[name])
    assert same(weights(folder), weights(whole[0]))


def test_defaults_are_not_asked_for_where_tasks_are_read_again(made: Run, tmp_path: Path) -> None:
    tasks = {name: {"data": f"@{name}", "task": "causal_lm"} for name in ("colours", "animals")}
    sizes = {"vocab_size": 40, "n_positions": 32, "n_embd": 16, "n_layer": 1, "n_head": 2}
    OpenAIGPTLMHeadModel(OpenAIGPTConfig(**sizes)).save_pretrained(tmp_path / "model")
    model = {"kind": "pretrained", "path": str(tmp_path / "model")}
    fields = {"tasks": tasks, "model": model, "remedies": [], "train": TRAIN | {"steps": 1}}
    told = [list[str](), list[str]()]
    for lines in told:
        run(made, tmp_path / "turn", lines.append, **fields)
        (tmp_path / "turn" / "continual.json").unlink()
    own = [[line for line in lines if "each has its own row" in line] for lines in told]
    assert own[0]
    assert own[0] == own[1]


def test_a_log_outlives_a_kill_before_its_row_is_written(
    made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rows, put = tmp_path / "turn", list[Path](), Teaching._write

    def killed(self: Teaching, row: Path, stands: Stands) -> None:
        rows.append(row)
        if len(rows) != 2:
            raise Killed
        put(self, row, stands)

    monkeypatch.setattr(Teaching, "_write", killed)
    for _ in range(2):
        with pytest.raises(Killed):
            run(made, folder, train=TRAIN | {"checkpoint_seconds": 1e-6})
    assert [row.name for row in rows] == ["0", "0", "1"]
    assert [path.name for path in (folder / "logs").iterdir()] == ["naive-colours.jsonl"]


def rows_learnt(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[tuple[str, bytes]]]:
    """The rows of each training, by its remedy and the task."""
    found: dict[str, list[tuple[str, bytes]]] = {}
    with_old = Learning._with_old

    def noted(self: Learning, networks: Networks, before: Any, rows: Any) -> Any:
        everything, several = with_old(self, networks, before, rows)
        found[f"{self.name} {' '.join(rows)}"] = [(row.name, row.row.input_ids.tobytes()) for row in everything]
        return everything, several

    monkeypatch.setattr(Learning, "_with_old", noted)
    return found


def test_a_memory_of_everything_learns_the_rows_of_all_tasks_at_once(
    made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rows_learnt(monkeypatch)
    run(made, tmp_path / "turn", remedies=[{"kind": "replay", "budget": 1000, "share": None}])
    assert sorted(found["replay animals"]) == sorted(found["joint colours animals"])
    assert len(found["naive animals"]) < len(found["replay animals"])


def test_beyond_the_memory_old_records_are_not_read_again(
    made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rows_learnt(monkeypatch)
    files = {name: tmp_path / f"{name}.jsonl" for name in ("colours", "animals")}
    tests = {name: str(made[name] / "test.parquet") for name in files}
    for name, file in files.items():
        write(file, LETTERS[name][0], LETTERS[name][1].split())
    first = files["colours"].read_text()
    tasks = {
        name: {
            "data": {"kind": "jsonl", "path": str(file)},
            "test": {"kind": "parquet", "path": tests[name]},
            "task": "classify",
        }
        for name, file in files.items()
    }

    def poisoned(line: str) -> None:
        if ": learns " in line:
            files["colours"].write_text(first if "colours" in line else "this is no record")

    run(made, tmp_path / "poisoned", poisoned, tasks=tasks, remedies=[{"kind": "replay", "budget": 4}, "ewc", "lwf"])
    old = [row for row in found["replay animals"] if row[0] == "colours"]
    assert 0 < len(set(old)) <= 4
    assert not [row for row in found["ewc animals"] if row[0] == "colours"]


def test_a_head_for_the_labels_of_all_tasks_is_asked_without_telling_the_task(made: Run, tmp_path: Path) -> None:
    found = run(made, tmp_path / "turn", scenario="class-incremental", remedies=["lwf"], train=TRAIN | {"steps": 3})
    assert found["scenario"] == "class-incremental"
    assert [path.name for path in (tmp_path / "turn" / "bundles").iterdir()] == ["all"]
    with danlu.load(tmp_path / "turn" / "bundles" / "all", "float32") as bundle:
        assert bundle.task.label_names() == ("cold", "mild", "warm", "bone", "fur", "wing")
        assert bundle.predict(["的了猫"])[0]["scores"].keys() == set(bundle.task.label_names())


def test_a_language_model_forgets_where_perplexity_rises(made: Run, tmp_path: Path) -> None:
    tasks = {name: {"data": f"@{name}", "task": "causal_lm"} for name in ("colours", "animals")}
    model = MODEL | {"architecture": "llama", "dropout": 0.0}
    remedies = ["olora", {"kind": "replay", "share": 0.3}]
    found = run(made, tmp_path / "turn", tasks=tasks, model=model, tuning="lora", remedies=remedies, serve="olora")
    assert found["scenario"] == "domain-incremental"
    assert found["tasks"]["colours"]["metric"] == "perplexity"
    for name, remedy in found["remedies"].items():
        before, *_, last = remedy["matrix"]
        assert min(last) > 1
        if name != "joint":
            after = remedy["matrix"][1]
            assert after[0] < before[0]  # learnt
            assert remedy["forgetting"] == pytest.approx(last[0] - after[0])
            assert remedy["backward"] == pytest.approx(after[0] - last[0])
            assert remedy["forward"] == pytest.approx(before[1] - after[1])
        gap = found["remedies"]["joint"]["average"] - remedy["average"]
        assert remedy["beside_joint"] == pytest.approx(gap)
    with danlu.load(tmp_path / "turn" / "bundles" / "all", "float32") as bundle:
        assert bundle.model.config.model_type == "llama"
        assert not any("lora" in name for name, _ in bundle.model.named_parameters())


def test_the_page_shows_every_matrix_in_both_languages(whole: tuple[Path, Left], tmp_path: Path) -> None:
    stage = tmp_path / "turns" / "turn"
    stage.mkdir(parents=True)
    found = json.loads((whole[0] / "continual.json").read_text())
    found["remedies"]["naive"]["matrix"][1:] = [[1.0, 0.25], [0.0, 1.0]]
    told = json.dumps(found)
    (stage / "continual.json").write_text(told)
    save(stage, lock("turn", Stage.model_validate(section()), 0, {}))
    for language, words in (
        ("en", ["before any task", "after animals", "forward transfer"]),
        ("zh", ["学习之前", "遗忘"]),
    ):
        text = write_report(stage.parent, language).read_text(encoding="utf-8")
        assert not [word for word in words if word not in text]
        assert text.count('class="number warm"') == 2 * (3 * 7 + 2)
        assert "--share:1.000" in text
    (line,) = [line for line in in_turn_in_words(found, "zh") if "averaging" in line and "+" in line]
    assert "averaging" in line
