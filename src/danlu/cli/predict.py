"""`danlu predict BUNDLE [FILE|-]`."""

import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.data.reading.settings import SETTINGS
from danlu.refusal import Refusal, of_file

if TYPE_CHECKING:
    from danlu.bundle.bundle import Bundle
    from danlu.model.policy import Policy
    from danlu.model.written import Written


FORMULAS = "begin like a formula (=, +, -, @), and stand in the csv as they are; import it as text, not as a sheet"


class Shape(Enum):
    """How predictions are written."""

    jsonl = "jsonl"
    table = "table"
    csv = "csv"


class TooLong(Enum):
    """What becomes of a text that is longer than the model takes."""

    split = "split"
    truncate = "truncate"
    stop = "stop"


def command(
    bundle: Annotated[str, typer.Argument(help="folder of a bundle")],
    file: Annotated[str, typer.Argument(help="csv, tsv, json, jsonl, txt or parquet; '-': a text a line")] = "-",
    settings: Annotated[list[str] | None, typer.Argument(help=SETTINGS)] = None,
    *,
    text: Annotated[list[str] | None, typer.Option(help="a text; may be given again")] = None,
    column: Annotated[str, typer.Option(help="column of the file that holds the text")] = "text",
    output: Annotated[Path | None, typer.Option(help="file to write instead of the screen")] = None,
    shape: Annotated[Shape, typer.Option("--format", help="json lines, lines to read, or csv")] = Shape.jsonl,
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16; as the bundle says")] = None,
    threads: Annotated[int | None, typer.Option(help="cores to use; all")] = None,
    adapter: Annotated[str | None, typer.Option(help="its name; base for the model without any")] = None,
    too_long: Annotated[TooLong | None, typer.Option(help="what becomes of texts longer than the model takes")] = None,
    generate: Annotated[
        bool, typer.Option("--generate", help="write on after each text, by any model that can")
    ] = False,
) -> None:
    """Answer for every text, in order: one line a text, with the columns of the file and the prediction.

    How a model writes is said as in a recipe: policy.kind=sample policy.temperature=0.8.
    """
    from danlu.answer.answer import Answer
    from danlu.answer.sheet import Sheet
    from danlu.bundle.bundle import load
    from danlu.machine.files import bytes_in_place
    from danlu.machine.terminal import as_text, say, show_all, typed_lines, visible
    from danlu.recipe.part import find

    if output is not None:
        _refuse_output(output)
    if file.startswith("policy.") and "=" in file:  # there is no file, but a setting
        file, settings = "-", [file, *(settings or ())]
    if text and file != "-":
        raise Refusal(f"give either --text or the file {file}, not both")
    typed = file == "-" and not text
    asked = [as_text(line, "--text") for line in text or ()] or (typed_lines() if typed else None)
    loaded = load(bundle, precision, threads=threads, adapter=adapter)
    if too_long is not None:
        loaded.task = loaded.task.model_copy(update={"too_long": too_long.value})
    settings, writing = _writing(loaded, settings or (), generate=generate)
    column = column if asked is None else "text"
    if asked is None:
        records = _records(file, column, settings, loaded.task.reads)
    else:
        records = _asked(asked, loaded.task.reads, "--text" if text else "standard input")
    block = 1 if typed and sys.stdin.isatty() else 4096  # who types waits for each answer
    form = loaded.task.form if writing is None else find(Answer, "text")()  # type: ignore[type-abstract]
    sheet = Sheet(form)
    line_of = {
        Shape.jsonl: _json,
        Shape.table: lambda record, prediction: form.line(prediction, _text(record, column)),
        Shape.csv: sheet.rows,
    }[shape]
    with of_file(file if not typed else "standard input"):
        lines = (line_of(*answered) for answered in _answers(loaded, records, block, column, writing))
        if output is None:
            show_all(lines, every=block)
        else:
            with bytes_in_place(output) as out:
                for line in lines:
                    out.write(f"{line if shape == Shape.csv else visible(line)}\n".encode(errors="backslashreplace"))
    if sheet.formulas:
        say(f"cells: {sheet.formulas:,} {FORMULAS}", err=True)


