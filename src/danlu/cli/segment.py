"""`danlu segment SEGMENTER [FILE|-]`."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.data.reading.settings import SETTINGS
from danlu.refusal import Refusal, of_file

if TYPE_CHECKING:
    from danlu.evaluate.scoring.segmentation import WordScores
    from danlu.text.segmenting.segmenter import Segmenter

_BLOCK = 4096  # records that are segmented together


class Shape(Enum):
    """How words are written."""

    words = "words"
    jsonl = "jsonl"


def command(
    segmenter: Annotated[str, typer.Argument(help="its kind, such as jieba; or the folder of a trained one")],
    file: Annotated[str, typer.Argument(help="csv, tsv, json, jsonl, txt or parquet; '-': a text a line")] = "-",
    settings: Annotated[list[str] | None, typer.Argument(help=SETTINGS)] = None,
    *,
    text: Annotated[list[str] | None, typer.Option(help="a text; may be given again")] = None,
    column: Annotated[str, typer.Option(help="column of the file that holds the text")] = "text",
    shape: Annotated[Shape, typer.Option("--format", help="a line with the words of each text, or json")] = Shape.words,
    separator: Annotated[str, typer.Option(help="what is written between two words")] = " ",
    score: Annotated[bool, typer.Option("--score", help="the file is segmented: say how much is found")] = False,
    known: Annotated[str | None, typer.Option(help="segmented training text, to score words that it lacks")] = None,
) -> None:
    """Split every text into words; no character is lost in json, white space between words is in lines."""
    from danlu.bundle.named_segmenter import named_segmenter
    from danlu.language import default
    from danlu.machine.terminal import as_text, show_all, typed_lines

    if text and file != "-":
        raise Refusal(f"give either --text or the file {file}, not both")
    if (known is not None and not score) or (score and file == "-"):
        raise Refusal("--score takes a file of segmented text, and --known goes with it; leave them out to segment")
    typed = file == "-" and not text
    asked = [as_text(line, "--text") for line in text or ()] or (
        typed_lines() if typed else _texts(file, column, settings or ())
    )
    chosen = named_segmenter(segmenter)
    if score:
        show_all(_in_words(_scored(chosen, file, known, settings or ()), default()), every=_BLOCK)
        return
    block = 1 if typed and sys.stdin.isatty() else _BLOCK
    show_all(_segmented(chosen, iter(asked), shape, separator, block), every=block)


def _segmented(segmenter: "Segmenter", texts: Iterator[str], shape: Shape, separator: str, block: int) -> Iterator[str]:
    while chunk := list(islice(texts, block)):
        for text, words in zip(chunk, segmenter.segment(chunk), strict=True):
            if shape == Shape.jsonl:
                yield json.dumps({"text": text, "words": words}, ensure_ascii=False)
            else:
                yield separator.join(word for word in words if not word.isspace())


def _scored(segmenter: "Segmenter", file: str, known: str | None, settings: Sequence[str]) -> "WordScores":
    from danlu.evaluate.scoring.segmentation import score_segmenter

    words = None
    if known is not None:
        words = {word for sentence in _sentences(known, _settings_for(known, settings)) for word in sentence}
    return score_segmenter(segmenter, list(_sentences(file, settings)), words)


def _settings_for(known: str, settings: Sequence[str]) -> Sequence[str]:
    """Those of the other file, unless the name of this one tells its format."""
    from danlu.data.reading.guess import kind_of_file

    try:
        kind_of_file(known)
    except Refusal:
        return settings
    return ()


def _sentences(file: str, settings: Sequence[str] = ()) -> Iterator[list[str]]:
    """Segmented sentences: records with words, or lines of words where the file is plain text."""
    from danlu.data.reading.format import guess
    from danlu.text.segmenting.segmented import read_words

    source = guess(file, settings=settings)
    if source.kind == "text":
        source = guess(file, settings=[*settings, "kind=words"])
    with of_file(file):
        for number, record in enumerate(source.read()):
            yield read_words(record, number)


def _texts(file: str, column: str, settings: Sequence[str]) -> Iterator[str]:
    from danlu.data.reading.format import guess

    for number, record in enumerate(guess(file, settings=settings).read([column]), 1):
        text = record[column]
        if not isinstance(text, str):
            raise Refusal(f"{file}: record {number:,} has no text in column '{column}'; name another with --column")
        yield text


def _in_words(scores: "WordScores", language: str) -> Iterable[str]:
    from danlu.evaluate.reporting.wording import in_columns
    from danlu.language import translator

    _ = translator(language)
    rows: list[tuple[str, Any]] = [
        (_("words"), f"{scores.words:,}"),
        (_("precision"), f"{scores.precision:.4f}"),
        (_("recall"), f"{scores.recall:.4f}"),
        ("F1", f"{scores.f1:.4f}"),
    ]
    if scores.unknown_share is not None:
        rows.append((_("unknown words, of all"), f"{scores.unknown_share:.4f}"))
    if scores.unknown_recall is not None:
        rows.append((_("recall of unknown words"), f"{scores.unknown_recall:.4f}"))
    return in_columns(rows)
