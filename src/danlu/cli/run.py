"""`danlu run RECIPE [stage.key=value ...]`."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    recipe: Annotated[str, typer.Argument(help="YAML file, or the name of a recipe that comes with danlu")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[STAGE.KEY=VALUE]...", help="values that replace the recipe's")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="run this stage alone; may be given again")] = None,
    root: Annotated[Path, typer.Option(help="folder of all runs")] = Path("runs"),
    beside: Annotated[
        bool, typer.Option("--beside", help="rename nothing: new results go beside those of other settings")
    ] = False,
) -> None:
    """Run a recipe: prepare data, train, evaluate; what is done already is skipped.

    Results go to runs/RECIPE/STAGE, and a report of them to runs/RECIPE/report.html; those of other settings are kept
    in runs/RECIPE/STAGE.FINGERPRINT. With seeds=5, all that trains is done with five seeds. After an interruption, the
    same command goes on where it stopped.
    """
    from danlu.machine.terminal import say
    from danlu.stages.recipe import read
    from danlu.stages.run import run

    sound = read(recipe, overrides or [])
    if sound.seeds > 1:
        from danlu.evaluate.reporting.sections.seeds import seeds_in_words
        from danlu.trials.seeds import run_seeds

        seeded = run_seeds(sound, root, only, say, beside=beside)
        ran = seeded.run
        for line in seeds_in_words(seeded.to_plain(), sound.language):
            say(line)
    else:
        ran = run(sound, root, only, say, beside=beside)
    if beside:
        say("done: " + ", ".join(str(stage.folder) for stage in ran.stages))
        return

    from danlu.evaluate.reporting.report import write_report

    say(f"done: {ran.folder}; the report: {write_report(ran.folder, sound.language)}")
