"""What a training leaves beside the model, and when."""

import json
from pathlib import Path
from typing import Any

import pytest

from danlu.apps.code import learn as learning
from danlu.apps.code.learn import HELD_OUT_FILE, learn, split, split_as_learnt
from danlu.apps.code.repository import Source, read_repository
from danlu.refusal import Refusal
from danlu.stages.recipe import Recipe, read


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """The recipes that were run, which takes no time."""
    ran = list[Recipe]()

    def run(recipe: Recipe, root: Path, **_: Any) -> dict[str, Path]:
        ran.append(recipe)
        return {"model": root / recipe.name / "model"}

    monkeypatch.setattr(learning, "run", run)
    return ran


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another repository."""
    root = tmp_path / "other"
    root.mkdir()
    for number in range(6):
        (root / f"f{number}.py").write_text(f"def other_{number}():\n    return {number}\n")
    return root


def teach(root: Path, place: Path, *settings: str) -> Path:
    return learn(root, place, settings, None, "tiny", lambda _: None)


def left(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}


def test_a_setting_that_is_refused_leaves_all_as_it_was(
    repository: Path, other: Path, tmp_path: Path, run: list[Recipe]
) -> None:
    place = tmp_path / "code"
    teach(repository, place)
    before = left(place)
    with pytest.raises(Refusal, match="did you mean 'epochs'"):
        teach(other, place, "model.train.epochz=3")
    assert left(place) == before
    assert len(run) == 1


def test_after_a_training_that_was_broken_off_no_model_is_measured_on_files_of_another(
    repository: Path, other: Path, tmp_path: Path, run: list[Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "code"
    teach(repository, place)
    files = read_repository(repository).files
    assert split_as_learnt(place, repository, files) == split(files)

    def broken(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as now:
        now.setattr(learning, "run", broken)
        with pytest.raises(KeyboardInterrupt):
            teach(other, place)
    with pytest.raises(Refusal, match=r"held_out\.json is of .*, so files of another folder may have been learnt"):
        split_as_learnt(place, other, read_repository(other).files)
    with pytest.raises(Refusal, match=r"another training than .*files\.jsonl, which was written anew since; run"):
        split_as_learnt(place, repository, files)
    teach(repository, place)
    assert split_as_learnt(place, repository, files) == split(files)


def test_what_earlier_versions_left_is_measured_as_before(repository: Path, tmp_path: Path, run: list[Recipe]) -> None:
    place = tmp_path / "code"
    teach(repository, place)
    told = json.loads((place / HELD_OUT_FILE).read_text(encoding="utf-8"))
    earlier = {name: told[name] for name in ("repository", "files")}
    (place / HELD_OUT_FILE).write_text(json.dumps(earlier), encoding="utf-8")
    files = read_repository(repository).files
    assert split_as_learnt(place, repository, files) == split(files)


def test_the_recipe_that_is_left_is_the_one_that_was_learnt(
    repository: Path, tmp_path: Path, run: list[Recipe]
) -> None:
    place = tmp_path / "code"
    teach(repository, place, "model.train.epochs=2", "model.model.width=32", "seed=5", "language=en")
    kept = read(place / "recipe.yaml", [f"clean.data.path={place / 'files.jsonl'}"])
    assert [kept] == run
    assert kept.seed == 5


def test_a_large_repository_is_split_without_its_files_being_compared() -> None:
    class Unlike(Source):
        def __eq__(self, other: object) -> bool:
            raise AssertionError("each would be compared with all others")

        __hash__ = None  # type: ignore[assignment]

    files = [Unlike(f"{number}.py", "x") for number in range(200)]
    sides = split(files)
    assert len(sides.learnt) + len(sides.held_out) == 200
    assert sides.held_out
