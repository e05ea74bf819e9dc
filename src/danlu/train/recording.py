"""The recorders of a training, as one consumer of its events."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from danlu.machine.hub import first_line
from danlu.machine.ranks import ALONE, Ranks
from danlu.model.source import Say, unsaid
from danlu.recipe.part import find
from danlu.refusal import without_secrets
from danlu.train.events import Ended, Event, Noticed, Reported, Returned, Stopped, Validated
from danlu.train.recorder import Outcome, Recorder, Writer

ALWAYS = "jsonl"
"""The recorder that is always there: the report and resuming need `log.jsonl`, so without it no training goes on."""


@contextmanager
def recorded(
    folder: Path, step: int, more: Iterable[Recorder], ranks: Ranks = ALONE, say: Say = unsaid
) -> Iterator[Callable[[Event], None]]:
    """Within the block the recorders are open; gives what writes down the lines among the events that it is told.

    They go on after `step` with what an interrupted training has left; likewise where it goes back to an earlier step.
    Of several ranks the first writes. A recorder of `more` that fails is told once, and left.
    """
    always = find(Recorder, ALWAYS)()  # type: ignore[type-abstract]
    recording = _Recording(folder, [always, *more] if ranks.first else [], say)
    recording.open(step)
    try:
        yield recording.record
    except (KeyboardInterrupt, Stopped):
        recording.close("interrupted")
        raise
    except BaseException:
        recording.close("failed")
        raise
    recording.close("done" if recording.ended else "interrupted")


class _Recording:
    """Recorders that are open, and those that have failed."""

    def __init__(self, folder: Path, recorders: list[Recorder], say: Say) -> None:
        self._folder, self._recorders, self._say = folder, dict(enumerate(recorders)), say
        self._writers: dict[int, Writer] = {}  # by place, as recorders may be equal, and hold what has no hash
        self.ended = False

    def open(self, step: int) -> None:
        for place in [*self._recorders]:
            self._do(
                place, lambda place: self._writers.update({place: self._recorders[place].open(self._folder, step)})
            )

    def record(self, event: Event) -> None:
        if isinstance(event, Returned):
            self.close("returned")
            self.open(event.step)
        if isinstance(event, Reported | Validated | Noticed | Returned):
            for place in [*self._writers]:
                self._do(place, lambda place: self._writers[place].write(event.line))
        if isinstance(event, Ended):
            self.ended = not event.early

    def close(self, outcome: Outcome) -> None:
        writers, self._writers = self._writers, {}
        for place, writer in writers.items():
            self._do(place, lambda _, writer=writer: writer.close(outcome))  # type: ignore[misc]

    def _do(self, place: int, deed: Callable[[int], object]) -> None:
        try:
            deed(place)
        except Exception as error:
            kind = self._recorders[place].kind
            if kind == ALWAYS:
                raise
            del self._recorders[place]
            self._writers.pop(place, None)
            why = without_secrets(first_line(error))
            self._say(
                f"the recorder '{kind}' has failed ({why}); the training goes on without it, and log.jsonl "
                "has every line"
            )
