"""An examination says what its numbers do not tell: of texts that were written, how many did not end by themselves."""

from danlu.evaluate.reporting.told import told
from danlu.evaluate.scoring.examine import examine
from danlu.task.tasks.classify import Classify
from danlu.task.tasks.rewrite import Rewrite

RECORDS = [{"text": f"one {number}", "target": "two"} for number in range(20)]


def said(cut: int) -> str:
    written = [{"text": "two", "score": 0.5, "ended": "length" if place < cut else "end"} for place in range(20)]
    found = examine(Rewrite(), lambda _records: written, RECORDS, resamples=10)
    assert found.to_plain()["cut"] == cut
    return "\n".join(told(found.to_plain(), "en"))


def test_answers_that_were_cut_are_told_of_from_a_tenth_on() -> None:
    assert "cut at" not in said(0)
    assert "cut at" not in said(1)
    assert "2 of 20 answers were cut at the most tokens that they may have" in said(2)
    assert "20 of 20 answers were cut" in said(20)


def test_tasks_that_write_nothing_tell_nothing_of_it() -> None:
    task = Classify().fitted([{"text": "a", "label": "x"}, {"text": "b", "label": "y"}])
    given = [{"label": "x", "scores": {"x": 0.9, "y": 0.1}}] * 2
    records = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]
    assert "cut" not in examine(task, lambda _records: given, records, resamples=10).to_plain()
