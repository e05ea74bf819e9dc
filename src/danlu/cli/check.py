"""`danlu check RECIPE [stage.key=value ...]`."""

from pathlib import Path
from typing import Annotated, Any

import typer

MEANS = {
    "run": "would run",
    "resume": "would go on where it was interrupted",
    "skip": "done, would be skipped",
    "restore": "was done before; its results, which were moved aside, would be taken back",
    "replace": "would run; older results would be moved aside",
}


def command(
    recipe: Annotated[str, typer.Argument(help="YAML file, or the name of a recipe that comes with danlu")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[STAGE.KEY=VALUE]...", help="values that replace the recipe's")
    ] = None,
    root: Annotated[Path, typer.Option(help="folder of all runs")] = Path("runs"),
) -> None:
    """Read a recipe and show what a run would do, without doing it."""
    from rich.console import Console
    from rich.table import Table

    from danlu.stages.recipe import read
    from danlu.stages.run import plan

    checked = read(recipe, overrides or [])
    table = Table("stage", "kind", "parts", "fingerprint", "what a run would do", box=None, pad_edge=False)
    for planned in plan(checked, root):
        kinds = ", ".join(part_kinds(planned.lock.section)[1:])
        would = MEANS[planned.outlook]
        table.add_row(planned.name, planned.stage.kind, kinds, planned.lock.fingerprint[:12], would)
    console = Console()
    console.print(f"{checked.name}: the recipe is sound; its results go to {root / checked.name}", highlight=False)
    console.print(table)


def part_kinds(section: Any) -> list[str]:
    """The kinds of a section and of all parts in it, from the outside in."""
    if isinstance(section, dict):
        inner = [kind for value in section.values() for kind in part_kinds(value)]
        return [section["kind"], *inner] if isinstance(section.get("kind"), str) else inner
    return [kind for value in section for kind in part_kinds(value)] if isinstance(section, list) else []
