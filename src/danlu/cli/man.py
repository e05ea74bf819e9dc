"""`danlu man`."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

DASH = r"\-"


def command() -> None:
    """Print the manual page of all commands; `danlu man > danlu.1` and `man ./danlu.1` show it."""
    from danlu.machine.terminal import show

    show("\n".join(page()))


def page() -> Iterator[str]:
    """The lines of the page, in the language of `man`."""
    import danlu
    import danlu.cli.main

    yield f'.TH DANLU 1 "" "danlu {danlu.__version__}" "danlu"'
    yield ".SH NAME"
    yield rf"danlu {DASH} from raw text to a language model that serves"
    yield ".SH SYNOPSIS"
    yield ".B danlu\n.I COMMAND\n.RI [ ARGUMENT ...]"
    yield ".SH DESCRIPTION"
    yield _text(
        "danlu prepares data, trains tokenizers, pretrains and fine-tunes Transformers, evaluates, explains, "
        "compresses and serves them, for texts in Chinese, English and other languages. A recipe in YAML names the "
        "stages; what a stage has left is used again."
    )
    yield ".SH COMMANDS"
    for name, line in danlu.cli.main.COMMANDS.items():
        if name != "app":
            yield from _of(f"danlu {name}", importlib.import_module(f"danlu.cli.{name}").command, line)
    yield ".SH APPLICATIONS"
    for called, function, line in _applications():
        yield from _of(called, function, line)
    yield ".SH EXIT STATUS"
    for code, meaning in {
        "0": "Done.",
        "1": "A check that failed, or a mistake of danlu, with a traceback.",
        "2": "Refused: one sentence says what was expected and what to do.",
        "130": "Interrupted; the same command goes on.",
        "141": "The reader of what was printed went away.",
    }.items():
        yield f".TP\n.B {code}\n{_text(meaning)}"
    yield ".SH ENVIRONMENT"
    yield f".TP\n.B DANLU_LANGUAGE\n{_text('en or zh: the language of what danlu says; else that of the system.')}"


def _applications() -> Iterator[tuple[str, Callable[..., Any], str]]:
    import danlu.cli.app

    for name in danlu.cli.app.names():
        module = importlib.import_module(f"danlu.cli.apps.{name}")
        for deed, function in module.COMMANDS.items():
            called = f"danlu app {name}" + (f" {deed}" if deed != "start" else "")
            yield called, function, module.LINE if deed == "start" else ""


def _of(called: str, function: Callable[..., Any], line: str) -> Iterator[str]:
    """A section of the page: what a command does, and what it takes."""
    import danlu.cli.completion

    takes = danlu.cli.completion.parameters(function)
    arguments = [each for each in takes if not each.words]
    yield f".SS {_text(' '.join([called, *(each.name for each in arguments)]))}"
    yield _text(re.sub(r"\s*\n\s*", " ", (inspect.getdoc(function) or line).strip()))
    for each in arguments:
        if each.help:
            yield f".TP\n.I {_text(each.name)}\n{_text(each.help)}"
    for each in takes:
        if each.words:
            yield f".TP\n.B {_text(', '.join(each.words))}\n{_text(each.help)}"


def _text(text: str) -> str:
    """A text in which nothing is taken for an instruction; dashes stay what is typed."""
    shown = text.replace("\\", r"\e").replace("-", DASH)
    return r"\&" + shown if shown.startswith((".", "'")) else shown
