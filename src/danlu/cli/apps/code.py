"""`danlu app code`: code that goes on, or fills a gap, by a model that has learnt one's own repository."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from danlu.cli.serving import HOST, PORT, Host, Keys, LogTexts, Port, refuse_no_server, serve_site, tell

if TYPE_CHECKING:
    from danlu.serve.shelf import Shelf
    from danlu.serve.site import Site

LINE = "Code completion for editors, with fill-in-the-middle, trained on one's own repository."

PLACE = Path("code")
Where = Annotated[Path, typer.Option("--place", help="folder of what was learnt")]
Model = Annotated[str | None, typer.Option("--bundle", help="of causal_lm; without one that in --place")]


def start(
    *,
    bundle: Model = None,
    place: Where = PLACE,
    repository: Annotated[Path | None, typer.Option(help="folder whose other files are read as well")] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="learn a little of danlu's own code first, a minute")
    ] = False,
    host: Host = HOST,
    port: Port = PORT,
    keys: Keys = None,
    log_texts: LogTexts = False,
) -> None:
    """Complete code over HTTP, as editors ask for it: POST /v1/completions with prompt and suffix.

    With --repository, lines of its files that are most like those before the place are read too.
    """
    refuse_no_server()
    from danlu.apps.bundles import places
    from danlu.apps.code.completion import MODEL, ROLES, fills
    from danlu.apps.code.context import Parts
    from danlu.apps.code.learn import sample as sampled
    from danlu.apps.code.repository import read_repository
    from danlu.apps.code.routes import Routes
    from danlu.refusal import Refusal

    if sample:
        if bundle is not None:
            raise Refusal("--sample learns a model, and --bundle names one; leave one of them out")
        learnt, repository = sampled(place, tell)
        bundle = str(learnt)
    folder = _bundle(bundle, place)
    parts = None
    if repository is not None:
        found = read_repository(repository)
        tell(found.sentence())
        parts = Parts(found.files)

    @contextmanager
    def site(shelf: "Shelf") -> "Iterator[Site]":
        with shelf.lease(MODEL) as model:
            if not fills(model.predictor.tokenizer):
                tell("this model goes on with code and fills no gaps: requests with a 'suffix' are refused")
        yield Routes(parts).site()

    serve_site(places({MODEL: folder}, ROLES), site, host=host, port=port, keys=keys, log_texts=log_texts)


def train(
    repository: Annotated[Path, typer.Argument(help="folder of the code to learn from")],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[STAGE.KEY=VALUE]...", help="values that replace the recipe's")
    ] = None,
    *,
    place: Where = PLACE,
    base: Annotated[str | None, typer.Option(help="bundle that goes on learning; without one it begins anew")] = None,
    size: Annotated[str, typer.Option(help="of a model that begins anew: tiny, mini, small or base")] = "mini",
) -> None:
    """Learn a repository: the files that git tracks or would track, without what is data, secret or generated.

    A tenth of the files is held out, for danlu app code evaluate. The recipe is left in --place.
    """
    from danlu.apps.code.learn import learn
    from danlu.machine.terminal import say

    folder = learn(repository, place, settings or [], base, size, say)
    say(f"done: {folder}; serve it: danlu app code --place {place} --repository {repository}")


def evaluate(
    repository: Annotated[Path, typer.Argument(help="folder of the code that was learnt")],
    *,
    bundle: Model = None,
    place: Where = PLACE,
    base: Annotated[
        str | None, typer.Option(help="bundle to compare with, such as the one before the training")
    ] = None,
    lines: Annotated[int, typer.Option(min=1, max=100_000, help="how many are to be written")] = 200,
    seed: Annotated[int, typer.Option(help="of which lines are drawn")] = 0,
) -> None:
    """Tell how often the next line is right to the letter, in files of the repository that were held out.

    Which these are says held_out.json in --place; it has to be the folder that was learnt.
    """
    from danlu.apps.bundles import opened
    from danlu.apps.code.completion import ROLES
    from danlu.apps.code.learn import split_as_learnt
    from danlu.apps.code.measure import measured
    from danlu.apps.code.repository import read_repository
    from danlu.machine.terminal import show

    given = {"code": _bundle(bundle, place), "base": base}
    sides = split_as_learnt(place, repository, read_repository(repository).files)
    with opened(given, ROLES) as found:
        named = [(name, each) for name, each in (("learnt", found["code"]), ("base", found["base"])) if each]
        for name, told in measured(named, sides, lines, seed, tell).items():
            show("{value:6.1%} ({low:.1%} to {high:.1%})  {name}".format(**told, name=name))


def _bundle(bundle: str | None, place: Path) -> str:
    from danlu.refusal import Refusal

    if bundle is not None:
        return bundle
    found = place / "runs" / "code" / "model" / "bundle"
    if not found.is_dir():
        raise Refusal(f"--place {place}: nothing was learnt there yet; run: danlu app code train REPOSITORY, or give "
                      "--bundle FOLDER")  # fmt: skip
    return str(found)


COMMANDS = {"start": start, "train": train, "evaluate": evaluate}
