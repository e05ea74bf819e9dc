"""`danlu completion SHELL`, and `danlu completion words -- WORDS`, by which shells ask what may come next."""

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer
from typer.models import OptionInfo, ParameterInfo

SCRIPTS = {
    "bash": """\
_danlu_completion() {
    local IFS=$'\\n'
    COMPREPLY=($("${COMP_WORDS[0]}" completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null))
}
complete -o default -o bashdefault -F _danlu_completion danlu""",
    "zsh": """\
#compdef danlu
_danlu() {
    local -a found
    found=("${(@f)$("${words[1]}" completion words -- "${(@)words[2,CURRENT]}" 2> /dev/null)}")
    if [[ -n "${found[1]}" ]]; then compadd -- "${found[@]}"; else _files; fi
}
compdef _danlu danlu""",
    "fish": """\
complete -c danlu -a '(danlu completion words -- (commandline -opc)[2..] (commandline -ct) 2> /dev/null)'""",
    "powershell": """\
Register-ArgumentCompleter -Native -CommandName danlu -ScriptBlock {
    param($word, $tree, $place)
    $words = @($tree.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
    if ($word -eq "") { $words += " " }
    danlu completion words -- @words 2> $null |
        ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}""",
}
"""What each shell is told; where nothing is found, it completes names of files."""

INSTALLED = {
    "bash": 'eval "$(danlu completion bash)"    # as a line of ~/.bashrc',
    "zsh": 'eval "$(danlu completion zsh)"    # as a line of ~/.zshrc, below compinit',
    "fish": "danlu completion fish > ~/.config/fish/completions/danlu.fish",
    "powershell": "danlu completion powershell | Out-String | Invoke-Expression    # as a line of $PROFILE",
}

VALUES: dict[tuple[str, str], str] = {
    ("explain", "--method"): "explainer",
    ("export", "--to"): "target",
    ("bakeoff", "--methods"): "method",
    ("evaluate", "--metric"): "metric",
    ("evaluate", "--baseline"): "baseline",
    ("leaderboard", "--metric"): "metric",
    ("tokens", "--segmenter"): "segmenter",
    ("init", "0"): "task",
    ("segment", "0"): "segmenter",
    ("prune", "1"): "pruning",
    ("list", "0"): "any",
}
"""What stands behind an option, or at a place, of a command: kinds of a promise."""

RECIPES = {"run", "check", "plan", "search", "bakeoff"}


@dataclass(frozen=True)
class Parameter:
    """What a command takes: an option by its `words`, or an argument, which has none."""

    name: str
    words: tuple[str, ...]
    help: str
    choices: tuple[str, ...]
    takes_value: bool
    several: bool


def command(
    shell: Annotated[Literal["bash", "zsh", "fish", "powershell", "words"], typer.Argument(help="which shell")],
    words: Annotated[list[str] | None, typer.Argument(metavar="[-- WORDS]", help="with 'words': what is typed")] = None,
) -> None:
    """Print what a shell needs to complete commands, options, kinds and applications.

    For bash, put the line `eval "$(danlu completion bash)"` into ~/.bashrc; what is printed tells it for each shell.
    """
    from danlu.machine.terminal import show, show_all

    if shell == "words":
        show_all(list(candidates(words or [""])), every=1000)
        return
    show(f"# {INSTALLED[shell]}\n{SCRIPTS[shell]}")


def candidates(words: list[str]) -> Iterator[str]:
    """What the last of some words behind `danlu`, which is not typed to its end, may become."""
    import danlu.cli.main

    *typed, begun = [word.strip() for word in words]
    if not typed:
        found: list[str] = [*danlu.cli.main.COMMANDS, "--help", "--version"]
    elif typed[0] not in danlu.cli.main.COMMANDS:
        found = []
    elif typed[0] == "app":
        found = _of_applications(typed[1:], begun)
    else:
        function = importlib.import_module(f"danlu.cli.{typed[0]}").command
        found = _of_command(typed[0], function, typed[1:], begun)
    yield from dict.fromkeys(word for word in found if word.startswith(begun))


