"""`danlu evaluate BUNDLE DATA`."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from danlu.data.reading.settings import SETTINGS
from danlu.language import default, translator

if TYPE_CHECKING:
    from danlu.data.record import Record
    from danlu.evaluate.classical.baseline import Baseline


def command(
    bundle: Annotated[str, typer.Argument(help="folder of a bundle")],
    data: Annotated[Path, typer.Argument(help="a file with the truth in it, or the folder of a prepare stage")],
    settings: Annotated[list[str] | None, typer.Argument(help=SETTINGS)] = None,
    *,
    split: Annotated[str | None, typer.Option(help="which split of a prepare stage; test")] = None,
    column: Annotated[str | None, typer.Option(help="column of the file that holds the text")] = None,
    label: Annotated[str | None, typer.Option(help="column of the file that holds the label")] = None,
    output: Annotated[Path | None, typer.Option(help="folder for scores.json, errors.jsonl, answers.jsonl")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16; as the bundle says")] = None,
    adapter: Annotated[str | None, typer.Option(help="its name; base for the model without any")] = None,
    baseline: Annotated[str, typer.Option(help="its kind; auto: what the task names, given a training split")] = "auto",
    metric: Annotated[list[str] | None, typer.Option(help="another metric than the task's; may be given again")] = None,
    slice_by: Annotated[
        list[str] | None, typer.Option("--slice", help="a column to look at for weak slices; may be given again")
    ] = None,
    outside: Annotated[
        Path | None, typer.Option(help="a file of texts that the model was not made for: are they told apart?")
    ] = None,
    resamples: Annotated[int, typer.Option(help="draws of the bootstrap behind the intervals")] = 1000,
    under: Annotated[
        list[str] | None, typer.Option(help="ask under a change too: typos, or '{kind: typos, share: 0.3}'; again")
    ] = None,
    swap: Annotated[str | None, typer.Option(help="file of groups of terms to swap; en or zh: our samples")] = None,
    seed: Annotated[int, typer.Option(help="of the changes, and of the draws")] = 0,
) -> None:
    """Score a bundle's predictions, with intervals (95 %), beside a classical baseline."""
    from danlu.bundle.bundle import load
    from danlu.data.corpus.prepared import split_of
    from danlu.evaluate.perturbing.read import read_changes
    from danlu.evaluate.perturbing.terms import read_groups
    from danlu.evaluate.reporting.told import told
    from danlu.evaluate.scoring.examine import examine, with_more, write
    from danlu.evaluate.scoring.otherwise import asked_otherwise_too
    from danlu.evaluate.scoring.resample import refuse_resamples
    from danlu.machine.files import refuse_unwritable
    from danlu.machine.terminal import say, show
    from danlu.refusal import of_file

    refuse_resamples(resamples)
    changes, groups = read_changes(under or ()), read_groups(swap) if swap else None
    if output:
        refuse_unwritable(output / "scores.json")
    tell = say if output else show
    loaded = load(bundle, precision, adapter=adapter)
    task, ask, measured, parts = loaded.task, loaded.stream, metric or (), slice_by or ()
    named = {name: given for name, given in (("text", column), ("label", label)) if given}
    prepared = data.is_dir() and not settings
    chosen = split_of(data, split, "test", prepared=prepared)
    records = _records(data, chosen, settings or (), named, task.columns)
    rival, train = _rival(baseline, None if chosen == "train" else task.baseline, data, prepared=prepared)
    others = _records(outside, None, (), {"text": column} if column else {}, ()) if outside else None
    draws = {"resamples": resamples, "seed": seed}
    with of_file(data):
        found = examine(
            task, ask, records, metrics=measured, baseline=rival, train=train, split=chosen, slices=parts, **draws
        )
        found = asked_otherwise_too(found, task, ask, records, under=changes, groups=groups, metrics=measured, **draws)
    with of_file(outside or data):
        found = with_more(found, loaded.predictor, records, others, **draws)
    for line in told(found.to_plain(), default()):
        tell(line)
    if output:
        write(output, found)
        tell(translator(default())("written to {folder}").format(folder=output))


def _records(
    data: Path, split: str | None, settings: Sequence[str], named: dict[str, str], columns: Collection[str]
) -> "list[Record]":
    """The records of a split of prepared data; without one those of a file, whose columns may have other names."""
    from danlu.data.corpus.prepared import load as load_prepared
    from danlu.data.reading.format import guess
    from danlu.refusal import Refusal

    if split is not None:
        if named:
            raise Refusal(f"{data}: the columns of prepared data have their names; leave out --column and --label")
        return load_prepared(data, split)
    source = guess(str(data), settings=settings)
    source = source.model_copy(update={"columns": source.columns | named})
    return list(source.read(labelled="label" in columns))


def _rival(asked: str, own: str | None, data: Path, *, prepared: bool) -> "tuple[Baseline | None, list[Record]]":
    """The baseline that was asked for and what it learns from, where the data is prepared and has a training split.

    `own` is the task's, and None where it would be asked what it has learnt.
    """
    from danlu.data.corpus.prepared import load as load_prepared
    from danlu.evaluate.classical.baseline import Baseline
    from danlu.refusal import Refusal

    kind = own if asked == "auto" else asked
    train = load_prepared(data, "train") if prepared and kind and (data / "train.parquet").is_file() else []
    if asked not in ("auto", "none") and not train:
        raise Refusal(f"{data}: a baseline learns from a training split, and there is none; leave out --baseline")
    return Baseline.model_validate(kind) if kind and kind != "none" and train else None, train
