"""Trials as a study holds them."""

from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from tiny_recipe import made

from danlu.recipe.search import Range, Search
from danlu.stages.recipe import read
from danlu.trials import leases as module
from danlu.trials.leases import Leases
from danlu.trials.objective import objective_of
from danlu.trials.search import _AtWork
from danlu.trials.space import space_of
from danlu.trials.storage import opened
from danlu.trials.study import MOST_KILLED, WHY, Trials


@pytest.fixture
def trials(tmp_path: Path) -> Iterator[Trials]:
    with opened(None, tmp_path, print) as store, Leases(store.engine) as leases:
        study = optuna.create_study(storage=store, direction="maximize")
        yield Trials(study, leases, Search.model_validate({"trials": 1, "ranges": {"seed": [1, 2]}}))


def test_a_trial_that_another_has_told_since_it_was_read_is_not_run_again(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = trials.study.ask()
    read = trials.all()
    trials.study.tell(stale, 1.0)
    monkeypatch.setattr(Trials, "all", lambda _self: read)
    assert trials.next() is None
    assert trials.leases.take(stale._trial_id), "its row is free"


def test_a_trial_that_ends_every_process_is_told_as_failed_and_one_that_gets_on_is_not(trials: Trials) -> None:
    for _ in range(MOST_KILLED):
        killed = trials.next()
        assert killed is not None
        trials.leases.leave(killed._trial_id)  # as a dead process has it: not left, and free
    assert trials.next() is None
    (failed,) = trials.ended("failed")
    assert "was ended from outside 3 times" in failed.user_attrs[WHY]
    assert trials.leases.take(failed._trial_id), "its row is free"


@pytest.mark.parametrize("gets_on", [True, False])
def test_a_trial_that_is_left_or_keeps_a_checkpoint_goes_on_however_often(trials: Trials, *, gets_on: bool) -> None:
    for _ in range(2 * MOST_KILLED):
        found = trials.next()
        assert found is not None
        if gets_on:
            trials.got_on(found._trial_id)
            trials.leases.leave(found._trial_id)
        else:
            trials.leave(found._trial_id)
    assert not trials.ended("failed")


def test_the_command_that_takes_results_back_holds_no_secrets(tmp_path: Path, trials: Trials) -> None:
    recipe = made(tmp_path)
    space, sound = space_of(recipe, [], {"model.train.rate": Range(low=0.1, high=0.2)}), read(recipe)
    overrides = ["search.trials=1", "clean.data.path=https://me:secret@there/x.csv"]
    trial = trials.study.ask()
    space.suggested(trial)
    trials.study.tell(trial, 1.0)
    at_work = _AtWork("recipe.yaml", overrides, tmp_path, objective_of(sound), space, (), print, trials)
    command = at_work.found(sound).command
    assert command[:3] == ["run", "recipe.yaml", "clean.data.path=https://there/x.csv"]


@pytest.mark.skipif(not Path("/proc/sys/kernel/random/boot_id").is_file(), reason="the system tells no boot")
def test_a_process_of_another_machine_of_the_same_name_is_believed_for_a_while() -> None:
    own = module.this_process()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    other = own.replace(boot, "another")
    assert module._lives(own, module.GRACE + 1)
    assert module._lives(other, module.GRACE - 1)
    assert not module._lives(other, module.GRACE + 1)
