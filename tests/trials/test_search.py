"""Searches that are killed, joined by others and gone on with: no trial is lost, and none is run twice."""

import errno
import json
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import postgres_server as server
import pytest
import started
from search_forks import FORKS
from tiny_recipe import made

import danlu
from danlu.cli.main import main
from danlu.data.reading.formats.sql import Sql
from danlu.machine.files import full_disk_refused
from danlu.recipe import lock as locks
from danlu.recipe.yaml_text import dump
from danlu.refusal import Refusal
from danlu.serve.feedback import TABLE, Feedback
from danlu.trials.search import Searched, _AtWork, _of_the_machine, search
from danlu.trials.study import Trials


@dataclass
class Forked:
    """Searches of several processes in one storage; their exit codes, and what all of them said."""

    source: Path
    root: Path
    url: str | None
    codes: list[str]
    said: list[str]


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Forked]]:
    """By storage: killed while it trains, while it asks and while it tells; then two processes share what is left."""
    folder = tmp_path_factory.mktemp("forked")
    source = folder / "recipe.yaml"
    source.write_text(dump(made(folder)), encoding="utf-8")
    with nullcontext("") if server.missing() else server.server() as postgresql:
        urls = {"sqlite": ""} | ({"postgresql": postgresql} if postgresql else {})
        rounds = []
        for name, url in urls.items():
            (folder / name).mkdir()
            start = f"{folder / name / 'runs'}|{url}|"
            rounds += [f"{start}training", f"{start}asking", f"{start}telling", f"{start}a,b|search.trials=6"]
        command = [sys.executable, "-c", FORKS, str(source), *rounds]
        done = started.run(command, capture_output=True, text=True, check=False)
        codes, found = done.stdout.split(), {}
        for place, (name, url) in enumerate(urls.items()):
            files = sorted((folder / name).glob("said.*"), key=lambda path: path.stat().st_mtime)
            said = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
            mine = codes[5 * place : 5 * place + 5]
            found[name] = Forked(source, folder / name / "runs", url or None, mine, [*said, *done.stderr.splitlines()])
        yield found


def told(found: Searched) -> list[tuple[int, str, dict[str, Any], float | None]]:
    return [(trial.number, trial.state.name, trial.params, trial.value) for trial in found.trials]


@pytest.fixture
def recipe(tmp_path: Path) -> dict[str, Any]:
    return made(tmp_path)


