"""`danlu compare A B`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from danlu.language import default


def command(
    first: Annotated[Path, typer.Argument(help="folder of an evaluation, or its scores.json")],
    second: Annotated[Path, typer.Argument(help="another one")],
    resamples: Annotated[int, typer.Option(help="draws of the bootstrap behind the intervals")] = 1000,
    changed: Annotated[int, typer.Option(min=0, help="answers of each sort that changed, to be shown")] = 5,
    page: Annotated[Path | None, typer.Option(help="write it as a page of HTML too, in the system's language")] = None,
) -> None:
    """Say how much better the second evaluation is, whether that could be chance, and which answers changed."""
    from danlu.evaluate.reporting.comparison import comparison_in_words, write_comparison
    from danlu.evaluate.scoring.compare import compare
    from danlu.evaluate.scoring.resample import refuse_resamples
    from danlu.machine.files import refuse_unwritable
    from danlu.machine.terminal import say, show

    refuse_resamples(resamples)
    if page:
        refuse_unwritable(page)
    names = _names(first, second)
    found = compare(first, second, resamples=resamples)
    for line in comparison_in_words(found, names, default(), changed):
        show(line)
    if page:
        write_comparison(page, found, names, default())
        say(str(page), err=True)


def _names(first: Path, second: Path) -> tuple[str, str]:
    """The last parts of both paths in which they differ; A and B where they are the same."""
    paths = [Path(os.path.normpath(path.absolute())) for path in (first, second)]  # links keep their names
    folders = [path if path.is_dir() else path.parent for path in paths]
    for one, other in zip(*(reversed(folder.parts) for folder in folders), strict=False):
        if one != other:
            return one, other
    return (first.name, second.name) if first.name != second.name else ("A", "B")
