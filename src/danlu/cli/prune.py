"""`danlu prune BUNDLE neurons:0.5 --output FOLDER`."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    bundle: Annotated[str, typer.Argument(help="folder of a bundle; it stays as it is")],
    what: Annotated[
        list[str], typer.Argument(help="what goes, as in neurons:0.5 layers:share=0.25:importance=top vocabulary")
    ],
    *,
    output: Annotated[Path, typer.Option(help="folder for what is left, a bundle again")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="a file with the truth, read by its suffix, or the folder of a prepare stage: what matters on it"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="of what is drawn")] = 0,
) -> None:
    """Take neurons, layers, heads or words out of a bundle, so that its tensors are smaller.

    What matters least goes: by the gradient of the loss on the data, or without data by importance=magnitude. Nothing
    is scored, timed or trained here; `danlu compress` does all three.
    """
    from danlu.compress.prune import prune
    from danlu.compress.records import trained
    from danlu.compress.rung import pruning_of
    from danlu.machine.terminal import say

    prunings = [pruning_of(piece) for piece in what]
    records = [] if data is None else trained(data, data, bundle)[0]
    made = prune(bundle, prunings, output, records, seed=seed)
    for told in made.told:
        say(f"{told['kind']}: {told['before']:,} -> {told['after']:,}")
    share = 1 - made.after / made.before
    say(f"{made.folder}: {made.before:,} -> {made.after:,} parameters ({share:.1%} fewer)")
    if any(not pruning.keeps_trained for pruning in prunings):
        say("weights that are 0 take as much room and time as others, so nothing is smaller or faster by that")
