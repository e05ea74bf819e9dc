"""A training tells what happens; whoever looks may stop it at any event, and it goes on to the same bits."""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from danlu.train.events import Best, Ended, Event, Reported, Saved, Stepped, Stopped, Validated
from danlu.train.recorders.jsonl import read
from danlu.train.run import TrainingRun, Validation
from danlu.tuning.method import Method

SCORES = {2: 0.3, 4: 0.9, 6: 0.5, 7: 0.4}  # by the step at which the model is looked at
TOLD = ["Stepped", "Reported", "Saved"]
ALL = [*TOLD, *TOLD[:2], "Validated", "Saved"]  # of two steps


Made = Callable[..., TrainingRun]


@pytest.fixture(scope="module")
def a_run(made_run: Callable[..., TrainingRun]) -> Made:
    """A function that makes the training of seven steps, looked at after every other one and after the last."""

    def make(folder: Path, **fields: Any) -> TrainingRun:
        torch.manual_seed(3)
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        config = BertConfig(vocab_size=60, max_position_embeddings=16, num_labels=3, **sizes)
        plain = {"steps": 7, "evaluate": 2, "average": 0.5, "checkpoint_seconds": 1e-9}
        method = Method.model_validate("full")
        return made_run(method.apply(BertForSequenceClassification(config)), method, folder, **(plain | fields))

    return make


def looked_at(run: TrainingRun) -> Validation:
    return Validation(lambda: {"score": SCORES[run.state.step]}, "score", higher_is_better=True)


def names(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def same(one: Best, other: Best) -> bool:
    equal = all(torch.equal(value, other.weights[name]) for name, value in one.weights.items())
    return equal and (one.step, one.score) == (other.step, other.score)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, a_run: Made) -> SimpleNamespace:
    run = a_run(tmp_path_factory.mktemp("unbroken"))
    events = list(run.events(looked_at(run)))
    assert isinstance(events[-1], Ended)
    return SimpleNamespace(events=events, best=events[-1].best)


def test_every_event_comes_in_its_place(unbroken: SimpleNamespace) -> None:
    events = unbroken.events
    assert names(events) == [*ALL * 3, *ALL[:2], "Validated", "Saved", "Ended"]
    assert [event.step.number for event in events if isinstance(event, Stepped)] == list(range(7))
    assert [event.line["step"] for event in events if isinstance(event, Reported)] == list(range(1, 8))
    told = {event.line["step"]: event.line["validation"]["score"] for event in events if isinstance(event, Validated)}
    assert told == SCORES
    assert [event.stale for event in events if isinstance(event, Validated)] == [0, 0, 1, 2]
    assert (unbroken.best.step, unbroken.best.score) == (4, 0.9)


@pytest.mark.parametrize(("leave", "numbers"), [("checkpoint", range(7, 14)), ("best", [8, 12, 23])])
def test_a_training_stopped_at_any_event_goes_on_to_the_same_bits(
    tmp_path: Path, a_run: Made, unbroken: SimpleNamespace, leave: str, numbers: Sequence[int]
) -> None:
    """At each of those of two steps."""
    for number in numbers:
        folder = tmp_path / str(number)
        run = a_run(folder)
        seen: list[Event] = []
        with closing(run.events(looked_at(run))) as events:
            for event in events:
                seen.append(event)
                if len(seen) == number + 1:
                    run.stop(leave)  # type: ignore[arg-type]
        assert isinstance(seen[-1], Ended) is (leave == "best")
        assert names(seen).count("Stepped") == run.state.step <= 7
        assert run.stopped is (run.state.step < 7)
        assert any(folder.glob("checkpoints/step-*"))
        if isinstance(seen[-1], Ended) and run.state.step >= 4:
            assert same(seen[-1].best, unbroken.best)
        again = a_run(folder)
        (*_, last) = again.events(looked_at(again))
        assert isinstance(last, Ended)
        assert same(last.best, unbroken.best)


def test_who_watches_gets_each_event_after_it_was_written_down(
    tmp_path: Path, a_run: Made, unbroken: SimpleNamespace
) -> None:
    run, seen = a_run(tmp_path), list[Event]()

    def watch(event: Event) -> None:
        seen.append(event)
        if isinstance(event, Reported | Validated):
            assert read(tmp_path / "log.jsonl")[-1] == event.line

    assert same(run.train("run", looked_at(run), watch), unbroken.best)
    assert names(seen) == names(unbroken.events)[:-1]
    assert not run.stopped


def test_who_watches_stops_it_with_what_it_is_to_leave(tmp_path: Path, a_run: Made, unbroken: SimpleNamespace) -> None:
    def at(step: int, leave: str) -> Callable[[Event], Any]:
        return lambda event: leave if isinstance(event, Stepped) and event.step.number + 1 >= step else None

    run = a_run(tmp_path, checkpoint_seconds=1e9)
    with pytest.raises(Stopped, match="run: stopped at step 2; the same call goes on from there"):
        run.train("run", looked_at(run), at(2, "checkpoint"))
    run = a_run(tmp_path, checkpoint_seconds=1e9)
    assert run.state.step == 2
    best = run.train("run", looked_at(run), at(3, "best"))
    assert (best.step, best.score, run.stopped) == (2, 0.3, True)
    assert [line["step"] for line in read(tmp_path / "log.jsonl")] == [1, 2, 2, 3]
    run = a_run(tmp_path, checkpoint_seconds=1e9)
    assert same(run.train("run", looked_at(run)), unbroken.best)
    assert [line["step"] for line in read(tmp_path / "log.jsonl")] == [1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 7]


def test_patience_ends_it_and_nothing_was_stopped(tmp_path: Path, a_run: Made) -> None:
    run = a_run(tmp_path, patience=1)
    events = []
    for event in run.events(looked_at(run)):
        events.append(event)
        if isinstance(event, Validated) and event.stale:
            run.stop("checkpoint")
    assert names(events)[-2:] == ["Validated", "Ended"]
    assert (run.state.step, run.stopped) == (6, False)


def test_nothing_runs_on_once_it_is_closed(tmp_path: Path, a_run: Made) -> None:
    before = threading.active_count()
    run = a_run(tmp_path)
    with closing(run.events()) as events:
        assert isinstance(next(events), Stepped)
        assert threading.active_count() > before
    assert threading.active_count() == before
    assert not any(isinstance(event, Saved) for event in events)