@pytest.fixture
def source(recipe: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(dump(recipe), encoding="utf-8")
    return path


@pytest.mark.parametrize("storage", ["sqlite", "postgresql"])
def test_rows_of_a_postgresql_server_are_read_and_judgements_kept(forked: dict[str, Forked], storage: str) -> None:
    if storage not in forked:
        pytest.skip(server.missing())
    url = forked[storage].url or "sqlite:///" + (forked[storage].root / "feedback.db").as_posix()
    store = Feedback(url)
    store.add(model="m", fingerprint="f", record={"text": "好 \u0001"}, truth={"label": "good"}, correct=False)
    store.close()
    data = Sql(path=url, table=TABLE, expand=("record", "truth"))
    (row,) = data.read(("text", "label"))
    assert (row["text"], row["label"], row["model"], row["correct"]) == ("好 \u0001", "good", "m", False)
    with pytest.raises(Refusal, match="cannot be read") as refused:
        list(Sql(path=url, query=f"DELETE FROM {TABLE} RETURNING id").read())
    assert server.PASSWORD not in str(refused.value)


@pytest.mark.parametrize("storage", ["sqlite", "postgresql"])
def test_a_search_that_is_killed_and_joined_ends_as_one_that_was_not(
    forked: dict[str, Forked], storage: str, tmp_path: Path
) -> None:
    if storage not in forked:
        pytest.skip(server.missing())
    done = forked[storage]
    said = done.said
    assert done.codes == ["-9", "-9", "-9", "0", "0"], said
    found = search(done.source, ["search.trials=6"], done.root, done.url, say=said.append, run_trials=False)
    assert [(trial.number, trial.state.name) for trial in found.trials] == [(n, "COMPLETE") for n in range(6)]
    begun = [int(line.split()[1]) for line in said if re.match(r"trial \d+ of \d: (?!goes on)", line)]
    assert sorted(begun) == [0, 1, 2, 3, 4, 5]
    assert "trial 1: model: goes on where it was interrupted, at step 3" in said
    assert sum("bundle in" in line for line in said) == 6
    assert sum(line == "clean: prepare" for line in said) == 1
    kept = b"".join(path.read_bytes() for path in done.root.rglob("*") if path.is_file())
    assert server.PASSWORD not in "".join(said)
    assert server.PASSWORD.encode() not in kept
    if storage == "sqlite":  # the truth is the same for both
        assert told(found) == told(search(done.source, ["search.trials=6"], tmp_path, say=lambda _line: None))
    else:
        assert not (done.root / "tried" / "search.db").exists()


def test_the_best_settings_are_taken_back_without_training_and_the_others_are_light(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["search", "recipe.yaml", "--trials", "5", "search.objective={stage: test, metric: accuracy}"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("its results: ")]
    weights = list(Path("runs/tried").glob("*/bundle/model.safetensors"))
    assert len(weights) == 1
    assert len(list(Path("runs/tried").glob("model.*/log.jsonl"))) == 5
    page = Path("runs/tried/search.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "model.train.rate" in page
    with pytest.raises(SystemExit):
        main(shlex.split(line.removeprefix("its results: danlu ")))
    ran = capsys.readouterr().out
    assert f"model: done before with the same settings and data, taken back from {weights[0].parents[1]}" in ran
    assert "test: done before" in ran
    best = float(re.search(r"accuracy (\d\.\d+)$", out, re.MULTILINE)[1])  # type: ignore[index]
    scores = json.loads(Path("runs/tried/test/scores.json").read_text(encoding="utf-8"))
    assert scores["metrics"]["accuracy"]["value"] == pytest.approx(best, abs=1e-4)
    with pytest.raises(SystemExit):
        main(["search", "recipe.yaml", "--trials", "6", "search.objective={stage: test, metric: accuracy}"])
    assert (Path("runs/tried/model") / "bundle" / "model.safetensors").is_file(), "somebody has asked for it by name"


def test_a_trial_that_falls_behind_is_stopped_and_leaves_no_weights(source: Path, tmp_path: Path) -> None:
    """Halving keeps the better of the first validations; the first trial to be validated is its own rival."""
    said: list[str] = []

    class Falls(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return trial.number == 1 and trial.last_step == 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("danlu.trials.search.pruner", lambda _settings: Falls())
        found = search(source, ["search.trials=3"], tmp_path / "runs", say=said.append)
    assert [trial.state.name for trial in found.trials] == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert [len(trial.intermediate_values) for trial in found.trials] == [2, 1, 2]
    (stopped,) = [
        path.parent
        for path in (tmp_path / "runs/tried").glob("model.*/log.jsonl")
        if not any('"step": 4' in line or '"step":4' in line for line in path.read_text().splitlines())
    ]
    assert {path.name for path in stopped.iterdir()} == {"recipe.lock.yaml", "log.jsonl", "size.json", ".beside"}


def test_other_settings_are_another_study_and_equal_ones_are_not_run_again(
    source: Path, recipe: dict[str, Any], tmp_path: Path
) -> None:
    said: list[str] = []
    recipe["search"]["ranges"] = {"model.train.batch_examples": [2, 4]}
    source.write_text(dump(recipe), encoding="utf-8")
    found = search(source, ["search.trials=4"], tmp_path / "runs", say=said.append)
    assert len({trial.params["model.train.batch_examples"] for trial in found.trials}) == 2
    assert sum("the same as trial" in line for line in said) == 2
    assert sum("bundle in" in line for line in said) == 2
    other = search(source, ["search.trials=1", "seed=1"], tmp_path / "runs", say=said.append)
    assert len(other.trials) == 1


REFUSED = [
    ({"modle.train.rate": [1, 2]}, r"search\.ranges\.modle\.train\.rate: with 1 .*; did you mean 'model'\?"),
    ({"model.train.ratte": [1, 2]}, r"line \d+: search\.ranges\.model\.train\.ratte: .*did you mean 'rate'\?"),
    ({"model.train.rate": {"low": 2, "high": 1}}, "expected a 'low' below 'high'"),
    ({"model.train.rate": {"low": "a", "high": 1}}, r"rate\.low: this should be a valid .*, not 'a'"),
    ({"model.train.rate": {"low": 0, "high": 1, "log": True}}, "which has no logarithm"),
    ({"model.train.rate": {"low": 0.1, "hihg": 1}}, "unknown key 'hihg'; did you mean 'high'"),
    ({"model.train.rate": {"low": 0.1, "high": 1, "step": 2}}, "wider than the range"),
    ({"model.train.rate": ["fast", 1e-3]}, r"rate: with fast the recipe is refused: .*valid number, .*not 'fast'"),
    ({"model.train.steps": {"low": 0, "high": 10}}, "steps: with 0 the recipe is refused: .*greater than"),
    ({"model.train.steps": {"low": 1.5, "high": 10}}, r"steps: with 1\.5 the recipe is refused: .*integer"),
    ({"model.train.rate": [1e-3]}, "expected two or more that differ"),
    ({"test.resamples": {"low": 100, "high": 200}}, "nothing that 'model' depends on is sought"),
    ({"language": ["en", "zh"]}, "the value changes no stage"),
    ({}, "at least 1 item"),
]


@pytest.mark.parametrize(("ranges", "words"), REFUSED, ids=[str(index) for index in range(len(REFUSED))])
def test_a_range_that_a_key_does_not_take_is_refused_before_anything_starts(
    source: Path, recipe: dict[str, Any], tmp_path: Path, ranges: dict[str, Any], words: str
) -> None:
    recipe["search"]["ranges"] = ranges
    source.write_text(dump(recipe), encoding="utf-8")
    with pytest.raises(Refusal, match=words) as refused:
        search(source, [], tmp_path / "runs", say=lambda _line: None)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ({"stage": "clean"}, "'clean' is no stage that trains or evaluates; those are: model, test"),
        ({"stage": "tset"}, "did you mean 'test'"),
        ({"stage": "test", "metric": "acuracy"}, "'test' does not measure 'acuracy'; did you mean 'accuracy'"),
    ],
)
def test_an_objective_that_is_not_there_is_refused(
    source: Path, tmp_path: Path, objective: dict[str, str], words: str
) -> None:
    with pytest.raises(Refusal, match=words):
        search(source, [f"search.objective={json.dumps(objective)}"], tmp_path / "runs", say=lambda _line: None)


def test_stages_that_trials_share_are_done_once_and_the_best_trial_stays_whole(
    recipe: dict[str, Any], tmp_path: Path
) -> None:
    said: list[str] = []
    recipe["search"] = {
        "trials": 5,
        "sampler": "random",
        "pruner": "none",
        "ranges": {"clean.dedup": ["none", "exact"], "model.train.rate": {"low": 1e-4, "high": 0.1, "log": True}},
    }
    found = search(recipe, ["model.train.steps=2"], tmp_path / "runs", say=said.append)
    assert len({trial.params["clean.dedup"] for trial in found.trials}) == 2
    assert not [line for line in said if "was deleted since" in line]
    assert found.best is not None
    used = [name for name in found.best.user_attrs["used"] if name.startswith(("clean", "vocab", "model"))]
    folders = [tmp_path / "runs/tried" / name[: name.index(".") + 13] for name in used]
    assert [folder.name.partition(".")[0] for folder in folders] == ["clean", "vocab", "model"]
    there = [(path.parent, locks.load(path.parent)) for path in (tmp_path / "runs/tried").glob(f"[cvm]*/{locks.NAME}")]
    whole = {folder for folder, lock in there if lock is not None and not lock.missing(folder)}
    assert len(there) == 2 + 2 + 5
    assert whole == set(folders), "and of the others no trial has any need in the end"


def test_a_recipe_with_a_search_runs_as_without(recipe: dict[str, Any], tmp_path: Path) -> None:
    said: list[str] = []
    danlu.run(recipe, root=tmp_path / "runs", only=["clean"], say=said.append)
    with_out = {key: value for key, value in recipe.items() if key != "search"}
    danlu.run(with_out, root=tmp_path / "runs", only=["clean"], say=said.append)
    assert "skipped" in said[-1]


def test_a_trial_that_keeps_a_checkpoint_is_noted_to_have_got_on(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[int] = []
    monkeypatch.setattr(Trials, "got_on", lambda _self, trial: noted.append(trial))
    found = search(source, ["search.trials=1"], tmp_path / "runs", say=lambda _line: None)
    assert [trial._trial_id for trial in found.trials] == noted


def test_a_full_disk_uses_up_no_trial(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = _AtWork._value

    def full(*_: Any) -> float:
        with full_disk_refused(tmp_path):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_AtWork, "_value", full)
    with pytest.raises(Refusal, match="the disk is full"):
        search(source, ["search.trials=1"], tmp_path / "runs", say=print)
    monkeypatch.setattr(_AtWork, "_value", value)
    found = search(source, ["search.trials=1"], tmp_path / "runs", say=print)
    assert [trial.state.name for trial in found.trials] == ["COMPLETE"]


@pytest.mark.parametrize(
    ("cause", "machine"),
    [
        (OSError(errno.ENOSPC, "no space"), True),
        (OSError(errno.EIO, "disk"), True),
        (OSError("404 of the hub"), False),
        (FileNotFoundError(errno.ENOENT, "no such file"), False),
        (ValueError("a value"), False),
    ],
)
def test_the_fault_of_a_value_is_not_that_of_the_machine(cause: Exception, machine: bool) -> None:
    refusal, outer = Refusal("inner"), Refusal("outer")
    refusal.__cause__, outer.__cause__ = cause, refusal
    assert _of_the_machine(outer) is machine


def test_a_search_whose_first_trials_are_all_refused_says_why(source: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"the first 3 trials were refused, the last one so: .*is not among"):
        search(source, ["model.task={kind: classify, labels: [a, b]}"], tmp_path / "runs", say=lambda _line: None)


def test_a_database_that_cannot_be_opened_is_one_sentence_without_the_password(source: Path, tmp_path: Path) -> None:
    urls = ["mysql://me:secret@there/x", "postgresql://me:secret@127.0.0.1:1/x", f"sqlite:///{tmp_path}/no/x.db"]
    urls += ["postgresql://me:p@secret@127.0.0.1/x", "postgresql://me:secret/1@2", "postgresql://me:secret/x"]
    for url in [*urls, "sqlite://", "sqlite:///:memory:"]:
        with pytest.raises(Refusal) as refused:
            search(source, [], tmp_path / "runs", url, say=lambda _line: None)
        assert "secret" not in str(refused.value)
        assert "\n" not in str(refused.value)
