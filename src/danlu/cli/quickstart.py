"""`danlu quickstart`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from danlu.apps.quickstart import Outcome


MOST_MINUTES = 10_000

WIDTH = 124
"""Columns of the table where no terminal says how many there are."""


def command(
    *,
    minutes: Annotated[float, typer.Option(help="about how long the training may take on two cores")] = 8.0,
    ablate: Annotated[bool, typer.Option(help="also train both models without the pretraining")] = False,
    root: Annotated[Path, typer.Option(help="folder of all runs")] = Path("runs"),
    language: Annotated[str | None, typer.Option(help="en or zh; as the terminal's")] = None,
) -> None:
    """Train and try two models on real Chinese text: entities in the news, sentiment of reviews.

    Everything is done here, without a download: survey, tokenizer, pretraining, fine-tuning, evaluation beside
    classical baselines, predictions, report. Run again, it goes on where it was interrupted.
    """
    from danlu.apps.quickstart import quickstart
    from danlu.language import LANGUAGES, default, told_in
    from danlu.machine.terminal import console, say
    from danlu.refusal import Refusal

    chosen = language or default()
    if not 0 < minutes <= MOST_MINUTES:
        raise Refusal(f"--minutes is {minutes:g}; give a number above 0, at most {MOST_MINUTES:,}")
    if chosen not in LANGUAGES:
        raise Refusal(f"--language is '{chosen}'; there are: {', '.join(LANGUAGES)}")
    screen = console(goes_on=True)
    screen = screen if screen.is_terminal else console(goes_on=True, width=WIDTH)
    with told_in(chosen):
        outcome = quickstart(minutes=minutes, ablate=ablate, root=root, language=chosen, say=say)
    _show(screen, outcome, chosen)


def _show(screen: "Console", outcome: "Outcome", language: str) -> None:
    from rich.table import Table

    from danlu.apps.quickstart import verdict, what_answers, why_not_better
    from danlu.evaluate.reporting.wording import between, metric_name, signed
    from danlu.language import translator

    _ = translator(language)
    table = Table(title=_("On texts that no model has seen"), title_justify="left", caption_justify="left")
    table.caption = _("In brackets: 95 % bootstrap intervals.")
    for heading in (_("model"), _("metric"), "danlu", _("baseline"), _("difference"), _("verdict")):
        table.add_column(heading, no_wrap=True)
    for row in outcome.rows:
        baseline = f"{row.baseline['value']:.3f} {row.kind}"
        gap = f"{signed(row.difference['value'])} ({between(row.difference, signed)})"
        name = metric_name(row.metric, _)
        table.add_row(row.name, name, f"{row.model['value']:.3f}", baseline, gap, verdict(row, language))
    screen.print(table)
    for told in (what_answers(outcome.weight, language), why_not_better(outcome.rows, language)):
        if told:
            screen.print(told, soft_wrap=True)
    screen.print(_("New sentences:"))
    for text, answer in outcome.answers:
        screen.print(f"  {text}\n    -> {'  '.join(answer) or '-'}")
    folder = outcome.folder
    screen.print(_("{minutes:.1f} minutes. Next:").format(minutes=outcome.seconds / 60))
    for line, why in (
        (str(outcome.report), _("open it in a browser: curves, errors, data")),
        (f"danlu predict {folder / 'sentiment' / 'bundle'} --text 很喜欢", _("ask the model")),
        (f"danlu verify {folder / 'entities' / 'bundle'}", _("check that a bundle answers as it did")),
        ("danlu list", _("everything that a recipe can be made of")),
    ):
        screen.print(f"  {line}   # {why}", soft_wrap=True)
