"""A prompt examined on records with the truth, and two prompts beside each other on the same records."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from danlu.data.record import Record
from danlu.evaluate.scoring.compare import Compared, compared_sides
from danlu.evaluate.scoring.examine import Examination, examine
from danlu.evaluate.scoring.metric import measures
from danlu.evaluate.scoring.score import filled
from danlu.evaluate.scoring.side import Side
from danlu.prompt.answering import Told, answered
from danlu.prompt.forms import form_of
from danlu.prompt.rewritten import rewritten
from danlu.prompt.scorer import Scorer
from danlu.prompt.shots import Shots
from danlu.refusal import Refusal
from danlu.task.rewritten import as_given
from danlu.task.task import Prediction, Task
from danlu.text.prompting.template import PromptTemplate


@dataclass
class Examined:
    """What came of a prompt.

    - `task`: whose answers are asked for.
    - `found`: scores, the worst errors and the answers of all records.
    - `told`: what the model said of the first records.
    - `raw`: the answers without calibration; None where the template does not calibrate.
    - `beyond`: records whose right answers are none of those that could be given.
    """

    task: Task
    found: Examination
    told: list[Told]
    left_out: int
    raw: Side | None = None
    beyond: int = 0


@dataclass
class _Watched:
    """Predictions as they come, said of the records as they were given; the first are kept whole."""

    told: Iterator[Told]
    given: Callable[[Prediction, int, Told], Prediction]
    most: int
    seen: Callable[[int], object]
    first: list[Told] = field(default_factory=list)
    raw: list[Prediction] = field(default_factory=list)
    beyond: int = 0

    def __iter__(self) -> Iterator[Prediction]:
        for each in self.told:
            if len(self.first) < self.most:
                self.first.append(each)
            number = len(self.raw)
            self.beyond += not each.form.offers(each.words, each.record, number)
            self.raw.append(self.given(each.prediction(raw=True), number, each))
            self.seen(len(self.raw))
            yield self.given(each.prediction(), number, each)


def examine_prompt(
    scorer: Scorer,
    template: PromptTemplate,
    records: Sequence[Record],
    pool: Sequence[Record] = (),
    *,
    pool_name: str = "the examples",
    shown: int = 1,
    metrics: Sequence[str] = (),
    resamples: int = 1000,
    seen: Callable[[int], object] = lambda _count: None,
) -> Examined:
    """Put each record to the model, and score the answers; what is said of the first `shown` records is kept.

    `seen` is told after each record how many are answered.

    Raises:
        Refusal: a record lacks a column or has a label without a word, there are too few examples in `pool`, or a
            prompt is too long.
    """
    form = form_of(template, records)
    truths = with_truths(template, records)
    asked, task = rewritten(template, truths, scorer.rewriters), form.task
    shots = Shots(template, rewritten(template, pool, scorer.rewriters), asked, pool_name)

    def given(prediction: Prediction, number: int, told: Told) -> Prediction:
        column = template.answer_column
        return as_given(prediction, truths[number], told.record, scorer.rewriters, task.examined_form, column)

    watched = _Watched(answered(scorer, template, asked, shots, form), given, shown, seen)
    found = examine(task, lambda _: iter(watched), truths, metrics=metrics, resamples=resamples)
    raw = None
    if template.calibrate:
        raw = filled(task, found.side.gold, watched.raw, measures([*task.metrics, *metrics], task.examined_as))
    return Examined(task, found, watched.first, shots.left_out, raw, watched.beyond)


def with_truths(template: PromptTemplate, records: Sequence[Record]) -> list[Record]:
    """The records with their truths as the task reads them whose answers are asked for.

    Raises:
        Refusal: one lacks what the template's slots need, has no truth, or a label without a word.
    """
    for number, record in enumerate(records):
        template.values(record, f"record {number + 1:,}")
    form = form_of(template, records)
    return [form.truth(record, number) for number, record in enumerate(records)]


def compare_sides(task: Task, one: Side, two: Side, metrics: Sequence[str] = (), resamples: int = 1000) -> Compared:
    """How much better the second answered the same records of a task, resampled record by record."""
    measured = measures([*task.metrics, *metrics], task.examined_as)
    return Compared(paired=True, metrics=compared_sides(measured, one, two, resamples=resamples))


def compare_prompts(
    scorer: Scorer,
    templates: tuple[PromptTemplate, PromptTemplate],
    records: Sequence[Record],
    pool: Sequence[Record] = (),
    **how: Any,
) -> tuple[Compared, list[Examined]]:
    """Two prompts on the same records: the comparison, and what came of each; `how` goes to `examine_prompt`.

    Raises:
        Refusal: their labels differ; see `examine_prompt`.
    """
    one, two = templates
    if one.asks != two.asks:
        raise Refusal(
            f"the two templates ask for other answers ({{{one.asks}}} and {{{two.asks}}}); give two of the same"
        )
    if set(one.labels) != set(two.labels):
        raise Refusal(
            f"the two templates choose between other labels ({', '.join(one.labels)}; {', '.join(two.labels)}); give "
            "both a word for the same labels"
        )
    second = two.model_copy(update={"verbalizer": {label: two.verbalizer[label] for label in one.labels}})
    examined = [examine_prompt(scorer, each, records, pool, **how) for each in (one, second)]
    first, other = (each.found.side for each in examined)
    more = how.get("metrics", ()), how.get("resamples", 1000)
    return compare_sides(examined[0].task, first, other, *more), examined
