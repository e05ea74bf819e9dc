"""`danlu labels DATA`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from danlu.data.reading.settings import SETTINGS
from danlu.language import default, translator

if TYPE_CHECKING:
    from danlu.data.wrong_labels.suspects import Suspect


def command(
    data: Annotated[Path, typer.Argument(help="a file with labels, or the folder of a prepare stage")],
    settings: Annotated[list[str] | None, typer.Argument(help=SETTINGS)] = None,
    *,
    split: Annotated[str | None, typer.Option(help="which split of a prepare stage; train")] = None,
    column: Annotated[str, typer.Option(help="column that holds the text")] = "text",
    label: Annotated[str, typer.Option(help="column that holds the label")] = "label",
    bundle: Annotated[str | None, typer.Option(help="a classifier that has not learnt from these rows")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "--out", help="file to write, .csv or .jsonl, the worst first")
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="how many to show")] = 10,
    folds: Annotated[int, typer.Option(min=2, max=20, help="parts that are held out in turn, without a bundle")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="which rows are held out together follows from it")] = 0,
) -> None:
    """Rank records by how probably their label is wrong, for review."""
    from danlu.data.augmenting.augment import given
    from danlu.data.corpus.prepared import load, split_of
    from danlu.data.reading.format import guess
    from danlu.data.wrong_labels.out_of_sample import out_of_sample
    from danlu.data.wrong_labels.suspects import export, labels_in, refuse_export, shares_of, suspects, warnings_of
    from danlu.machine.files import refuse_itself
    from danlu.machine.terminal import say
    from danlu.machine.terminal import show as show_line
    from danlu.refusal import of_file

    tell = say if output else show_line
    if output:
        refuse_export(output)
        refuse_itself(output, data)
    prepared = data.is_dir() and not settings
    chosen = split_of(data, split, "train", prepared=prepared)
    source = None if chosen else guess(str(data), settings=settings or ())
    records = list(source.read(labelled=label == "label")) if source else load(data, chosen or "train")
    with of_file(data):
        texts, labels = labels_in(given(records), column, label)
    if bundle is None:
        shares = out_of_sample(texts, labels, folds=folds, seed=seed)
    else:
        from danlu.bundle.bundle import load as load_bundle

        shares = shares_of(load_bundle(bundle).predict(texts), sorted(set(labels)))
    found = suspects(texts, labels, shares)
    language = default()
    _ = translator(language)
    wrong = sum(suspect.wrong for suspect in found)
    tell(_("{rows:,} records; about {wrong:,} of their labels are wrong").format(rows=len(found), wrong=wrong))
    for warning in warnings_of(found, language):
        tell(f"! {warning}")
    if found[:show]:
        tell("\t".join((_("row"), _("score"), _("label → more likely"), _("text"))))
    for suspect in found[:show]:
        tell(_line(suspect))
    if output:
        export(output, found)
        tell(_("written to {folder}").format(folder=output))


def _line(suspect: "Suspect") -> str:
    """Row, score, label and the suggested one, and the beginning of the text."""
    from danlu.machine.terminal import on_one_line

    text = " ".join(suspect.text.split())
    labels = f"{on_one_line(suspect.label)} → {on_one_line(suspect.suggested)}"
    return f"{suspect.row}\t{suspect.score:.3f}\t{labels}\t{text[:60]}"
