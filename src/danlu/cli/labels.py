"""`danlu labels DATA`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from danlu.language import default, translator

if TYPE_CHECKING:
    from danlu.data.label_quality import Suspect


def command(
    data: Annotated[Path, typer.Argument(help="a file with labels, or the folder of a prepare stage")],
    split: Annotated[str, typer.Option(help="which split of a prepare stage")] = "train",
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
    from danlu.data.augmentation import given
    from danlu.data.format import guess
    from danlu.data.label_quality import export, labels_in, refuse_export, shares_of, suspects, warnings_of
    from danlu.data.out_of_sample import out_of_sample
    from danlu.data.prepared import load
    from danlu.refusal import of_file

    if output:
        refuse_export(output)
    records = load(data, split) if data.is_dir() else list(guess(str(data)).read(labelled=label == "label"))
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
    typer.echo(_("{rows:,} records; about {wrong:,} of their labels are wrong").format(rows=len(found), wrong=wrong))
    for warning in warnings_of(found, language):
        typer.echo(f"! {warning}")
    if found[:show]:
        typer.echo("\t".join((_("row"), _("score"), _("label → more likely"), _("text"))))
    _show(found[:show])
    if output:
        export(output, found)
        typer.echo(_("written to {folder}").format(folder=output))


def _show(found: "list[Suspect]") -> None:
    """A line for each: row, score, label and the suggested one, and the beginning of the text."""
    for suspect in found:
        text = " ".join(suspect.text.split())
        typer.echo(f"{suspect.row}\t{suspect.score:.3f}\t{suspect.label} → {suspect.suggested}\t{text[:60]}")
