"""`danlu bakeoff RECIPE --methods full,lora,... [stage.key=value ...]`."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    recipe: Annotated[str, typer.Argument(help="YAML file, or the name of a recipe that comes with danlu")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[STAGE.KEY=VALUE]...", help="values that replace the recipe's")
    ] = None,
    *,
    methods: Annotated[
        str, typer.Option(help="methods of tuning: full,lora,... each with settings if wanted, as in lora:rank=4")
    ],
    seeds: Annotated[
        int | None, typer.Option(min=1, max=1000, help="so many trainings of each method; as the recipe says")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="which stage that trains; the last one as a rule")] = None,
    root: Annotated[Path, typer.Option(help="folder of all runs")] = Path("runs"),
) -> None:
    """Compare methods of tuning on one recipe: quality, parameters, memory, time, size on disk.

    A setting that begins with 'train.' is one of the training: lora:rank=4:train.rate=1e-3. The table goes to
    runs/RECIPE/bakeoff.json and bakeoff.html too. After an interruption, the same command goes on where it stopped.
    """
    from danlu.language import default
    from danlu.machine.terminal import say, show
    from danlu.trials.bakeoff import bakeoff, split_methods
    from danlu.trials.bakeoff_page import NAME, bakeoff_in_words, write_page

    baked = bakeoff(recipe, split_methods(methods), overrides or [], root, say, seeds=seeds, stage=stage)
    language = "zh" if baked.recipe.language == "zh" else default()
    for line in bakeoff_in_words(baked, language):
        show(line)
    path = root / baked.recipe.name / NAME
    write_page(path, baked, language)
    say(f"done: the results are in {path}")
