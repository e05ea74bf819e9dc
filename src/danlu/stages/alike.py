"""A model that answers all it is validated on alike has learnt next to nothing, and its loss may well have fallen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from danlu.data.record import Record
from danlu.evaluate.reporting.wording import alike_in_words
from danlu.evaluate.scoring.alike import Alike
from danlu.evaluate.scoring.score import values_and_alike
from danlu.language import translator
from danlu.stages.stage import Place
from danlu.task.task import Prediction, Task
from danlu.train.events import Event, Leave, Validated, Watch


@dataclass
class SaidAlike:
    """What was alike at the validations of one training, by their steps; None where answers differed."""

    _newest: tuple[Alike, int] | None = None
    _at: dict[int, tuple[Alike, int] | None] = field(default_factory=dict)

    def values(self, task: Task, records: Sequence[Record], predictions: Iterable[Prediction]) -> dict[str, float]:
        """The metrics of a validation."""
        found, alike = values_and_alike(task, records, predictions)
        self._newest = None if alike is None else (alike, len(records))
        return found

    def watching(self, watch: Watch) -> Watch:
        """What looks at the events of a training as `watch` does, and remembers how it was at which step."""

        def look(event: Event) -> Leave | None:
            if isinstance(event, Validated):
                self._at[event.line["step"]] = self._newest
            return watch(event)

        return look

    def tell(self, place: Place, step: int, rate: float, steps: int) -> None:
        """Say so of the best step, whose weights will serve, and what is likely to help.

        Of a step before an interruption nothing is known any more, and the newest validation stands for it.
        """
        found = self._at.get(step, self._newest)
        if found is None:
            return
        alike, records = found
        _ = translator(place.language)
        advice = _(
            "it has learnt next to nothing: try a lower or a higher 'rate' than {rate:g}, more steps than {steps:,}, "
            "or a longer 'warmup'"
        )
        said = alike_in_words(alike.to_plain(), records, _)
        told = _("{said}; {advice}").format(said=said, advice=advice.format(rate=rate, steps=steps))
        place.say(f"{place.name}: {told}")
