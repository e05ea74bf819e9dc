"""Several ranks go through a recipe: what they could not share is refused, and what they see must be the same."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist

from danlu.machine.ranks import ALONE, Dismissed, Ranks
from danlu.recipe import lock as locks
from danlu.refusal import Refusal
from danlu.stages.recipe import Recipe, read
from danlu.stages.sharing import refuse_needless
from danlu.stages.stage import Place
from danlu.stages.together import call, follow, led, refuse_idle
from danlu.train.events import Stopped
from danlu.tuning.methods.head import Head
from danlu.tuning.methods.lora import Lora

TWO = Ranks(0, 2)


def recipe(path: Path, train: dict[str, Any], **fields: Any) -> Recipe:
    model = {"kind": "train", "data": {"kind": "csv", "path": str(path)}, "task": "classify", "train": train}
    model["model"] = {"kind": "scratch", "architecture": "bert", "size": "tiny"}
    return read({"name": "r", "stages": {"model": model}} | fields)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_text("text,label\na,b\n")
    return path


def test_a_recipe_that_shares_nothing_is_refused_for_several(data: Path) -> None:
    refuse_idle(recipe(data, {}), ALONE)
    refuse_idle(recipe(data, {"parallel": "fsdp"}), TWO)
    with pytest.raises(Refusal, match=r"2 processes were started, and no stage .*add model\.train\.parallel=ddp"):
        refuse_idle(recipe(data, {}), TWO)
    with pytest.raises(Refusal, match="seeds: 3 trainings one after the other are not shared by ranks"):
        refuse_idle(recipe(data, {"parallel": "ddp"}, seeds=3), TWO)


def test_what_ranks_would_only_repeat_is_refused() -> None:
    refuse_needless(TWO, Lora())
    refuse_needless(ALONE, Head())
    with pytest.raises(Refusal, match="tuning 'head' computes the features of a frozen trunk once"):
        refuse_needless(TWO, Head())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("data", r"rank 1 on \S+: SHA-256 of \S+data.csv: \w+, and the first rank has \w+; all ranks need the same"),
        ("recipe", "rank 1 on .*: section of 'model', hashed"),
        ("stage", "rank 1 on .*: the recipe has no stage 'model', and that of the first rank has"),
    ],
)
def test_a_rank_that_sees_something_else_stops_all(data: Path, tmp_path: Path, change: str, words: str) -> None:
    """The second rank comes when the file has been changed, or with another recipe."""
    store, said = dist.HashStore(), list[BaseException]()
    first, second = (Ranks(rank, 2, rank, None, store) for rank in range(2))
    own = recipe(data, {"parallel": "ddp"})
    other = recipe(data, {"parallel": "ddp", "rate": 0.5}) if change == "recipe" else own
    if change == "stage":
        other = other.model_copy(update={"stages": {"other": own.stages["model"]}})
    lock = locks.lock("model", own.stages["model"], 0, {})
    if change == "data":
        data.write_text("text,label\nc,d\n")

    def one() -> None:
        try:
            follow(other, tmp_path, second)
        except (Refusal, Dismissed) as error:
            said.append(error)

    thread = threading.Thread(target=one)
    thread.start()
    place = Place(tmp_path / "r" / "model", {}, lock.fingerprint, 0, "en", print, ranks=first)
    with pytest.raises(Refusal, match=words), led(first):
        call(lock, place)
    thread.join(20)
    assert [type(error) for error in said] == [Dismissed]


def test_a_training_that_the_first_rank_has_stopped_is_left_without_a_word(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, ran = dist.HashStore(), list[str]()
    first, second = (Ranks(rank, 2, rank, None, store) for rank in range(2))
    own = recipe(data, {"parallel": "ddp"})

    def stopped(_stage: Any, place: Place) -> None:
        ran.append(place.name)
        raise Stopped

    monkeypatch.setattr(type(own.stages["model"]), "run", stopped)
    thread = threading.Thread(target=follow, args=(own, tmp_path, second))
    lock = locks.lock("model", own.stages["model"], 0, {})
    thread.start()
    with led(first):
        call(lock, Place(tmp_path / "r" / "model", {}, lock.fingerprint, 0, "en", print, ranks=first))
    thread.join(20)
    assert ran == ["model"]
    assert not thread.is_alive()
