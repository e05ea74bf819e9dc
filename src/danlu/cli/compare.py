"""`danlu compare A B`."""

from pathlib import Path
from typing import Annotated

import typer

from danlu.language import default


def command(
    first: Annotated[Path, typer.Argument(help="folder of an evaluation, or its scores.json")],
    second: Annotated[Path, typer.Argument(help="another one")],
    resamples: Annotated[int, typer.Option(help="draws of the bootstrap behind the intervals")] = 1000,
) -> None:
    """Say how much better the second evaluation is, and whether that could be chance."""
    from danlu.evaluate.reporting.wording import comparison_in_words
    from danlu.evaluate.scoring.compare import compare
    from danlu.evaluate.scoring.resample import refuse_resamples
    from danlu.machine.terminal import show

    refuse_resamples(resamples)
    names = ("A", "B") if first.name == second.name else (first.name, second.name)
    for line in comparison_in_words(compare(first, second, resamples=resamples), names, default()):
        show(line)