def kinds_of(sort: str) -> list[str]:
    """The names of a promise's kinds, by their files and entry points alone: to import the promise takes seconds."""
    import danlu.cli.list

    if sort == "any":
        promises = danlu.cli.list.PROMISES
        return [*promises, *sorted({kind for promise in promises for kind in kinds_of(promise)})]
    source = find_spec(danlu.cli.list.PROMISES[sort])
    assert source is not None
    assert source.origin is not None
    (folder,) = re.findall(
        r'^    folder: ClassVar\[str\] = "(.+)"', Path(source.origin).read_text("utf-8"), re.MULTILINE
    )
    package = find_spec(folder)
    assert package is not None
    files = [path.stem for place in package.submodule_search_locations or [] for path in Path(place).glob("[!_]*.py")]
    return sorted({*files, *(point.name for point in entry_points(group=f"danlu.{folder.rpartition('.')[2]}"))})


def parameters(function: Callable[..., Any]) -> list[Parameter]:
    """What a command takes, as its function says it to typer; hidden options are left out."""
    found = []
    for name, hint in get_type_hints(function, include_extras=True).items():
        told = next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, ParameterInfo)), None)
        if told is None or told.hidden:
            continue
        bare = get_args(hint)[0]
        inner = [bare, *get_args(bare), *(deep for each in get_args(bare) for deep in get_args(each))]
        choices = tuple(str(each) for sort in inner if get_origin(sort) is Literal for each in get_args(sort))
        listed = (sort for sort in inner if isinstance(sort, type) and issubclass(sort, Enum))
        choices += tuple(str(each.value) for sort in listed for each in sort)
        words: tuple[str, ...] = ()
        if isinstance(told, OptionInfo):
            dashed = name.replace("_", "-")
            stated = (told.default, *(told.param_decls or ()))  # within Annotated, typer keeps the first as a default
            own = [word for each in stated if isinstance(each, str) for word in each.split("/") if word[:1] == "-"]
            words = tuple(own) or ((f"--{dashed}", f"--no-{dashed}") if bare is bool else (f"--{dashed}",))
        several = any(get_origin(each) in (list, tuple) for each in inner)
        called = str(told.metavar or name.upper())
        found.append(Parameter(called, words, told.help or "", choices, bare is not bool, several))
    return found


def _of_applications(typed: list[str], begun: str) -> list[str]:
    import danlu.cli.app

    if not typed:
        return [*danlu.cli.app.names(), "--help"]
    function, called, rest, _ = danlu.cli.app.chosen(typed)
    found = _of_command(called.removeprefix("danlu "), function, rest, begun)
    if len(typed) == 1 and typed[0] in danlu.cli.app.names():
        deeds = importlib.import_module(f"danlu.cli.apps.{typed[0]}").COMMANDS
        found = [*(deed for deed in deeds if deed != "start"), *found]
    return found


def _of_command(name: str, function: Callable[..., Any], typed: list[str], begun: str) -> list[str]:
    takes = parameters(function)
    options = {word: each for each in takes for word in each.words}
    before = options.get(typed[-1]) if typed else None
    if before is not None and before.takes_value:
        return _values(name, typed[-1], before)
    if begun.startswith("-"):
        return [*options, "--help"]
    place = sum(not word.startswith("-") and not _is_value(typed[:at], options) for at, word in enumerate(typed))
    arguments = [each for each in takes if not each.words]
    if name in RECIPES and place == 0 and begun:
        return [path.stem for path in (Path(__file__).parents[1] / "recipes").glob("*.yaml")]
    at = min(place, len(arguments) - 1) if arguments and arguments[-1].several else place
    return _values(name, str(at), arguments[at] if at < len(arguments) else None)


def _is_value(before: list[str], options: dict[str, Parameter]) -> bool:
    last = options.get(before[-1]) if before else None
    return last is not None and last.takes_value


def _values(name: str, place: str, parameter: Parameter | None) -> list[str]:
    if (name, place) in VALUES:
        return kinds_of(VALUES[name, place])
    if place == "--language":
        return ["en", "zh"]
    return list(parameter.choices) if parameter else []
