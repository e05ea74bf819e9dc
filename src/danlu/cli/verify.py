"""`danlu verify BUNDLE`."""

from typing import Annotated

import typer


def command(
    bundle: Annotated[str, typer.Argument(help="folder of a bundle")],
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16; as the bundle says")] = None,
    key: Annotated[str | None, typer.Option(help="public key (PEM) of who must have signed it")] = None,
) -> None:
    """Replay the golden outputs of a bundle: is it whole, and does it answer here as it did when it was saved?

    Hashes tell damage; only a signature tells who made the bundle, and --key checks it before anything is opened.
    Exits with 1, and names what differs, if it answers otherwise.
    """
    from danlu.bundle.verify import verify
    from danlu.machine.terminal import say

    differences = verify(bundle, precision, key)
    for difference in differences:
        say(difference, err=True)
    if differences:
        say(f"danlu: {bundle} no longer answers as it did when it was saved; train it again", err=True)
        raise typer.Exit(1)
    whose = "who made it was not checked (--key)" if key is None else f"it is signed with the key of {key}"
    say(f"{bundle}: every file is as it was saved, and the golden outputs are the same; {whose}")
