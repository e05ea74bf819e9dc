"""An answer form, a metric and a task from another package: found by their entry points, scored, shown and written."""

import csv
import io
import json

import pytest

from danlu.answer.answer import Answer
from danlu.answer.sheet import Sheet
from danlu.evaluate.reporting.report import write_report
from danlu.evaluate.scoring.compare import compare
from danlu.evaluate.scoring.examine import examine, write
from danlu.evaluate.scoring.metric import Metric
from danlu.evaluate.scoring.score import score
from danlu.recipe import lock
from danlu.recipe.part import find, kinds
from danlu.stages.kinds.prepare import Prepare
from danlu.task.task import Task

CLOCK = '''
"""A time of the day: `{"minutes": 605}`."""

from danlu.answer.answer import Answer
from danlu.answer.shown import Headings, cell


def apart(one, other):
    return min((one - other) % 1440, (other - one) % 1440)


class Clock(Answer):
    """Minutes since midnight, which goes round."""

    def value(self, prediction):
        return int(prediction["minutes"])

    def plain(self, value):
        return f"{value // 60:02}:{value % 60:02}"

    def read(self, plain):
        hours, minutes = plain.split(":")
        return 60 * int(hours) + int(minutes)

    def wrong(self, truth, prediction):
        return apart(truth, self.value(prediction)), 0.0

    def short(self, prediction):
        return [self.plain(self.value(prediction))]

    def headings(self, _):
        return Headings("the times that are furthest off", ("text", "truth", "answer"))

    def cells(self, text, gold, prediction, wrong, surely):
        return [cell("text", text), cell("truth", gold), cell("answer", *self.short(prediction))]
'''
LATENESS = '''
"""How many minutes the answers are off."""

from typing import ClassVar

from danlu.evaluate.scoring.metric import MeanMetric


class Lateness(MeanMetric):
    """Mean minutes between the answer and the truth, the short way round."""

    higher_is_better: ClassVar[bool] = False
    forms: ClassVar[tuple[str, ...]] = ("clock",)

    def of_each(self, side):
        return (side.form.wrong(true, {"minutes": given})[0] for true, given in zip(side.gold, side.values))
'''
TIMES = '''
"""When something happens."""

from typing import ClassVar

from danlu.task.tasks.causal_lm import CausalLm


class Times(CausalLm):
    """The time of the day that a text tells."""

    answer_form: ClassVar[str] = "clock"
    metrics: ClassVar[tuple[str, ...]] = ("lateness", "accuracy")

    def gold(self, record, number=0):
        return record["minutes"]
'''
PARTS = {
    "danlu.answers": {"clock": CLOCK},
    "danlu.metrics": {"lateness": LATENESS},
    "danlu.tasks": {"times": TIMES},
}
RECORDS = [{"text": f"at {place}", "minutes": 60 * place} for place in range(24)]


@pytest.fixture(scope="module")
def outside(joined):
    return joined(PARTS)


def said(minutes):
    return [{"minutes": (record["minutes"] + minutes) % 1440} for record in RECORDS]


def test_they_are_listed_beside_ours(outside):
    assert "clock" in kinds(Answer)
    assert find(Metric, "lateness").__doc__.startswith("Mean minutes")


def test_a_task_with_a_form_of_its_own_is_scored_reported_and_compared(outside, tmp_path):
    task = Task.model_validate("times")
    section = Prepare.model_validate({"data": {"kind": "text", "path": "none.txt"}})
    for name, minutes in (("late", 90), ("early", -30)):
        found = examine(task, lambda _, late=minutes: said(late), RECORDS, resamples=100)
        assert found.scores.metrics["lateness"].interval.value == abs(minutes)
        assert found.scores.metrics["accuracy"].interval.value == 0
        write(tmp_path / name, found)
        lock.save(tmp_path / name, lock.lock(name, section, 0, {}).done(1.0, tmp_path / name))
    (line, *_) = (tmp_path / "late" / "answers.jsonl").read_text().splitlines()
    assert {"gold": "00:00", "answer": "01:30"}.items() <= json.loads(line).items()
    compared = compare(tmp_path / "late", tmp_path / "early")
    assert compared.paired
    assert compared.metrics[0].difference.value == -60
    assert compared.metrics[0].better is True
    page = write_report(tmp_path, "en").read_text(encoding="utf-8")
    assert "the times that are furthest off" in page
    assert "<td" in page
    assert "23:30" in page
    assert score(task, RECORDS, said(0), resamples=100).metrics["lateness"].interval.high == 0


def test_its_answers_are_lines_and_columns(outside):
    form = find(Answer, "clock")()
    assert form.line({"minutes": 605}, "at ten\npast ten") == "10:05\tat ten\\npast ten"
    rows = list(csv.reader(io.StringIO(Sheet(form).rows({"text": "x"}, {"minutes": 605}))))
    assert rows == [["text", "predicted_minutes"], ["x", "605"]]
