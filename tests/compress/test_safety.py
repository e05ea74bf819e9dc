"""The original stays as it is, and what is made of it tells the truth."""

from pathlib import Path

import pytest

from danlu.bundle.manifest import read
from danlu.compress.floor import floor_of
from danlu.compress.ladder import compress
from danlu.compress.prune import prune
from danlu.compress.recovery import unsettled
from danlu.compress.rung import pruning_of
from danlu.machine.files import folder_in_place, sha256
from danlu.refusal import Refusal
from danlu.task.task import Task


def test_a_folder_whose_bundle_is_the_original_or_a_strangers_is_not_written_to(
    trained: Path, unseen: list[dict[str, str]], tmp_path: Path
) -> None:
    home = tmp_path / "stage"
    with folder_in_place(home / "bundle") as place:
        for file in trained.iterdir():
            (place / file.name).write_bytes(file.read_bytes())
    before = {path.name: sha256(path) for path in (home / "bundle").iterdir()}
    with pytest.raises(Refusal, match="its bundle is the original"):
        compress(home / "bundle", unseen, "accuracy 0.1", home, rungs="float32")
    assert {path.name: sha256(path) for path in (home / "bundle").iterdir()} == before
    (tmp_path / "other" / "bundle").mkdir(parents=True)
    (tmp_path / "other" / "bundle" / "precious.txt").write_text("mine")
    (tmp_path / "other" / "original.csv").write_text("mine, too")
    (tmp_path / "other" / "original.d").mkdir()
    with pytest.raises(Refusal, match="is there already, and no ladder has left it"):
        compress(trained, unseen, "accuracy 0.1", tmp_path / "other", rungs="float32")
    assert (tmp_path / "other" / "bundle" / "precious.txt").read_text() == "mine"


def test_nothing_is_pruned_into_the_bundle_itself_and_scores_of_other_weights_are_not_told(
    trained: Path, tmp_path: Path
) -> None:
    with pytest.raises(Refusal, match="lies in the bundle"):
        prune(trained, [pruning_of("magnitude:share=0.5")], trained / "inner")
    made = prune(trained, [pruning_of("magnitude:share=0.5")], tmp_path / "made")
    told = read(made.folder)["provenance"]
    assert "pruned" in told
    assert not {"validation", "scores", "best_step"} & told.keys()


def test_what_was_settled_by_answers_is_settled_again_where_there_are_records_for_it() -> None:
    heated = {"kind": "classify", "calibrate": True, "temperature": 3.0, "labels": ["a", "b"]}
    assert "temperature" not in unsettled(heated, 100)
    assert unsettled(heated, 3) == heated
    assert unsettled(heated | {"calibrate": False}, 100)["temperature"] == 3.0
    assert "threshold" not in unsettled({"kind": "answer", "threshold": 7.0}, 1)
    assert unsettled({"kind": "multilabel", "threshold": 0.4}, 100)["threshold"] == 0.4
    assert "weight" not in unsettled({"kind": "tag", "counted": True, "weight": 0.3}, 1)


def test_losses_are_counted_in_their_own_unit() -> None:
    task = Task.model_validate({"kind": "classify", "labels": ["a", "b"]})
    assert floor_of("nll +0.1", task).at(0.5) == pytest.approx(0.6)
    assert floor_of("brier 1.2", task).bound == 1.2
