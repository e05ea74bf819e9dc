"""`danlu merge BUNDLE ADAPTER... --name NAME`, `danlu merge BUNDLE ADAPTER --output FOLDER`."""

from typing import Annotated

import typer


def command(
    bundle: Annotated[str, typer.Argument(help="folder of a bundle that has adapters")],
    adapters: Annotated[list[str], typer.Argument(help="names of adapters; a weight may stand behind: a=0.7 b=0.3")],
    *,
    name: Annotated[str | None, typer.Option(help="make them one more adapter, which is called so")] = None,
    output: Annotated[str | None, typer.Option(help="folder for what is made; the bundle stays as it is")] = None,
    add_up: Annotated[
        bool, typer.Option("--sum", help="add updates up, each times its weight, instead of their weighted average")
    ] = False,
) -> None:
    """Make adapters of a bundle into one (--name), or fold one into the weights of the base (--output alone).

    What is made of several has their task, and is asked for as the others are: danlu predict BUNDLE --adapter NAME.
    They must be of one method, for the same labels. Folded is what lora, adalora, ia3, bitfit, layers and head have
    added; that is done in float32, and how far the answers have moved is printed.
    """
    from danlu.bundle import signature
    from danlu.bundle.manifest import find
    from danlu.bundle.merge import combine, fold
    from danlu.machine.terminal import say
    from danlu.refusal import Refusal

    if name is None:
        if len(adapters) > 1 or "=" in adapters[0] or add_up:
            raise Refusal("several adapters, or one with a weight, become one that needs a name: --name NAME")
        if output is None:
            raise Refusal("say where the bundle with the adapter in its weights is to be: --output FOLDER")
        made = fold(bundle, adapters[0], output)
        say(
            f"{made.folder}: has '{adapters[0]}' in its weights; on its {made.asked} golden records numbers moved by "
            f"at most {made.furthest:.2g}, and {made.agreeing} of {made.asked} answers agree"
        )
        return
    signed = output is None and (find(bundle) / signature.NAME).exists()
    folder = combine(bundle, _weights(adapters), name, output, summed=add_up)
    say(f"{folder}: has the adapter '{name}'; ask it with: danlu predict {folder} --adapter {name}")
    if signed:
        say(f"{folder}: is not signed any more, since it has changed; sign it with: danlu sign {folder} --key KEY")


def _weights(words: list[str]) -> dict[str, float]:
    from danlu.refusal import Refusal

    found: dict[str, float] = {}
    for word in words:
        name, given, written = word.partition("=")
        try:
            weight = float(written) if given else 1.0
        except ValueError:
            raise Refusal(f"'{word:.80}': expected the name of an adapter and a number, as in a=0.7") from None
        if name in found:
            raise Refusal(f"'{name:.80}' is named twice; give it one weight")
        found[name] = weight
    return found
