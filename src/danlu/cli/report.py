"""`danlu report RUN`."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from danlu.language import default


class Language(Enum):
    """The languages of reports."""

    en = "en"
    zh = "zh"


def command(
    run: Annotated[Path, typer.Argument(help="folder of a run, runs/NAME")],
    language: Annotated[Language | None, typer.Option(help="as the system is set")] = None,
) -> None:
    """Write report.html: curves, scores, errors, data and recipe of a run, in one file."""
    from danlu.evaluate.reporting.report import write_report
    from danlu.machine.terminal import say

    say(str(write_report(run, language.value if language else default())))
