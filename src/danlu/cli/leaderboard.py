"""`danlu leaderboard RUN...`."""

from pathlib import Path
from typing import Annotated

import typer

from danlu.language import default


def command(
    runs: Annotated[list[Path], typer.Argument(help="folders of runs, or of evaluations")],
    metric: Annotated[str | None, typer.Option(help="what to order by; else the first of the task")] = None,
    resamples: Annotated[int, typer.Option(help="draws of the bootstrap behind the intervals")] = 1000,
    page: Annotated[Path | None, typer.Option(help="write it as a page of HTML too, in the system's language")] = None,
) -> None:
    """Put all evaluations of the same records in order, and say which are worse than the best beyond chance."""
    from danlu.evaluate.reporting.board import boards_in_words, write_boards
    from danlu.evaluate.scoring.leaderboard import leaderboards
    from danlu.evaluate.scoring.resample import refuse_resamples
    from danlu.machine.door import opened
    from danlu.machine.files import refuse_unwritable
    from danlu.machine.terminal import say, show

    refuse_resamples(resamples)
    if page:
        refuse_unwritable(page)
    with opened(", ".join(map(str, runs)), "cannot be compared", "evaluate again"):
        boards = leaderboards(runs, metric, resamples=resamples)
    for line in boards_in_words(boards, default()):
        show(line)
    if page:
        write_boards(page, boards, default())
        say(str(page), err=True)
