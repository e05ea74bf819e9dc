"""What commands have in common that serve: their options, what they need, and where they tell of it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from danlu.machine.extra import needed

if TYPE_CHECKING:
    from danlu.serve.shelf import Place, Shelf
    from danlu.serve.site import Site

Host = Annotated[str, typer.Option(help="address to listen at; 0.0.0.0: all of this machine")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")]
Keys = Annotated[Path | None, typer.Option(help="file of the keys that may ask; danlu key makes one")]
LogTexts = Annotated[bool, typer.Option("--log-texts", help="write what users send into the log")]
HOST, PORT = "127.0.0.1", 8000


def refuse_no_server(extra: str = "serve") -> None:
    """Raise `Refusal` where packages are missing without which nothing is served; `extra` brings them."""
    for package in ("fastapi", "uvicorn", "prometheus_client"):
        needed(package, extra, "a server")


def tell(line: str) -> None:
    """Say a line where the log goes too."""
    from danlu.machine.terminal import say

    say(line, err=True)


def serve_site(
    places: "Sequence[Place]",
    site: "Callable[[Shelf], AbstractContextManager[Site]]",
    *,
    host: str,
    port: int,
    keys: Path | None,
    log_texts: bool,
) -> None:
    """Serve an application until told to end; see `danlu.serve.run.serve`."""
    from danlu.serve.limits import Limits
    from danlu.serve.run import serve

    serve(places, site=site, host=host, port=port, keys=keys, limits=Limits(), texts_told=log_texts, say=tell)
