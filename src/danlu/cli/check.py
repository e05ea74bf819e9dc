"""`danlu check RECIPE [stage.key=value ...]`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from danlu.apps.doctor import Checked
    from danlu.task.readable import Row

SHOWN = 700  # characters of a row


def command(
    recipe: Annotated[str, typer.Argument(help="YAML file, or the name of a recipe that comes with danlu")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[STAGE.KEY=VALUE]...", help="values that replace the recipe's")
    ] = None,
    root: Annotated[Path, typer.Option(help="folder of all runs")] = Path("runs"),
    html: Annotated[Path | None, typer.Option(help="write what was found as a page, too")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="only what a run would do with each stage; quick")] = False,
) -> None:
    """Look a recipe over before it runs: its data, what the model will see, time and memory; nothing is changed."""
    from rich.table import Table

    from danlu.language import default, translator
    from danlu.machine.files import refuse_unwritable
    from danlu.machine.terminal import console
    from danlu.stages.recipe import read
    from danlu.stages.run import plan as planned_stages

    if html:
        refuse_unwritable(html)
    checked = read(recipe, overrides or [])
    language = "zh" if checked.language == "zh" else default()
    _ = translator(language)
    table = Table(box=None, pad_edge=False)
    for head in (_("stage"), _("kind"), _("parts"), _("fingerprint"), _("what a run would do")):
        table.add_column(head, overflow="fold")  # Chinese has no spaces to break at, and would be cut off
    told = outlooks(language)
    would = {}
    for planned in planned_stages(checked, root):
        kinds = ", ".join(part_kinds(planned.lock.section)[1:])
        would[planned.name] = told[planned.outlook]
        table.add_row(planned.name, planned.stage.kind, kinds, planned.lock.fingerprint[:12], told[planned.outlook])
    screen = console(goes_on=html is not None)
    read_well = _("{recipe}: all keys of the recipe are known; its results go to {folder}")
    screen.print(read_well.format(recipe=checked.name, folder=root / checked.name))
    screen.print(table)
    if plan:
        return
    from danlu.apps.doctor import diagnose

    found = []
    for stage in diagnose(checked, root):
        found.append(stage)
        show(screen, stage, language)
    if html:
        from danlu.apps.doctor_page import write_page

        write_page(html, checked.name, found, would, language)
        screen.print(_("written to {folder}").format(folder=html))
    stops = [stage.planned.name for stage in found if stage.refused]
    if stops:
        screen.print("\n" + _("a run would stop at: {stages}").format(stages=", ".join(stops)), style="red")
        raise typer.Exit(1)
    screen.print("\n" + _("nothing was found that would stop a run"))


def outlooks(language: str) -> dict[str, str]:
    """What a run would do with a stage, in words."""
    from danlu.language import translator

    _ = translator(language)
    return {
        "run": _("would run"),
        "resume": _("would go on where it was interrupted"),
        "skip": _("done, would be skipped"),
        "redo": _("done, would run again: files of it were deleted"),
        "restore": _("done before, would take its name again"),
        "replace": _("would run; the results of other settings would be kept"),
    }


def part_kinds(section: Any) -> list[str]:
    """The kinds of a section and of all parts in it, from the outside in."""
    if isinstance(section, dict):
        inner = [kind for value in section.values() for kind in part_kinds(value)]
        return [section["kind"], *inner] if isinstance(section.get("kind"), str) else inner
    return [kind for value in section for kind in part_kinds(value)] if isinstance(section, list) else []


def show(screen: "Console", stage: "Checked", language: str) -> None:
    """Print what was found of a stage, where there is something."""
    from danlu.apps.doctor import DataFacts, TrainingFacts
    from danlu.apps.doctor_words import (
        facts_of_data,
        facts_of_training,
        split_names,
        warnings_of_data,
        warnings_of_training,
    )
    from danlu.data.corpus.survey import in_words
    from danlu.evaluate.reporting.wording import in_columns
    from danlu.language import translator

    _ = translator(language)
    if not (stage.found or stage.refused or stage.needs or stage.untaught):
        return
    screen.print(f"\n{stage.planned.name}", style="bold")
    lines, warnings = list[str](), list[str]()
    if stage.needs:
        lines = [_("looked at once the model '{stage}' is trained").format(stage=stage.needs)]
    if stage.untaught:
        lines = [_("not written yet; what reads it is looked at with the texts that are there")]
    if isinstance(stage.found, DataFacts):
        lines = [*in_words(stage.found.survey, language), *in_columns(_counts(stage.found, split_names(_)))]
        lines += [_("{name}: {value}").format(name=name, value=value) for name, value in facts_of_data(stage.found, _)]
        warnings = warnings_of_data(stage.found, _)
    elif isinstance(stage.found, TrainingFacts):
        lines = in_columns([list(pair) for pair in facts_of_training(stage.found, _)])
        warnings = warnings_of_training(stage.found, _)
    for line in lines:
        screen.print(f"  {line}")
    if isinstance(stage.found, TrainingFacts):
        screen.print("  " + _("the first batch as the model sees it; coloured is what the loss counts"), style="dim")
        for row in stage.found.batch:
            screen.print(in_colour(row, _("+ {count} of padding")))
    for warning in warnings:
        screen.print(f"  ! {warning}", style="yellow")
    if stage.refused:
        stops = _("A run would stop here: {why}").format(why=stage.refused)
        screen.print(f"  ! {stops}", style="red")


def in_colour(row: "Row", padding: str) -> "Text":
    """One row of a batch: green is what the loss counts, magenta what has a truth beside it in red, dim the rest."""
    from rich.text import Text

    styles = {"learnt": "green", "context": "dim", "special": "dim cyan"}
    told = Text("  ")
    if row.label:
        told.append(f"{row.label} ", "bold green")
    left = SHOWN
    for piece in row.pieces:
        if left <= 0:
            told.append(" …", "dim")
            break
        style = "bold magenta" if piece.truth else styles[piece.role]
        told.append(piece.text[:left], style + (" underline" if piece.document % 2 else ""))
        if piece.truth:
            told.append(f"⟨{piece.truth}⟩", "red")
        left -= len(piece.text)
    if row.padding:
        told.append(f" {padding.format(count=row.padding)}", "dim")
    return told


def _counts(found: Any, names: dict[str, str]) -> list[list[str]]:
    """Labels by split, the commonest first, at most twelve."""
    splits = list(found.rows)
    labels = list(found.labels.get("train", {}))[:12]
    rows = [[label, *(f"{found.labels[split].get(label, 0):,}" for split in splits)] for label in labels]
    return [["", *(names[split] for split in splits)], *rows]
