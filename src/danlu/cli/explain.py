"""`danlu explain BUNDLE TEXT|FILE`."""

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.language import default, translator
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from danlu.explain.explainer import Explainer
    from danlu.explain.explanation import Explanation
    from danlu.explain.neighbours import Example
    from danlu.task.task import Task

MOST_EXAMPLES = 2000


def command(
    bundle: Annotated[str, typer.Argument(help="folder of a bundle")],
    file: Annotated[
        str,
        typer.Argument(metavar="TEXT|FILE", help="a text, a record as json, or a file of records; '-': a text a line"),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="of the method: steps=64, layer=3 head=2; others of the file: columns.text=review"),
    ] = None,
    *,
    method: Annotated[str, typer.Option(help="its kind; danlu list explainer tells all")] = "integrated_gradients",
    target: Annotated[str | None, typer.Option(help="label to explain, where not the one that is given")] = None,
    at: Annotated[str | None, typer.Option(help="piece of the text whose label is explained")] = None,
    written: Annotated[int, typer.Option(min=1, max=512, help="tokens that a model writes and that are explained")] = 8,
    records: Annotated[int, typer.Option(min=1, help="of a file, how many are explained")] = 10,
    examples: Annotated[
        str | None, typer.Option(help="data among whose first 2,000 the nearest and most telling are sought")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="file for a page to look at")] = None,
    svg: Annotated[Path | None, typer.Option(help="file for a picture of the words")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="file for all numbers")] = None,
    checked: Annotated[bool, typer.Option("--check/--no-check", help="hide words to see how faithful it is")] = True,
    adapter: Annotated[str | None, typer.Option(help="its name; base for the model without any")] = None,
) -> None:
    """Show which words an answer goes back to, and how far that can be believed."""
    from danlu.bundle.bundle import exact, load
    from danlu.engine.reading import UNREAD
    from danlu.explain.explain import explain
    from danlu.explain.neighbours import examples_for
    from danlu.explain.terminal import show, show_examples
    from danlu.machine.files import refuse_unwritable
    from danlu.machine.terminal import as_text, console, say

    of_file = os.path.isfile(file) or examples is not None  # noqa: PTH113 - see _items
    own, rest = _dealt(method, settings or (), of_file=of_file)
    explainer = _explainer(method, own)
    for path in (html, svg, json_file):
        if path is not None:
            refuse_unwritable(path)
    _ = translator(default())
    loaded = load(bundle, exact(bundle), adapter=adapter)
    items = _items(as_text(file, "TEXT"), loaded.predictor.task, records, rest)
    left_out, items = len(items) > records, items[:records]
    data = _data(examples, rest) if examples else []
    found = explain(loaded, items, explainer, target=target, at=at, written=written, checked=checked)
    explained = sorted({told.record for told in found})
    near = [examples_for(loaded, items[number], data) for number in explained] if examples else []
    screen = console()
    for told in found:
        show(told, screen, _)
    for each in near:
        show_examples(each, screen, _)
    if unread := loaded.predictor.read(items).unread(loaded.tokenizer):
        say(f"{unread:,} of {len(items):,} texts {UNREAD}", err=True)
    if wordless := len(items) - len(explained):
        say(_("{count:,} texts have no word that the model reads, and are left out").format(count=wordless), err=True)
    if left_out:
        say(
            _("{file}: the first {count} records are explained; --records raises that").format(
                file=file, count=records
            ),
            err=True,
        )
    _write(found, near, (html, svg, json_file), bundle)


