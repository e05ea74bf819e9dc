"""`danlu compress BUNDLE DATA --floor "accuracy -0.5" --out FOLDER`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.data.reading.settings import SETTINGS

if TYPE_CHECKING:
    from danlu.compress.ladder import Ladder


def command(
    bundle: Annotated[str, typer.Argument(help="folder of a bundle; it stays as it is")],
    data: Annotated[Path, typer.Argument(help="a file with the truth in it, or the folder of a prepare stage")],
    settings: Annotated[list[str] | None, typer.Argument(help=f"{SETTINGS}; of other files of its suffix too")] = None,
    *,
    floor: Annotated[
        str, typer.Option(help="a metric and how far it may fall: 'accuracy -0.5' is half a point; or its least value")
    ],
    out: Annotated[Path, typer.Option(help="folder for what is kept, the table and the page")],
    target: Annotated[str, typer.Option(help="what is to gain: latency, size or throughput")] = "throughput",
    rungs: Annotated[
        str | None,
        typer.Option(help="what to try, as in bfloat16,neurons:0.5,layers:0.25+bfloat16; a choice as a rule"),
    ] = None,
    train: Annotated[Path | None, typer.Option(help="a file to prune by and to train on afterwards")] = None,
    recovery: Annotated[
        list[str] | None,
        typer.Option(
            help="setting of the training after pruning, as in epochs=2; none: no training; may be given again"
        ),
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="how that training follows the original, as in hidden=0.1; none: labels alone; may be given again"
        ),
    ] = None,
    unlabelled: Annotated[
        Path | None, typer.Option(help="a file of more texts for that training, of which the original alone speaks")
    ] = None,
    confirm: Annotated[
        Path | None,
        typer.Option(
            help="a file, or the folder of a prepare stage for its test, that chooses nothing: what is kept must hold "
            "the floor there too"
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="which split of a prepare stage is the test")] = "test",
    seed: Annotated[int, typer.Option(help="of all that is drawn")] = 0,
    resamples: Annotated[int, typer.Option(help="draws of the bootstrap behind the intervals")] = 1000,
) -> None:
    """Make a bundle smaller or faster: try many ways, score and time each, keep the best that holds the floor.

    Every rung is scored on the same records as the original, with a paired interval, and timed in turn with it. The
    best is FOLDER/bundle; compress.json and compress.html hold all. What was interrupted goes on with the same command.
    """
    from danlu.compress.following import following_of
    from danlu.compress.ladder import compress
    from danlu.compress.records import others_of, recovery_of, settings_for, target_of, tested, texts_of, trained
    from danlu.evaluate.scoring.resample import refuse_resamples
    from danlu.machine.terminal import say
    from danlu.refusal import of_file

    refuse_resamples(resamples)
    chosen, training = target_of(target), recovery_of(recovery or [])
    test = tested(data, settings or [], split, bundle)
    its = partial(settings_for, data, settings or [])
    learnt, validation = trained(data, train, bundle, its(train))
    told: dict[str, Any] = {"target": chosen, "rungs": rungs, "seed": seed, "resamples": resamples, "say": say}
    told |= {"train": learnt, "validation": validation, "training": training}
    told["confirm"] = others_of(confirm, bundle, its(confirm))
    told["following"] = following_of(teacher or [], texts_of(unlabelled, its(unlabelled, labelled=False)))
    with of_file(data):
        _tell(compress(bundle, test, floor, out, **told), out)


def _tell(ladder: "Ladder", out: Path) -> None:
    from danlu.compress.ladder_page import NAME, ladder_in_words, write_page
    from danlu.language import default
    from danlu.machine.terminal import say, show

    for line in ladder_in_words(ladder, default()):
        show(line)
    write_page(out / NAME, ladder, default())
    say(f"done: the results are in {out / NAME}")
