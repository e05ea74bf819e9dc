"""`danlu run RECIPE [stage.key=value ...]`."""

from pathlib import Path
from typing import Annotated

import typer

from danlu.machine.ended import ENDED, JOIN_SECONDS


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
    processes: Annotated[
        int | None, typer.Option(help="start so many processes, which share trainings with 'parallel' in 'train'")
    ] = None,
    join_seconds: Annotated[
        float, typer.Option(help="how long processes wait for each other at the start")
    ] = JOIN_SECONDS,
) -> None:
    """Run a recipe: prepare data, train, evaluate; what is done already is skipped.

    Results go to runs/RECIPE/STAGE, and a report of them to runs/RECIPE/report.html; those of other settings are kept
    in runs/RECIPE/STAGE.FINGERPRINT. With seeds=5, all that trains is done with five seeds. After an interruption, the
    same command goes on where it stopped. Under torchrun, or with --processes, several processes share each training
    that says how ('parallel' in 'train').
    """
    from danlu.machine.ranks import Dismissed, Lost
    from danlu.machine.terminal import say

    if processes is not None:
        from danlu.machine.processes import start

        named = [word for stage in only or [] for word in ("--only", stage)]
        joining = [] if join_seconds == JOIN_SECONDS else ["--join-seconds", f"{join_seconds:g}"]
        words = ["run", recipe, *(overrides or []), *named, "--root", str(root), *["--beside"] * beside, *joining]
        raise typer.Exit(start(processes, words, say))
    try:
        _run(recipe, overrides or [], only, root, join_seconds, beside=beside)
    except Lost as lost:
        say(f"danlu: {lost}", err=True)
        raise typer.Exit(ENDED) from None
    except Dismissed:
        raise typer.Exit(ENDED) from None


def _run(
    recipe: str, overrides: list[str], only: list[str] | None, root: Path, join_seconds: float, *, beside: bool
) -> None:
    from danlu.machine.joining import joined
    from danlu.machine.terminal import say
    from danlu.stages.recipe import read
    from danlu.stages.run import run
    from danlu.stages.together import follow, led, refuse_idle

    with joined(join_seconds) as ranks:
        with ranks.meeting():
            sound = read(recipe, overrides)
            refuse_idle(sound, ranks)
        if not ranks.first:
            follow(sound, root, ranks)
            return
        with led(ranks):
            if sound.seeds > 1:
                from danlu.evaluate.reporting.sections.seeds import seeds_in_words
                from danlu.trials.seeds import run_seeds

                seeded = run_seeds(sound, root, only, say, beside=beside)
                ran = seeded.run
                for line in seeds_in_words(seeded.to_plain(), sound.spoken):
                    say(line)
            else:
                ran = run(sound, root, only, say, beside=beside, ranks=ranks)
    if beside:
        say(f"done: the results are in {', '.join(str(stage.folder) for stage in ran.stages)}")
        return

    from danlu.evaluate.reporting.report import write_report

    say(f"done: {ran.folder}; the report: {write_report(ran.folder, sound.spoken)}")