def _write(
    found: "Sequence[Explanation]",
    near: "Sequence[Sequence[Example]]",
    files: tuple[Path | None, Path | None, Path | None],
    name: str,
) -> None:
    """Write the page, the picture and the numbers of a bundle of this name, as far as they were asked for."""
    import json

    from danlu.explain.page import write_page
    from danlu.explain.picture import picture
    from danlu.machine.files import write_text
    from danlu.machine.terminal import say

    html, svg, json_file = files
    _ = translator(default())
    if html is not None:
        write_page(html, name, found, near, default())
    if svg is not None:
        write_text(svg, picture(found, _))
    if json_file is not None:
        plain = [told.to_plain() for told in found]
        write_text(json_file, json.dumps(plain, ensure_ascii=False, indent=1) + "\n")
    for path in files:
        if path is not None:
            say(_("written to {path}").format(path=path), err=True)


def _dealt(method: str, settings: Sequence[str], *, of_file: bool) -> tuple[list[str], list[str]]:
    """The settings of the method, and those of the format of a file where there is one."""
    from danlu.explain.explainer import Explainer
    from danlu.recipe.part import find, kinds

    if not of_file or method not in kinds(Explainer):
        return list(settings), []
    fields = find(Explainer, method).model_fields  # type: ignore[type-abstract]
    own = [setting for setting in settings if setting.partition("=")[0] in fields]
    return own, [setting for setting in settings if setting not in own]


def _explainer(method: str, settings: Sequence[str]) -> "Explainer":
    from pydantic import ValidationError

    from danlu.explain.explainer import Explainer
    from danlu.recipe.read import Written, keyed, sentences

    plain = {**keyed(settings), "kind": method}
    try:
        return Explainer.model_validate(plain)
    except ValidationError as error:
        raise Refusal(sentences(error, Written(f"--method {method}", plain))) from None


def _items(given: str, task: "Task", most: int, settings: Sequence[str]) -> list[dict[str, Any]]:
    """The records of a file or of lines, one more than `most` where there are more; or the one of a text or of json."""
    from danlu.data.reading.format import guess
    from danlu.data.reading.json_text import parse
    from danlu.machine.terminal import typed_lines
    from danlu.task.asked import records_of

    if given == "-":
        typed = list(islice(records_of(typed_lines(), task, "standard input"), most + 1))
        if not typed:
            raise Refusal("standard input: no text came, so there is nothing to explain; give one a line, or a text")
        return typed
    if os.path.isfile(given):  # noqa: PTH113 - a long text is no path, and Path would say so by an error
        found = list(islice(guess(given, settings=settings).read(), most + 1))
        if not found:
            raise Refusal(f"{given}: holds no record, so there is nothing to explain")
        return found
    if os.path.isdir(given):  # noqa: PTH112 - as above
        raise Refusal(f"{given}: is a folder; name a file in it, or give a text")
    if _is_path(given):
        raise Refusal(f"{given}: there is no such file; give one that is there, or a text")
    if given.lstrip().startswith("{"):
        value = parse(given, "TEXT")
        if isinstance(value, dict):
            return [value]
    if task.reads != ("text",):
        shape = ", ".join(f'"{name}": ...' for name in task.reads)
        raise Refusal(
            f"this bundle reads {' and '.join(task.reads)}; give a record as json: {{{shape}}}, or a file of some"
        )
    if not given.strip():
        raise Refusal("the text is empty, so there is nothing to explain; give one with words")
    return [{"text": given}]


def _is_path(given: str) -> bool:
    """Whether what is no file is meant for one, by its suffix: such a word in ASCII, or one that names a folder too."""
    from danlu.apps.guessing.files import OFFICE
    from danlu.data.reading.guess import SUFFIXES

    if " " in given or Path(given).suffix.lower() not in {*SUFFIXES, *OFFICE, ".gz", ".zip"}:
        return False
    folder = os.path.dirname(given)  # noqa: PTH120 - as above
    return given.isascii() or os.path.isdir(folder)  # noqa: PTH112


def _data(path: str, settings: Sequence[str]) -> list[dict[str, Any]]:
    from danlu.data.corpus.prepared import load as load_prepared
    from danlu.data.reading.format import guess

    records = load_prepared(Path(path), "train") if Path(path).is_dir() else guess(path, settings=settings).read()
    return list(islice(records, MOST_EXAMPLES))
