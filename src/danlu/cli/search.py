"""`danlu search RECIPE [stage.key=value ...]`."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    recipe: Annotated[str, typer.Argument(help="YAML file with a section 'search'")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[STAGE.KEY=VALUE]...", help="values that replace the recipe's")
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="how many settings are tried, all calls together")] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="sqlite:///FILE, or postgresql://USER@MACHINE/DATABASE for several machines"),
    ] = None,
    root: Annotated[Path, typer.Option(help="folder of all runs")] = Path("runs"),
    page: Annotated[bool, typer.Option("--page", help="run nothing; tell what is there, and write the page")] = False,
) -> None:
    """Try many settings of a recipe, and tell which are best; what was interrupted goes on.

    What is tried stands under 'search' in the recipe. Trials are kept in runs/RECIPE/search.db, and told in
    search.html beside it. Any number of processes may be at one search; the same command joins it.
    """
    from danlu.language import default
    from danlu.machine.terminal import say
    from danlu.trials.search import command_line, search
    from danlu.trials.search_page import NAME, write_page

    given = [*(overrides or []), *([f"search.trials={trials}"] if trials is not None else [])]
    found = search(recipe, given, root, storage, say, run_trials=not page)
    path = root / found.recipe.name / NAME
    write_page(path, found, "zh" if found.recipe.language == "zh" else default())
    if found.best is not None:
        say(f"best: trial {found.best.number} of {len(found.trials)}, {found.objective.metric} {found.best.value:.4f}")
        say(f"its results: {command_line(found.command)}")
    say(f"done: the results are in {path}")
