"""`danlu predict BUNDLE [FILE|-]`."""

import json
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from danlu.refusal import Refusal, of_file

if TYPE_CHECKING:
    from danlu.bundle.bundle import Bundle


class Shape(Enum):
    """How predictions are written."""

    jsonl = "jsonl"
    table = "table"


class TooLong(Enum):
    """What becomes of a text that is longer than the model takes."""

    split = "split"
    truncate = "truncate"
    stop = "stop"


def command(
    bundle: Annotated[str, typer.Argument(help="folder of a bundle")],
    file: Annotated[str, typer.Argument(help="csv, tsv, json, jsonl, txt or parquet; '-': a text a line")] = "-",
    *,
    text: Annotated[list[str] | None, typer.Option(help="a text; may be given again")] = None,
    column: Annotated[str, typer.Option(help="column of the file that holds the text")] = "text",
    output: Annotated[Path | None, typer.Option(help="file to write instead of the screen")] = None,
    shape: Annotated[Shape, typer.Option("--format", help="json lines, or lines to read")] = Shape.jsonl,
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16; as the bundle says")] = None,
    threads: Annotated[int | None, typer.Option(help="cores to use; all")] = None,
    too_long: Annotated[TooLong | None, typer.Option(help="what becomes of texts longer than the model takes")] = None,
) -> None:
    """Answer for every text, in order: one line a text, with the columns of the file and the prediction."""
    from danlu.bundle.bundle import load

    if output is not None:
        _refuse_output(output)
    if text and file != "-":
        raise Refusal(f"give either --text or the file {file}, not both")
    if file == "-" and not text and sys.stdin is None:  # as in a service, or after <&-
        raise Refusal("standard input is closed; give a file, or --text")
    loaded = load(bundle, precision, threads=threads)
    if too_long is not None:
        loaded.task = loaded.task.model_copy(update={"too_long": too_long.value})
    typed = file == "-" and not text
    records = ({"text": line} for line in text) if text else _lines() if typed else _records(file, column)
    block = 1 if typed and sys.stdin.isatty() else 4096  # who types waits for each answer
    with of_file(file if not typed else "standard input"), _written_to(output) as out:
        for record, prediction in _answers(loaded, records, block):
            out.write((_line(record, prediction) if shape == Shape.table else _json(record, prediction)) + "\n")
            if block == 1:
                out.flush()


def _answers(
    bundle: "Bundle", records: Iterable[dict[str, Any]], block: int
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each record with its prediction; no more than a block of records is held."""
    waiting: deque[dict[str, Any]] = deque()

    def remembered() -> Iterator[dict[str, Any]]:
        for record in records:
            waiting.append(record)
            yield record

    for prediction in bundle.predictor.stream(remembered(), block):
        yield waiting.popleft(), prediction


def _lines() -> Iterator[dict[str, Any]]:
    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            yield {"text": line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")}
        except UnicodeDecodeError:
            raise Refusal(f"standard input, line {number}: expected UTF-8; convert it with: iconv -t UTF-8") from None


def _records(file: str, column: str) -> Iterator[dict[str, Any]]:
    from danlu.data.format import guess

    source = guess(file)
    if column != "text":  # the format refuses a name that the file does not have
        source = source.model_copy(update={"columns": {"text": column}})
    first = next(source.read(), {})
    if "text" not in first and "tokens" not in first:  # taggers take words in 'tokens' as well
        columns = ", ".join(first)
        raise Refusal(f"{file}: there is no column 'text', but {columns}; name the one that is meant: --column NAME")
    return source.read()


def _json(record: dict[str, Any], prediction: dict[str, Any]) -> str:
    return json.dumps({**record, "prediction": prediction}, ensure_ascii=False, default=str)


def _line(record: dict[str, Any], prediction: dict[str, Any]) -> str:
    """One line to read: the label and its probability, or the text with what was found in brackets."""
    text = record["text"] if "text" in record else " ".join(record.get("tokens", []))
    if "label" in prediction:
        scores = prediction.get("scores", {})
        return "\t".join([prediction["label"], f"{scores.get(prediction['label'], 1.0):.3f}", text])
    if "entities" in prediction:
        for entity in sorted(prediction["entities"], key=lambda found: -found["start"]):
            start, end = entity["start"], entity["end"]
            text = f"{text[:start]}[{text[start:end]} {entity['label']}]{text[end:]}"
        return text
    numbers = [f"{name} {value:.4g}" for name, value in prediction.items() if isinstance(value, int | float)]
    return "\t".join([*numbers, text])


@contextmanager
def _written_to(path: Path | None) -> Iterator[IO[str]]:
    """Standard output in UTF-8, or a file that appears when all of it is written."""
    from danlu.machine.files import full_disk_refused

    if path is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8")
        yield sys.stdout
        sys.stdout.flush()
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with full_disk_refused(path), temporary.open("w", encoding="utf-8", newline="\n") as out:
            yield out
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _refuse_output(path: Path) -> None:
    from danlu.machine.files import refuse_unwritable

    if not path.absolute().parent.is_dir():
        raise Refusal(f"{path}: there is no folder {path.parent}; make it first")
    refuse_unwritable(path)
