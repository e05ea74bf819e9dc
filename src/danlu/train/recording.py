"""The recorders of a training, as one consumer of its events."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from danlu.machine.ranks import ALONE, Ranks
from danlu.recipe.part import find
from danlu.train.events import Event, Noticed, Reported, Returned, Validated
from danlu.train.recorder import Recorder, Writer

ALWAYS = ("jsonl",)
"""Recorders that are always there: the report and resuming need `log.jsonl`."""


@contextmanager
def recorded(
    folder: Path, step: int, more: Iterable[Recorder], ranks: Ranks = ALONE
) -> Iterator[Callable[[Event], None]]:
    """Within the block the recorders are open; gives what writes down the lines among the events that it is told.

    They go on after `step` with what an interrupted training has left; likewise where it goes back to an earlier step.
    Of several ranks the first writes.
    """
    recorders = [*(find(Recorder, kind)() for kind in ALWAYS), *more]  # type: ignore[type-abstract]
    recorders = recorders if ranks.first else []
    with ExitStack() as stack:
        writers = list[Writer]()

        def begin(step: int) -> None:
            stack.pop_all().close()
            writers[:] = [stack.enter_context(closing(recorder.open(folder, step))) for recorder in recorders]

        def record(event: Event) -> None:
            if isinstance(event, Returned):
                begin(event.step)
            if isinstance(event, Reported | Validated | Noticed | Returned):
                for writer in writers:
                    writer.write(event.line)

        begin(step)
        yield record
