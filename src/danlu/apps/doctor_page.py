"""The doctor's findings as one HTML file."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from danlu.apps.doctor import Checked, DataFacts, TrainingFacts
from danlu.apps.doctor_words import (
    facts_of_data,
    facts_of_training,
    split_names,
    warnings_of_data,
    warnings_of_training,
)
from danlu.evaluate.pages.charts import histogram
from danlu.evaluate.pages.markup import Html, cell, element, facts, figure, section, table, together
from danlu.evaluate.pages.page import page
from danlu.evaluate.reporting.sections.data import data_section
from danlu.language import translator
from danlu.machine.files import write_text
from danlu.task.readable import Piece, Row

LABELS = 30  # rows of the table
LONGEST = 1200  # characters of a row that are shown

Say = Callable[[str], str]


def write_page(path: Path, name: str, checked: Sequence[Checked], outlooks: dict[str, str], language: str) -> None:
    """Write what was found of each stage; `outlooks` says by stage what a run would do.

    Raises `Refusal` for a full disk.
    """
    _ = translator(language)
    sections = [_section(item, place, _) for place, item in enumerate(checked) if _shown(item)]
    rows: list[list[object]] = [
        [element("th", item.planned.name, scope="row"), item.planned.stage.kind, outlooks[item.planned.name]]
        for item in checked
    ]
    overview = table([_("stage"), _("kind"), _("what a run would do")], rows)
    told = _("danlu {version}; looked at before a run, nothing was trained").format(version=version("danlu"))
    links = [
        element("a", item.planned.name, href=f"#stage-{place}") for place, item in enumerate(checked) if _shown(item)
    ]
    header = element("header", element("h1", name), element("p", told, class_="quiet"), element("nav", *links))
    body = together(header, element("main", section(_("What a run would do"), overview), *sections))
    write_text(path, page(f"{name} · check", body, language))


def _shown(item: Checked) -> bool:
    return bool(item.found or item.refused or item.needs or item.untaught)


def _section(item: Checked, place: int, _: Say) -> Html:
    title = together(element("span", item.planned.name, class_="stage"))
    match item.found:
        case DataFacts() as found:
            body, kind = _data(found, item.planned.current, _), _("Data")
        case TrainingFacts() as found:
            body, kind = _training(found, _), _("Training")
        case None:
            body, kind = Html(), item.planned.stage.kind
    if item.needs:
        body = element("p", _("looked at once the model '{stage}' is trained").format(stage=item.needs))
    if item.untaught:
        body = element("p", _("not written yet; what reads it is looked at with the texts that are there"))
    stops = [element("p", _("A run would stop here: {why}").format(why=item.refused), class_="warning")]
    return section(together(kind, " ", title), *(stops if item.refused else []), body, identity=f"stage-{place}")


def _data(found: DataFacts, folder: Path, _: Say) -> Html:
    counted = [_labels(found, _)] if found.labels.get("train") else []
    return together(
        *_warnings(warnings_of_data(found, _)),
        facts(facts_of_data(found, _)),
        *counted,
        data_section(asdict(found.survey), folder / "nowhere", _),
    )


def _labels(found: DataFacts, _: Say) -> Html:
    splits = list(found.rows)
    names = list(dict.fromkeys(label for split in splits for label in found.labels[split]))
    rows: list[list[object]] = [
        [
            element("th", name, scope="row", dir="auto"),
            *(cell(_with_share(found.labels[split], name)) for split in splits),
        ]
        for name in names[:LABELS]
    ]
    said, named = _("labels in each split"), split_names(_)
    return figure(
        said if len(names) <= LABELS else f"{said} ({LABELS}/{len(names)})",
        table(["", *(named[split] for split in splits)], rows, class_="labels"),
    )


def _with_share(counts: dict[str, int], name: str) -> str:
    count = counts.get(name, 0)
    return f"{count:,} ({count / max(1, sum(counts.values())):.1%})"


def _training(found: TrainingFacts, _: Say) -> Html:
    drawings = []
    lengths = found.tokens.lengths
    if drawn := histogram(lengths.edges, lengths.counts, _("tokens"), _("length of the rows")):
        longer = _(", the last bar holds all that are longer") * (lengths.percentiles["100"] >= lengths.edges[-1])
        drawings.append(figure(_("length of the rows in tokens") + longer, drawn))
    if found.tokens.unknown:
        rows: list[list[object]] = [
            [element("th", text, scope="row"), cell(f"{count:,}")] for text, count in found.tokens.unknown.items()
        ]
        drawings.append(
            figure(_("what the tokenizer does not know"), table([_("text"), _("times")], rows, class_="labels"))
        )
    batch = figure(
        _("the first batch as the model sees it; coloured is what the loss counts, behind it the truth"),
        *(_row(row, _) for row in found.batch),
    )
    return together(
        *_warnings(warnings_of_training(found, _)),
        facts(facts_of_training(found, _)),
        batch,
        element("div", *drawings, class_="charts"),
    )


def _row(row: Row, _: Say) -> Html:
    pieces, left = [], LONGEST
    for piece in row.pieces:
        pieces.append(_piece(piece, left))
        left -= len(piece.text)
        if left <= 0:
            pieces.append(element("span", " …", class_="quiet"))
            break
    label = [element("b", row.label, class_="learnt"), " "] if row.label else []
    padding = _("+ {count} of padding").format(count=row.padding)
    behind = [element("span", f" {padding}", class_="quiet")] if row.padding else []
    return element("p", *label, *pieces, *behind, class_="tokens", dir="auto")


def _piece(piece: Piece, left: int) -> Html:
    truth = [element("small", piece.truth)] if piece.truth else []
    classes = [piece.role, *(["told"] if piece.truth else []), *(["document"] if piece.document % 2 else [])]
    return element("span", piece.text[: max(0, left)], *truth, class_=" ".join(classes))


def _warnings(sentences: Sequence[str]) -> list[Html]:
    return [element("p", sentence, class_="warning") for sentence in sentences]
