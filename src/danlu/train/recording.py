"""The recorders of a training, as one consumer of its events."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from danlu.machine.ranks import ALONE, Ranks
from danlu.recipe.part import find
from danlu.train.events import Event, Reported, Validated
from danlu.train.recorder import Recorder

ALWAYS = ("jsonl",)
"""Recorders that are always there: the report and resuming need `log.jsonl`."""


@contextmanager
def recorded(
    folder: Path, step: int, more: Iterable[Recorder], ranks: Ranks = ALONE
) -> Iterator[Callable[[Event], None]]:
    """Within the block the recorders are open; gives what writes down the lines among the events that it is told.

    They go on after `step` with what an interrupted training has left. Of several ranks the first writes.
    """
    recorders = [*(find(Recorder, kind)() for kind in ALWAYS), *more]  # type: ignore[type-abstract]
    recorders = recorders if ranks.first else []
    with ExitStack() as stack:
        writers = [stack.enter_context(closing(recorder.open(folder, step))) for recorder in recorders]

        def record(event: Event) -> None:
            if isinstance(event, Reported | Validated):
                for writer in writers:
                    writer.write(event.line)

        yield record
