"""`danlu app NAME`: an application, found as a file of `danlu/cli/apps`.

The file of an application says in `LINE` what it is, and in `COMMANDS` what can be done with it: functions by name, of
which `start` is meant where no name is given.
"""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Annotated, Any

import typer

import danlu.cli.apps
from danlu.language import default, translator
from danlu.machine.terminal import show
from danlu.refusal import Refusal


def command(
    name: Annotated[str | None, typer.Argument(help="which; without one, all are listed")] = None,
) -> None:
    """Start an application: `danlu app NAME`; `danlu app NAME --help` tells what it takes."""
    from danlu.recipe.part import nearest
    from danlu.recipe.told import in_language

    known, said = names(), in_language(default())
    if name is not None:
        raise Refusal(f"there is no application '{name}'{nearest(name, known) or ';'} there are: {', '.join(known)}")
    for each in known:
        show(f"danlu app {each:<10} {said(_module(each).LINE)}")


def names() -> list[str]:
    """All applications."""
    return sorted(each.name for each in pkgutil.iter_modules(danlu.cli.apps.__path__))


def chosen(words: list[str]) -> tuple[Callable[..., Any], str, list[str], str | None]:
    """What some words behind `danlu app` ask for: the function, how it is called, its arguments, what else there is."""
    if not words or words[0] not in names():
        return command, "danlu app", words, None
    name, rest = words[0], words[1:]
    commands: dict[str, Callable[..., Any]] = _module(name).COMMANDS
    others = [each for each in commands if each != "start"]
    also = translator(default())("There are also: {names}")
    told = also.format(names=", ".join(f"danlu app {name} {each}" for each in others)) if others else None
    if rest and rest[0] in commands:
        return commands[rest[0]], f"danlu app {name} {rest[0]}", rest[1:], None
    return commands["start"], f"danlu app {name}", rest, told


def _module(name: str) -> Any:
    return importlib.import_module(f"danlu.cli.apps.{name}")
