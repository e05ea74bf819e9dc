"""`danlu studio [FOLDER]`."""

from pathlib import Path
from typing import Annotated

import typer

from danlu.machine.extra import needed


def command(
    folder: Annotated[Path, typer.Argument(help="folder of all runs")] = Path("runs"),
    *,
    also: Annotated[
        list[Path] | None, typer.Option(help="a folder whose data and bundles are shown too; may be given again")
    ] = None,
    host: Annotated[str, typer.Option(help="address to listen at; others than this machine's own want --keys")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = 8000,
    keys: Annotated[Path | None, typer.Option(help="file of the keys that may ask; danlu key makes one")] = None,
) -> None:
    """Look at runs, start, watch, stop and compare them, in a browser; at data, recipes and bundles too.

    Recipes (*.yaml) of the working folder can be started. A run goes on when the page, or this command, is ended.
    """
    for package in ("fastapi", "uvicorn", "prometheus_client"):
        needed(package, "serve", "the studio")
    from danlu.apps.studio.site import site_of
    from danlu.apps.studio.studio import Studio
    from danlu.machine.terminal import say
    from danlu.refusal import Refusal
    from danlu.serve.foreign import LOCAL
    from danlu.serve.limits import Limits
    from danlu.serve.run import serve

    if host not in LOCAL and keys is None:
        raise Refusal(
            f"--host {host}: whoever reaches it could start trainings; make a key with `danlu key keys.yaml NAME "
            "--admin` and give --keys keys.yaml"
        )
    if folder.exists() and not folder.is_dir():
        raise Refusal(f"{folder}: is a file; give the folder of all runs")
    if missing := [each for each in also or [] if not each.is_dir()]:
        raise Refusal(f"--also {missing[0]}: there is no such folder; give one that holds data or bundles")

    def tell(line: str) -> None:
        say(line, err=True)

    if not folder.is_dir():
        tell(f"{folder}: is not there yet; what is started will be put there")
    studio = Studio(folder, Path.cwd())
    serve([], site=lambda _shelf: site_of(studio, also or []), host=host, port=port, keys=keys, limits=Limits(), say=tell)
