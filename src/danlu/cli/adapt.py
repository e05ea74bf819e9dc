"""`danlu adapt BUNDLE ADAPTER --name NAME`."""

from typing import Annotated

import typer


def command(
    bundle: Annotated[str, typer.Argument(help="folder of a bundle: the base that the adapter was trained on")],
    adapter: Annotated[str, typer.Argument(help="adapter/ folder that a train stage has left, or that stage's folder")],
    *,
    name: Annotated[str, typer.Option(help="how it is asked for: letters, digits, - and _")],
    output: Annotated[str | None, typer.Option(help="folder for a copy that has it; the bundle stays as it is")] = None,
) -> None:
    """Add what a training has added to its base (lora, head, ...) to the bundle of that base, under a name.

    One base then serves several tasks: danlu predict BUNDLE --adapter NAME, or load(BUNDLE).predict(texts, "NAME").
    It is refused on any other base, and where it does not answer as it did when it was trained. The plain folder of a
    pretrained model becomes a bundle in --output.
    """
    from danlu.bundle import signature
    from danlu.bundle.adapt import adapt, base_folder
    from danlu.machine.terminal import say

    signed = (base_folder(bundle) / signature.NAME).exists()
    folder = adapt(bundle, adapter, name, output)
    say(f"{folder}: has the adapter '{name}'; ask it with: danlu predict {folder} --adapter {name}")
    if signed:
        say(f"{folder}: is not signed any more, since it has changed; sign it with: danlu sign {folder} --key KEY")
