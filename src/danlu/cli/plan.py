"""`danlu plan RECIPE [stage.key=value ...]`."""

from pathlib import Path
from typing import Annotated

import typer

from danlu.refusal import Refusal


def command(
    recipe: Annotated[str, typer.Argument(help="YAML file, or the name of a recipe that comes with danlu")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[STAGE.KEY=VALUE]...", help="values that replace the recipe's")
    ] = None,
    *,
    devices: Annotated[
        str, typer.Option(help="'this' machine, or how many of which: 64xh100, or 8xmine,memory=48,tflops=200,link=64")
    ] = "this",
    stage: Annotated[str | None, typer.Option(help="which stage that trains; all of them as a rule")] = None,
    tokens: Annotated[
        str | None, typer.Option(help="tokens of the data, once through, such as 300B; it is then not looked at")
    ] = None,
    share: Annotated[
        float | None, typer.Option(min=0.001, max=1, help="of the highest speed that is reached; 0.4, here measured")
    ] = None,
    link: Annotated[float | None, typer.Option(min=0.001, help="GB/s that a device sends to others")] = None,
    overlap: Annotated[
        float | None, typer.Option(min=0, max=1, help="share of what is sent that is hidden; 0.5 with fsdp, else 0")
    ] = None,
    hours_cost: Annotated[float | None, typer.Option(min=0, help="cost of a device for an hour")] = None,
    root: Annotated[Path, typer.Option(help="folder of all runs")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="print json instead of a table")] = False,
) -> None:
    """Tell memory, time and cost of a training on devices that need not be there; nothing is trained.

    Networks are made without weights; of pretrained ones config.json alone is read. What does not fit is told with the
    keys of the recipe that would make it fit. On 'this' machine a few steps are taken, to measure its speed.
    """
    import json

    from danlu.apps.planning.planned import planned
    from danlu.language import default
    from danlu.machine.terminal import show as printed
    from danlu.stages.recipe import read

    sound = read(recipe, overrides or [])
    found = planned(
        sound,
        root,
        where=devices,
        only=stage,
        tokens=None if tokens is None else count_of(tokens),
        share=share,
        overlap=overlap,
        link=link,
        hour_cost=hours_cost,
    )
    if as_json:
        printed(json.dumps([each.to_plain() for each in found], ensure_ascii=False))
        return
    from danlu.apps.planning.words import notes, rows, warnings
    from danlu.evaluate.reporting.wording import in_columns
    from danlu.language import translator
    from danlu.machine.terminal import console

    screen, _ = console(), translator("zh" if sound.language == "zh" else default())
    for each in found:
        screen.print(f"\n{each.name}", style="bold")
        for line in in_columns([list(row) for row in rows(each, _)]):
            screen.print(f"  {line}")
        for line in notes(each, _):
            screen.print(f"  {line}", style="dim")
        for line in warnings(each, _):
            screen.print(f"  ! {line}", style="yellow")


def count_of(text: str) -> float:
    """A number of tokens such as `300B`, `1.5T` or `2e9`.

    Raises:
        Refusal: it is none.
    """
    sizes = {"K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
    unit = sizes.get(text[-1:].upper(), 1.0)
    try:
        count = float(text[:-1] if unit != 1.0 else text) * unit
    except ValueError:
        count = 0.0
    if not 1 <= count < 1e18:
        raise Refusal(f"--tokens {text}: write a number of tokens, such as 300B, 1.5T or 2e9")
    return count
