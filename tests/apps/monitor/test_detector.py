"""One alert a change, in both directions, and few where nothing changes."""

import json
import random

import numpy as np
import pytest
from monitor_streams import DAILY

from danlu.apps.monitor.alarm import Alarm
from danlu.apps.monitor.detector import Change, Detector
from danlu.apps.monitor.levels import Levels


def run(
    counts: list[tuple[int, int]], alarm: Alarm = DAILY, detector: Detector | None = None, first: int = 0
) -> list[Change]:
    detector = detector or Detector()
    found = [detector.step(first + step, negatives, texts, alarm) for step, (negatives, texts) in enumerate(counts)]
    return [change for change in found if change is not None]


def drawn(rng: np.random.Generator, steps: int, texts: float, share: float) -> list[tuple[int, int]]:
    counts = rng.poisson(texts, steps)
    return [(int(rng.binomial(count, share)), int(count)) for count in counts]


def test_a_change_is_told_once_and_the_way_back_once_too() -> None:
    rng = np.random.default_rng(5)
    counts = drawn(rng, 40, 40, 0.2) + drawn(rng, 40, 40, 0.4) + drawn(rng, 40, 40, 0.2)
    changes = run(counts)
    assert [change.direction for change in changes] == ["up", "down"]
    up, down = changes
    assert 40 <= up.step < 46
    assert 80 <= down.step < 88
    assert 38 <= up.since <= up.step
    assert up.before == pytest.approx(0.2, abs=0.05)
    assert up.after == pytest.approx(0.4, abs=0.1)
    assert (up.negatives, up.texts) == tuple(np.sum(counts[up.since : up.step + 1], axis=0).tolist())
    assert up.sum > up.threshold


def test_stable_streams_alert_as_rarely_as_is_asked() -> None:
    """200 streams of a month: at 5 % 10 alerts are expected; 18 or more come by chance once in a hundred times."""
    rng = np.random.default_rng(16)
    alarms = 0
    for _ in range(200):
        detector = Detector()
        learn = drawn(rng, 12, 25, 0.2)
        assert not run(learn, detector=detector)
        assert detector.level is not None
        alarms += bool(run(drawn(rng, 30, 25, 0.2), detector=detector, first=12))
    assert 1 <= alarms <= 17


def test_a_state_that_was_kept_goes_on_as_if_it_had_not_been() -> None:
    rng = np.random.default_rng(3)
    counts = drawn(rng, 30, 40, 0.2) + drawn(rng, 30, 40, 0.45)
    whole = run(counts)
    detector, found = Detector(), []
    for step, (negatives, texts) in enumerate(counts):
        detector = Detector(**json.loads(json.dumps(detector.plain())))
        change = detector.step(step, negatives, texts, DAILY)
        found += [change] if change else []
    assert found == whole
    assert len(whole) == 1


def test_steps_without_texts_may_be_left_out_or_told() -> None:
    rng = random.Random(0)
    counts = [(rng.randrange(5), 20) if rng.random() < 0.5 else (0, 0) for _ in range(60)]
    told, left_out = Detector(), Detector()
    for step, (negatives, texts) in enumerate(counts):
        told.step(step, negatives, texts, DAILY)
        if texts:
            left_out.step(step, negatives, texts, DAILY)
    assert told.level == left_out.level
    assert told.sums == left_out.sums
    assert told.texts == sum(texts for _, texts in counts)


def test_one_stream_is_summed_as_many_are() -> None:
    rng = np.random.default_rng(11)
    counts = drawn(rng, 15, 30, 0.3) + drawn(rng, 14, 30, 0.5)  # no month: it would be calibrated anew
    detector = Detector(negatives=90.0, texts=300.0, limits=[1e9, 1e9, 2.0, 0.05], weight=1.0, planned=1e9)
    levels = Levels.of(np.array([90.0]), np.array([300.0]))
    alarm = Alarm(memory=1000, step=86_400)
    for step, (negatives, texts) in enumerate(counts):
        detector.step(step, negatives, texts, alarm)
        levels.step(np.array([float(negatives)]), np.array([float(texts)]), alarm.odds, alarm.memory)
        assert detector.sums == pytest.approx(levels.sums[:, 0].tolist())
        assert detector.run_texts == pytest.approx(levels.run_texts[:, 0].tolist())
        assert detector.run_negatives == pytest.approx(levels.run_negatives[:, 0].tolist())
        assert (detector.negatives, detector.texts) == pytest.approx((levels.negatives[0], levels.texts[0]))
    assert max(detector.sums) > 0


def test_what_is_asked_for_anew_holds_from_the_next_step_on() -> None:
    rng = np.random.default_rng(2)
    detector = Detector()
    run(drawn(rng, 20, 40, 0.2), detector=detector)
    limits, found = detector.limits, detector.found
    detector.sums = [1.5, 0.5]
    rarely = DAILY.model_copy(update={"false_alarms": 0.002})
    detector.step(20, 0, 0, rarely)
    assert detector.limits[0] > limits[0]
    assert (detector.found, detector.sums) == (20, [1.5, 0.5])
    detector.step(21, 0, 0, rarely.model_copy(update={"odds": 3.0}))
    assert detector.sums == [0.0, 0.0]
    former = Detector(**detector.plain() | {"limits": limits[:2], "found": found, "sums": [1.5, 0.5]})
    former.step(22, 0, 0, DAILY)  # nobody knows what its limits are for, which to find anew takes long
    assert (former.found, former.sums) == (found, [1.5, 0.5])
    assert former.limits == [*limits[:2], DAILY.odds, DAILY.false_alarms]


def test_a_step_of_the_past_is_no_step_and_a_detector_can_be_set_back() -> None:
    detector = Detector()
    detector.step(100, 1, 10, DAILY)
    with pytest.raises(ValueError, match="step 100 comes after step 100"):
        detector.step(100, 1, 10, DAILY)
    detector.set_back(50)
    assert detector.step(51, 1, 10, DAILY) is None
    assert detector.texts == 20


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_topic_of_one_kind_of_texts_alone_is_watched_too(share: float) -> None:
    constant = [(round(20 * share), 20)] * 40
    assert run(constant) == []
    turned = run([*constant, *[(20 - round(20 * share), 20)] * 5])
    assert [change.direction for change in turned] == ["up" if share == 0 else "down"]
