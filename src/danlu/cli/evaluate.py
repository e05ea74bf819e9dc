"""`danlu evaluate BUNDLE DATA`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from danlu.data.reading.settings import SETTINGS
from danlu.language import default, translator


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
    resamples: Annotated[int, typer.Option(help="draws of the bootstrap behind the intervals")] = 1000,
    under: Annotated[
        list[str] | None, typer.Option(help="ask under a change too: typos, or '{kind: typos, share: 0.3}'; again")
    ] = None,
    swap: Annotated[str | None, typer.Option(help="file of groups of terms to swap; en or zh: our samples")] = None,
    seed: Annotated[int, typer.Option(help="of the changes, and of the draws")] = 0,
) -> None:
    """Score a bundle's predictions, with 95 % intervals, beside a classical baseline."""
    from danlu.bundle.bundle import load
    from danlu.data.corpus.prepared import load as load_prepared
    from danlu.data.reading.format import guess
    from danlu.evaluate.classical.baseline import Baseline
    from danlu.evaluate.perturbing.read import read_changes
    from danlu.evaluate.reporting.otherwise_in_words import otherwise_in_words
    from danlu.evaluate.reporting.wording import scores_in_words
    from danlu.evaluate.scoring.examine import examine, write
    from danlu.evaluate.scoring.otherwise import asked_otherwise_too
    from danlu.evaluate.scoring.resample import refuse_resamples
    from danlu.machine.files import refuse_unwritable
    from danlu.machine.terminal import say, show
    from danlu.refusal import Refusal, of_file

    refuse_resamples(resamples)
    changes = read_changes(under or ())
    if output:
        refuse_unwritable(output / "scores.json")
    tell = say if output else show
    loaded = load(bundle, precision, adapter=adapter)
    prepared = data.is_dir() and not settings
    if prepared and (column or label):
        raise Refusal(f"{data}: the columns of prepared data have their names; leave out --column and --label")
    if prepared:
        records = load_prepared(data, split)
    else:
        source = guess(str(data), settings=settings or ())
        named = {name: given for name, given in (("text", column), ("label", label)) if given}
        source = source.model_copy(update={"columns": source.columns | named})
        records = list(source.read(labelled="label" in loaded.task.columns))
    kind = loaded.task.baseline if baseline == "auto" else baseline
    train = load_prepared(data, "train") if prepared and kind and (data / "train.parquet").is_file() else []
    if baseline not in ("auto", "none") and not train:
        raise Refusal(f"{data}: a baseline learns from a training split, and there is none; leave out --baseline")
    rival = Baseline.model_validate(kind) if kind and kind != "none" and train else None
    with of_file(data):
        found = examine(
            loaded.task,
            loaded.stream,
            records,
            metrics=metric or (),
            baseline=rival,
            train=train,
            resamples=resamples,
            seed=seed,
        )
        how: Any = {"under": changes, "swap": swap, "metrics": metric or (), "resamples": resamples, "seed": seed}
        found = asked_otherwise_too(found, loaded.task, loaded.stream, records, **how)
    plain = found.to_plain()
    for line in [*scores_in_words(plain, default()), *otherwise_in_words(plain, default())]:
        tell(line)
    if output:
        write(output, found)
        tell(translator(default())("written to {folder}").format(folder=output))
