"""`danlu survey DATA`."""

from pathlib import Path
from typing import Annotated

import typer

from danlu.data.reading.settings import SETTINGS


def command(
    data: Annotated[str, typer.Argument(help="a file that danlu reads, or the folder of a prepare stage")],
    settings: Annotated[list[str] | None, typer.Argument(help=SETTINGS)] = None,
    *,
    column: Annotated[str, typer.Option(help="column with the text")] = "text",
    label: Annotated[str, typer.Option(help="column with the label")] = "label",
    member: Annotated[str | None, typer.Option(help="name or glob of the one file that is meant in a zip")] = None,
    similarity: Annotated[
        float, typer.Option(min=0.3, max=1, help="Jaccard similarity from which texts are alike")
    ] = 0.8,
    html: Annotated[Path | None, typer.Option(help="write the survey as a page, too")] = None,
) -> None:
    """Tell what data holds: rows, lengths, labels, duplicates, conflicts, and what a naive split would leak."""
    from danlu.apps.data_profile import leaks_in_words, one_line, profile, truths_in_words, write_profile
    from danlu.data.corpus.survey import in_words
    from danlu.language import default, translator
    from danlu.machine.files import refuse_unwritable
    from danlu.machine.terminal import say, show
    from danlu.refusal import without_secrets

    if html:
        refuse_unwritable(html)
    tell = say if html else show
    language = default()
    _ = translator(language)
    found = profile(data, settings=settings or (), member=member, column=column, label=label, similarity=similarity)
    tell(_("columns: {counts}").format(counts=", ".join(f"{name} {n:,}" for name, n in found.columns.items())))
    told = [*found.bad_rows.in_words(language), *found.spelled.in_words(language)]
    for line in [*in_words(found.survey, language), *told, *leaks_in_words(found.leaked, _)]:
        tell(line)
    for title, groups in (
        (_("texts in most rows"), found.repeated),
        (_("texts that come with different labels"), found.contested),
    ):
        if groups:
            tell(f"\n{title}")
        for group in groups:
            tell(f"  {group.rows:>6,}  {one_line(group.text)}" + f"  [{truths_in_words(group)}]" * any(group.truths))
    if html:
        write_profile(html, Path(without_secrets(data)).name, found, language)
        tell(_("written to {folder}").format(folder=html))
