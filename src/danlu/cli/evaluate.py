"""`danlu evaluate BUNDLE DATA`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from danlu.data.reading.settings import SETTINGS
from danlu.language import default, translator

if TYPE_CHECKING:
    from danlu.data.record import Record
    from danlu.evaluate.classical.baseline import Baseline
    from danlu.evaluate.scoring.examine import Examination


def command(
    bundle: Annotated[str, typer.Argument(help="folder of a bundle")],
    data: Annotated[Path, typer.Argument(help="a file with the truth in it, or the folder of a prepare stage")],
    settings: Annotated[list[str] | None, typer.Argument(help=SETTINGS)] = None,
    *,
    split: Annotated[str, typer.Option(help="which split of a prepare stage")] = "test",
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
) -> None:
    """Score a bundle's predictions, with 95 % intervals, beside a classical baseline."""
    from danlu.bundle.bundle import load
    from danlu.data.corpus.prepared import load as load_prepared
    from danlu.evaluate.scoring.examine import examine, with_more
    from danlu.evaluate.scoring.resample import refuse_resamples
    from danlu.machine.files import refuse_unwritable
    from danlu.refusal import Refusal, of_file

    refuse_resamples(resamples)
    if output:
        refuse_unwritable(output / "scores.json")
    loaded = load(bundle, precision, adapter=adapter)
    named = {name: given for name, given in (("text", column), ("label", label)) if given}
    prepared = data.is_dir() and not settings
    if prepared and (column or label):
        raise Refusal(f"{data}: the columns of prepared data have their names; leave out --column and --label")
    if prepared:
        records = load_prepared(data, split)
    else:
        records = _read(data, settings or (), named, labelled="label" in loaded.task.columns)
    rival, train = _rival(loaded.task.baseline if baseline == "auto" else baseline, data, prepared=prepared)
    if baseline not in ("auto", "none") and not train:
        raise Refusal(f"{data}: a baseline learns from a training split, and there is none; leave out --baseline")
    with of_file(data):
        found = examine(
            loaded.task,
            loaded.stream,
            records,
            metrics=metric or (),
            baseline=rival,
            train=train,
            resamples=resamples,
            slices=slice_by or (),
        )
    others = _read(outside, (), {"text": column} if column else {}, labelled=False) if outside else None
    with of_file(outside or data):
        found = with_more(found, loaded.predictor, records, others, resamples=resamples)
    _leave(found, output)


def _leave(found: "Examination", output: Path | None) -> None:
    """Tell what was found, and write it into a folder where there is one."""
    from danlu.evaluate.reporting.judged import judged_in_words
    from danlu.evaluate.reporting.wording import scores_in_words
    from danlu.evaluate.scoring.examine import write
    from danlu.machine.terminal import say, show

    tell, scores, _ = say if output else show, found.scores.to_plain(), translator(default())
    for line in (*scores_in_words(scores, default()), *judged_in_words(scores, _)):
        tell(line)
    if output:
        write(output, found)
        tell(_("written to {folder}").format(folder=output))


def _rival(kind: str | None, data: Path, *, prepared: bool) -> "tuple[Baseline | None, list[Record]]":
    """The baseline, and the training split that it learns from, where there is one."""
    from danlu.data.corpus.prepared import load
    from danlu.evaluate.classical.baseline import Baseline

    if not prepared or not kind or kind == "none" or not (data / "train.parquet").is_file():
        return None, []
    return Baseline.model_validate(kind), load(data, "train")


def _read(file: Path, settings: Sequence[str], named: dict[str, str], *, labelled: bool) -> "list[Record]":
    """The records of a file, whose columns have these names."""
    from danlu.data.reading.format import guess

    source = guess(str(file), settings=settings)
    return list(source.model_copy(update={"columns": source.columns | named}).read(labelled=labelled))