def _answers(
    bundle: "Bundle", records: Iterable[dict[str, Any]], block: int, column: str, writing: "Policy | None"
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each record as the file has it, with the prediction for `column`; no more than a block of records is held."""
    waiting: deque[dict[str, Any]] = deque()

    def remembered() -> Iterator[dict[str, Any]]:
        for record in records:
            waiting.append(record)
            yield record if column == "text" else record | {"text": record[column]}

    if writing is None:
        predictions = bundle.predictor.stream(remembered(), block)
    else:
        predictions = map(_as_prediction, bundle.predictor.write(remembered(), writing, min(block, 256)))
    for prediction in predictions:
        yield waiting.popleft(), prediction


def _writing(bundle: "Bundle", settings: Sequence[str], *, generate: bool) -> "tuple[list[str], Policy | None]":
    """The settings of the format, and how to write on after each text; None where the task answers.

    A task that writes does so as the settings of the policy say.
    """
    from danlu.model.policy import changed
    from danlu.recipe.read import keyed

    named = [setting for setting in settings if setting.startswith("policy.")]
    how = keyed(named).get("policy", {})
    writes = bundle.task.answers_by == "generate"
    if how and not (writes or generate):
        raise Refusal(f"policy.{next(iter(how))}: the task {bundle.task.kind} writes no text by itself; add --generate")
    policy = changed(bundle.predictor.policy, None, how)
    if writes and how:
        bundle.predictor.task = bundle.predictor.task.model_copy(update={"policy": policy})
    return [setting for setting in settings if setting not in named], policy if generate and not writes else None


def _as_prediction(written: "Sequence[Written]") -> dict[str, Any]:
    found: dict[str, Any] = {"text": written[0].text, "score": written[0].score, "ended": written[0].ended}
    return found if len(written) == 1 else found | {"others": [each.text for each in written[1:]]}


def _asked(lines: Iterable[str], reads: tuple[str, ...], where: str) -> Iterator[dict[str, Any]]:
    """A record a line: the line is its text, or json where more than a text is read."""
    for number, line in enumerate(lines, 1):
        record = {"text": line} if reads == ("text",) else _as_record(line)
        if lacking := [name for name in reads if record is None or name not in record]:
            shape = ", ".join(f'"{name}": ...' for name in reads)
            raise Refusal(
                f"{where}, text {number:,}: this bundle reads {' and '.join(reads)}, but there is no "
                f"{' and no '.join(lacking)}; give each record as json: {{{shape}}}"
            )
        yield record  # type: ignore[misc]


def _as_record(line: str) -> dict[str, Any] | None:
    """What a line of json says; None where it is no object."""
    from danlu.data.reading.json_text import parse

    try:
        value = parse(line, "")
    except Refusal:
        return None
    return value if isinstance(value, dict) else None


def _records(file: str, column: str, settings: Sequence[str], reads: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    from danlu.data.reading.format import guess

    source = guess(file, settings=settings)
    if column != "text":  # the format refuses a name that the file does not have
        return source.read([column])
    if "text" not in reads:  # the task names what it lacks
        return source.read()
    first = next(source.read(), {})
    if not {"text", "tokens", "words", "messages"} & set(first):  # what stands for a text, and where
        columns = ", ".join(first)
        raise Refusal(f"{file}: there is no column 'text', but {columns}; name the one that is meant: --column NAME")
    return source.read()


def _json(record: dict[str, Any], prediction: dict[str, Any]) -> str:
    return json.dumps({**record, "prediction": prediction}, ensure_ascii=False, default=str)


def _text(record: dict[str, Any], column: str) -> str:
    from danlu.data.record import text_of

    return text_of(record, column if column in record or "messages" not in record else "messages")


def _refuse_output(path: Path) -> None:
    from danlu.machine.files import refuse_unwritable

    if not path.absolute().parent.is_dir():
        raise Refusal(f"{path}: there is no folder {path.parent}; make it first")
    refuse_unwritable(path)
