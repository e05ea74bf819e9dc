"""`danlu init TASK DATA [key=value ...]`."""

from pathlib import Path
from typing import Annotated

import typer

OF_TRAINING = ("tuning", "train", "retain", "teacher")
"""Keys of the stage `model` that no format has."""


def command(
    task: Annotated[str, typer.Argument(help="what is to be learnt, such as classify or tag; see danlu list task")],
    data: Annotated[
        str, typer.Argument(help="a file, a pattern, a zip, or a folder, perhaps with train, dev and test")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="what is known better than guessed: text=NAME or label=0, a column by name or by number; "
            "validation=PATH and test=PATH, or none; kind, encoding and other keys of the format",
        ),
    ] = None,
    *,
    model: Annotated[
        str | None, typer.Option(help="a pretrained model: folder or name on the hub; or scratch for a fresh one")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "--out", help="recipe to write; as the data is called")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="write over a recipe that is there already")] = False,
    language: Annotated[str | None, typer.Option(help="en or zh; as the terminal's")] = None,
) -> None:
    """Look at data and write a recipe that runs on it: prepare, train, evaluate.

    Nothing is asked. What was guessed is told, and stands as comments in the recipe, each with the way to change it.
    """
    from danlu.apps.init import init
    from danlu.language import LANGUAGES, default, translator
    from danlu.machine.terminal import console, say
    from danlu.refusal import Refusal

    chosen = language or default()
    if chosen not in LANGUAGES:
        raise Refusal(f"--language is '{chosen}'; there are: {', '.join(LANGUAGES)}")
    for setting in settings or ():
        if setting.partition("=")[0].partition(".")[0] in OF_TRAINING:
            raise Refusal(
                f"{setting}: is of the training and not of the file; give it then: danlu run RECIPE model.{setting}"
            )
    _ = translator(chosen)
    written = init(task, data, settings or (), model=model, output=output, force=force, language=chosen)
    screen = console(goes_on=True)
    for what, how in written.guesses:
        screen.print(f"· {what}")
        if how:
            screen.print(f"    → {how}", style="dim")
    say(
        _("to change a guess: edit {path}, or {command} --force KEY=VALUE").format(
            path=written.path, command=written.again
        )
    )
    say(_("written to {folder}").format(folder=written.path))
    say(_("look it over: danlu check {path}").format(path=written.path))
    say(_("then run it:  danlu run {path}").format(path=written.path))
