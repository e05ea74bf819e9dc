"""`danlu predict BUNDLE [FILE|-]`."""

import json
import os
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.data.reading.settings import SETTINGS
from danlu.refusal import Refusal, of_file

if TYPE_CHECKING:
    from danlu.answer.sheet import Sheet
    from danlu.bundle.bundle import Bundle
    from danlu.engine.reading import Reading
    from danlu.model.policy import Policy
    from danlu.task.task import Task


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
    shape: Annotated[
        Shape | None, typer.Option("--format", help="json lines, lines to read, or csv; by the name of --output")
    ] = None,
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
    from danlu.machine.files import refuse_itself
    from danlu.machine.terminal import as_text, typed_lines
    from danlu.recipe.part import find
    from danlu.task.asked import records_of

    if output is not None:
        _refuse_output(output)
        refuse_itself(output, file)
    if shape is None:
        shape = Shape.csv if output is not None and output.suffix.lower() == ".csv" else Shape.jsonl
    if "=" in file and not Path(file).exists() and (text or file.partition("=")[0].replace(".", "").isidentifier()):
        file, settings = "-", [file, *(settings or ())]  # there is no file, but a setting
    if text and file != "-":
        raise Refusal(f"give either --text or the file {file}, not both")
    typed = file == "-" and not text
    asked = [as_text(line, "--text") for line in text or ()] or (typed_lines() if typed else None)
    loaded = load(bundle, precision, threads=threads, adapter=adapter)
    if too_long is not None:
        loaded.task = _cutting(loaded.task, too_long.value)
    settings, writing = _writing(loaded, settings or (), generate=generate)
    column = column if asked is None else "text"
    if asked is None:
        records = _records(file, column, settings, loaded.task)
    else:
        _refuse_settings(settings)
        records = records_of(asked, loaded.task if writing is None else None, "standard input" if typed else "--text")
    block = 1 if typed and sys.stdin.isatty() else 4096  # who types waits for each answer
    form = loaded.task.form if writing is None else find(Answer, "text")()  # type: ignore[type-abstract]
    sheet, told = Sheet(form), Counter[str]()
    line_of = {
        Shape.jsonl: _json,
        Shape.table: lambda record, prediction: form.line(prediction, _text(record, column)),
        Shape.csv: sheet.rows,
    }[shape]
    with of_file(file if not typed else "standard input"):
        answers = _answers(loaded, records, block, column, writing, told)
        lines = _counted((line_of(*each) for each in answers), told)
        _write(lines, output, block, as_is=shape == Shape.csv)
    _tell(told, sheet)


def _tell(told: Counter[str], sheet: "Sheet") -> None:
    from danlu.machine.terminal import say

    if not told["lines"]:
        say("standard input: no text came, so nothing is answered; give one a line, a file, or --text", err=True)
    if told["unread"]:
        from danlu.engine.reading import UNREAD

        say(f"{told['unread']:,} of {told['lines']:,} texts {UNREAD}", err=True)
    if sheet.formulas:
        say(f"cells: {sheet.formulas:,} {FORMULAS}", err=True)


def _cutting(task: "Task", too_long: str) -> "Task":
    """The task with another `too_long`. Raises `Refusal` where it takes none of this name."""
    from typing import get_args

    taken = get_args(type(task).model_fields["too_long"].annotation)
    if too_long not in taken:
        others = ", ".join(each.value for each in TooLong if each.value in taken)
        raise Refusal(f"--too-long {too_long}: the task {task.kind} cannot do that; choose one of: {others}")
    return task.model_copy(update={"too_long": too_long})


def _answers(
    bundle: "Bundle",
    records: Iterable[dict[str, Any]],
    block: int,
    column: str,
    writing: "Policy | None",
    told: Counter[str],
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each record as the file has it, with the prediction for `column`; no more than a block of records is held.

    `told` counts texts that are unknown words alone.
    """
    waiting: deque[dict[str, Any]] = deque()

    def remembered() -> Iterator[dict[str, Any]]:
        for record in records:
            waiting.append(record)
            yield record if column == "text" else record | {"text": record[column]}

    def heard(reading: "Reading") -> None:
        told["unread"] += reading.unread(bundle.predictor.tokenizer)

    if writing is None:
        predictions = bundle.predictor.stream(remembered(), block, heard)
    else:
        from danlu.model.written import plain_of

        predictions = map(plain_of, bundle.predictor.write(remembered(), writing, min(block, 256)))
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


def _write(lines: Iterable[str], output: Path | None, block: int, *, as_is: bool) -> None:
    """Print the lines, or write them into a file, where signs that steer a terminal may stay `as_is`."""
    from danlu.machine.files import bytes_in_place
    from danlu.machine.terminal import show_all, visible

    if output is None:
        show_all(lines, every=block)
        return
    with bytes_in_place(output) as out:
        for line in lines:
            out.write(f"{line if as_is else visible(line)}\n".encode(errors="backslashreplace"))


def _counted(lines: Iterable[str], told: Counter[str]) -> Iterator[str]:
    """The lines; `told` counts them."""
    for line in lines:
        told["lines"] += 1
        yield line


def _refuse_settings(settings: Sequence[str]) -> None:
    """Refuse settings of a format where there is no file."""
    from danlu.model.policies.greedy import Greedy
    from danlu.recipe.part import nearest

    if settings:
        name = settings[0].partition("=")[0]
        known = [
            f"policy.{field}" for field in ("kind", "beams", "temperature", "top_k", "top_p", *Greedy.model_fields)
        ]
        raise Refusal(
            f"{settings[0]}: looks like a setting, and without a file there are only those that begin with 'policy.'"
            f"{nearest(name, known)}"
        )


def _records(file: str, column: str, settings: Sequence[str], task: "Task") -> Iterator[dict[str, Any]]:
    from danlu.data.reading.format import guess
    from danlu.data.reading.guess import SUFFIXES

    try:
        source = guess(file, settings=settings)
    except (Refusal, OSError) as error:  # of a text, which is too long for a name or looks like a pattern
        if os.path.lexists(file) or ":" in file or file.endswith(tuple(SUFFIXES)):
            raise
        told = str(error) if isinstance(error, Refusal) else "a name as long as this is no file"
        raise Refusal(f"{told}; a text itself is given by --text") from error
    if column != "text":  # the format refuses a name that the file does not have
        return source.read([column])
    if "text" not in task.reads:  # the task names what it lacks
        return source.read()
    first = next(source.read(), {})
    if {"text", "tokens", "words", "messages"} & set(first):  # what stands for a text, and where
        return source.read()
    stated = any(setting.startswith("kind=") for setting in settings)
    if "messages" in task.columns and not stated:  # a conversation in a form of its own
        chat = guess(file, settings=[*settings, "kind=chat"])
        with suppress(Refusal):
            if next(chat.read(), None):
                return chat.read()
    wanted = " and ".join(f"'{name}'" for name in task.reads)
    headless = ", or header=[text] where the first row is no header" if "header" in type(source).model_fields else ""
    raise Refusal(
        f"{file}: there is no column 'text', but {', '.join(first)}, and the task {task.kind} reads {wanted}; name the "
        f"text with --column NAME, or others with columns.NAME=...{headless}, or the form of the file with kind=NAME"
    )


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
