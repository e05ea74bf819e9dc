"""`danlu key FILE NAME`."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    keys: Annotated[Path, typer.Argument(help="file of keys; made where there is none")],
    name: Annotated[str, typer.Argument(help="who is to have the key")],
    *,
    admin: Annotated[bool, typer.Option("--admin", help="may reload models too")] = False,
) -> None:
    """Make a key for danlu serve --keys FILE, and print it once: the file holds its hash alone.

    Limits of a key are written into the file by hand: requests_per_minute, tokens_per_minute.
    """
    from danlu.machine.extra import needed

    needed("fastapi", "serve", "a server")
    from danlu.machine.terminal import say, show
    from danlu.serve.keys import add_key

    show(add_key(keys, name, admin=admin))
    say(f"{keys}: has the key of '{name}' now; this is the only time that it is shown", err=True)
