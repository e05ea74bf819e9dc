"""`danlu verify BUNDLE`."""

from typing import Annotated

import typer


def command(
    bundle: Annotated[str, typer.Argument(help="folder of a bundle")],
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16; as the bundle says")] = None,
) -> None:
    """Replay the golden outputs of a bundle: does it answer here as it did when it was saved?

    Exits with 1, and names what differs, if it does not.
    """
    from danlu.bundle.verify import verify
    from danlu.machine.terminal import say

    differences = verify(bundle, precision)
    for difference in differences:
        say(difference, err=True)
    if differences:
        say(f"danlu: {bundle} no longer answers as it did when it was saved; train it again", err=True)
        raise typer.Exit(1)
    say(f"{bundle}: every file is as it was saved, and the golden outputs are the same")
