"""`danlu studio [FOLDER]`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from danlu.cli.serving import HOST, PORT, Keys, LogTexts, Port, refuse_no_server, serve_site, tell

if TYPE_CHECKING:
    from danlu.serve.shelf import Shelf
    from danlu.serve.site import Site


def command(
    folder: Annotated[Path, typer.Argument(help="folder of all runs")] = Path("runs"),
    *,
    also: Annotated[
        list[Path] | None, typer.Option(help="a folder whose data and bundles are shown too; may be given again")
    ] = None,
    host: Annotated[str, typer.Option(help="address to listen at; others than this machine's own want --keys")] = HOST,
    port: Port = PORT,
    keys: Keys = None,
    log_texts: LogTexts = False,
) -> None:
    """Look at runs, start, watch, stop and compare them, in a browser; at data, recipes and bundles too.

    Recipes (*.yaml) of the working folder can be started. A run goes on when the page, or this command, is ended.
    """
    refuse_no_server()
    from danlu.refusal import Refusal
    from danlu.serve.foreign import LOCAL
    from danlu.serve.keys import read_keys

    if host not in LOCAL and keys is None:
        raise Refusal(
            f"--host {host}: whoever reaches it could start trainings; make a key with `danlu key keys.yaml NAME "
            "--admin` and give --keys keys.yaml"
        )
    if folder.exists() and not folder.is_dir():
        raise Refusal(f"{folder}: is a file; give the folder of all runs")
    if missing := [each for each in also or [] if not each.is_dir()]:
        raise Refusal(f"--also {missing[0]}: there is no such folder; give one that holds data or bundles")

    if not folder.is_dir():
        tell(f"{folder}: is not there yet; what is started will be put there")
    if keys is not None:
        read_keys(keys)  # what is wrong with them is told before anything takes its time
    tell("the studio is being opened, which takes some seconds")
    from danlu.apps.studio.site import site_of
    from danlu.apps.studio.studio import Studio

    studio = Studio(folder, Path.cwd())

    @contextmanager
    def site(_shelf: "Shelf") -> Iterator["Site"]:
        yield site_of(studio, also or [])

    serve_site([], site, host=host, port=port, keys=keys, log_texts=log_texts)
