"""The reference, made of the code: each part with its keys, each command with its options, the face in Python."""

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, get_args

from typer.models import OptionInfo, ParameterInfo
from wording import HEADS, PROMISED, SORTS, WORDS

import danlu
from danlu.cli import app
from danlu.cli.list import PROMISES, parts, promise
from danlu.cli.main import COMMANDS
from danlu.recipe.part import Part, kind_of
from danlu.recipe.schema import Key, in_words, keys
from danlu.recipe.told import holds_in, in_language, told_by

ARCHITECTURE = Path(__file__).parents[1] / "architecture.md"
LANGUAGES = ("en", "zh")
LONGEST = 60  # characters of a default; longer ones are those of whole sections, whose keys follow


def reference_pages() -> dict[str, str]:
    """All pages of the reference in both languages, by their name under docs/."""
    found = {sort: of[sort] for sort in PROMISES for of in [parts(sort)]}
    made = {}
    for language in LANGUAGES:
        end = ".md" if language == "en" else f".{language}.md"
        made[f"reference/index{end}"] = _index(found, language)
        made[f"reference/recipe{end}"] = _recipe(language)
        made[f"reference/commands{end}"] = _commands(language)
        made[f"reference/applications{end}"] = _applications(language)
        made[f"reference/python{end}"] = _python(language)
        for sort, members in found.items():
            made[f"reference/parts/{sort}{end}"] = _sort(sort, members, language)
    return made


def _words(language: str) -> Callable[[str], str]:
    return lambda name: WORDS[name][LANGUAGES.index(language)]


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]], language: str) -> str:
    names = [HEADS[head][LANGUAGES.index(language)] for head in heads]
    cells = [" | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    return "\n".join(f"| {row} |" for row in [" | ".join(names), " | ".join("---" for _ in names), *cells])


def _plain(text: str) -> str:
    """A text of a docstring or of a description, where nothing but what stands in backticks is markup."""
    pieces = re.split(r"(`[^`]*`)", text)
    pieces[::2] = [re.sub(r"([<*_$\[\]])", r"\\\1", piece) for piece in pieces[::2]]
    return "".join(pieces)


def _said(text: str, language: str) -> str:
    """What a description or a line says, in a language."""
    return _plain(in_language(language)(text))


def _told(documented: Any, language: str) -> str:
    """What a docstring says before it comes to arguments and errors, in a language."""
    return _said(told_by(documented), language)


def _default(key: Key, word: Callable[[str], str]) -> str:
    if key.needed:
        return word("needed")
    text = json.dumps(key.default, ensure_ascii=False, default=str)
    return f"`{text}`" if len(text) <= LONGEST else word("see below")


def _linked(holds: str, above: str, language: str) -> str:
    """What a key holds, where each promise leads to the page of its parts."""
    for words, sort in PROMISED.items():
        shown = words if language == "en" else SORTS[sort][LANGUAGES.index(language)]
        holds = re.sub(rf"\b{words}\b", f"[{shown}]({above}parts/{sort}.md)", holds)
    return holds_in(language, holds)


def _keys(found: list[Key], above: str, language: str) -> str:
    word = _words(language)
    if not found:
        return word("no keys")
    holds = [_linked(f"{key.holds}, {key.limits}" if key.limits else key.holds, above, language) for key in found]
    rows = [
        (f"`{key.name}`", text, _default(key, word), _said(key.description, language))
        for key, text in zip(found, holds, strict=True)
    ]
    return _table(("key", "holds", "default", "meaning"), rows, language)


def _index(found: dict[str, list[type[Part]]], language: str) -> str:
    word = _words(language)
    rows = [
        (f"[{SORTS[sort][LANGUAGES.index(language)]}](parts/{sort}.md)", ", ".join(
            f"[`{kind_of(part)}`](parts/{sort}.md#{kind_of(part)})" for part in members))
        for sort, members in found.items()
    ]  # fmt: skip
    commands = [(f"[`{name}`](commands.md#{name})", _said(line, language)) for name, line in COMMANDS.items()]
    return "\n\n".join([
        f"# {word('reference')}", word("about reference"), f"## {word('parts')}", word("about parts"),
        _table(("sort", "kinds"), rows, language), f"## {word('commands')}",
        _table(("command", "does"), commands, language),
        word("about more"),
    ])  # fmt: skip


def _recipe(language: str) -> str:
    from danlu.stages.recipe import Recipe

    word = _words(language)
    return "\n\n".join([f"# {word('recipe')}", word("about recipe"), _keys(keys(Recipe), "", language)])


def _sort(sort: str, members: list[type[Part]], language: str) -> str:
    word, kept = _words(language), promise(sort)
    title = SORTS[sort][LANGUAGES.index(language)]
    said = re.sub(
        r"^(?:The promise of an? [^:]+: |[^：\n]*的约定：)(.)",
        lambda found: found[1].upper(),
        _told(sys.modules[kept.__module__], language),
    )
    place = _places()[kept.__name__]
    sections = [f"# {title}", said, f"{word('where')} {place[0]} {word('file')} `src/danlu/{place[1]}`."]
    shared = keys(kept)
    if shared:
        sections += [f"{word('shared keys')}", _keys(shared, "../", language)]
    for part in members:
        own = [key for key in keys(part) if key not in shared]
        sections += [f"## {kind_of(part)} {{ #{kind_of(part)} }}", _told(part, language)]
        source = _told(sys.modules[part.__module__], language)
        sections += [source] if source != sections[-1] else []
        sections += [_task(part, language)] if sort == "task" else []
        sections.append(_keys(own, "../", language))
    return "\n\n".join(sections)


@cache
def _places() -> dict[str, tuple[str, str]]:
    """Where each promise stands in recipes, and in which folder it is kept: a table that tests hold to the code."""
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| `(\S+/)` \| `danlu\.", ARCHITECTURE.read_text("utf-8"), re.MULTILINE)
    return {name: (place, folder) for name, place, folder in rows}


def _task(task: Any, language: str) -> str:
    """What a task reads, in what form it answers, by what it is scored and beside what."""
    word = _words(language)
    columns, metrics, form, baseline = task.columns, task.metrics, task.answer_form, task.baseline
    told = [  # what depends on the task's own keys is a property of the class, and told by its words above
        (
            word("reads"),
            ", ".join(f"`{name}` ({holds_in(language, _plain(holds))})" for name, holds in _items(columns)),
        ),
        (word("answers"), f"[`{form}`](answer.md#{form})" if isinstance(form, str) else ""),
        (word("scored by"), ", ".join(f"[`{name}`](metric.md#{name.partition('@')[0]})" for name in _names(metrics))),
        (word("beside"), f"[`{baseline}`](baseline.md#{baseline})" if isinstance(baseline, str) else ""),
    ]
    return "\n".join(f"- {name}: {text}" for name, text in told if text)


def _items(columns: Any) -> Iterable[tuple[str, str]]:
    return columns.items() if isinstance(columns, dict) else ()


def _names(metrics: Any) -> Iterable[str]:
    return metrics if isinstance(metrics, tuple) else ()


def _commands(language: str) -> str:
    from importlib import import_module

    word = _words(language)
    sections = [f"# {word('commands')}", word("about commands")]
    for name in COMMANDS:
        sections += _command(f"danlu {name}", name, import_module(f"danlu.cli.{name}").command, language)
    return "\n\n".join(sections)


def _applications(language: str) -> str:
    from importlib import import_module

    word = _words(language)
    sections = [f"# {word('applications')}", word("about applications")]
    for name in app.names():
        module = import_module(f"danlu.cli.apps.{name}")
        sections += [f"## {name} {{ #{name} }}", _said(module.LINE, language)]
        for own, function in module.COMMANDS.items():
            words = f"danlu app {name}" if own == "start" else f"danlu app {name} {own}"
            sections += _command(words, f"{name}-{own}", function, language, level=3)
    return "\n\n".join(sections)


def _command(words: str, anchor: str, function: Callable[..., Any], language: str, level: int = 2) -> list[str]:
    """A command with what it takes: arguments first, then options, each with its default and limits."""
    taken = [(given, _info(given)) for given in inspect.signature(function).parameters.values()]
    taken.sort(key=lambda each: isinstance(each[1], OptionInfo))
    word = _words(language)
    rows = [
        (
            _written(given, info),
            holds_in(language, _typed(given, info)),
            _given(given, word),
            _said(info.help or "", language),
        )
        for given, info in taken
    ]
    told = [f"{'#' * level} {words} {{ #{anchor} }}", _told(function, language)]
    return [*told, _table(("argument", "holds", "default", "meaning"), rows, language)] if rows else told


def _info(given: inspect.Parameter) -> ParameterInfo:
    """What is said of an argument of a command."""
    return next(each for each in given.annotation.__metadata__ if isinstance(each, ParameterInfo))


def _written(given: inspect.Parameter, info: ParameterInfo) -> str:
    if isinstance(info, OptionInfo):
        # in Annotated typer takes the first name for a default
        names = [name for name in (info.default, *(info.param_decls or ())) if isinstance(name, str)]
        return ", ".join(f"`{name}`" for name in names or [f"--{given.name.replace('_', '-')}"])
    return f"`{(info.metavar or given.name.upper()).strip('[].')}`"


def _typed(given: inspect.Parameter, info: ParameterInfo) -> str:
    if bool in (given.annotation.__origin__, *get_args(given.annotation.__origin__)):
        return ""
    bounds = {"at least": info.min, "at most": info.max}
    told = [in_words(given.annotation.__origin__).removesuffix(" or nothing").replace("Path", "path")]
    return ", ".join([*told, *(f"{words} {bound:g}" for words, bound in bounds.items() if bound is not None)])


def _given(given: inspect.Parameter, word: Callable[[str], str]) -> str:
    if given.default is inspect.Parameter.empty:
        return word("needed")
    return "" if given.default in (None, False, "") else f"`{given.default}`"


def _python(language: str) -> str:
    from danlu.bundle.bundle import Bundle
    from danlu.stages.run import Run

    word = _words(language)
    sections = [f"# {word('python')}", word("about python")]
    for name in danlu.__all__:
        if not name.startswith("_"):
            sections += _documented(f"danlu.{name}", name, getattr(danlu, name), language)
    for kept in (Bundle, Run):
        sections += [f"## {kept.__name__} {{ #{kept.__name__} }}", _told(kept, language)]
        for name, member in vars(kept).items():
            if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                sections += _documented(name, f"{kept.__name__}.{name}", member, language, level=3)
    return "\n\n".join(sections)


def _documented(words: str, anchor: str, documented: Any, language: str, level: int = 2) -> list[str]:
    """A function, a property or a class with its signature, and what it raises."""
    told = [f"{'#' * level} {words} {{ #{anchor} }}"]
    if inspect.isfunction(documented):
        told.append(f"~~~~python\n{words}{_signature(documented)}\n~~~~")
    told.append(_told(documented, language))
    raises = re.search(r"Raises:\n((?:    .*\n?)+)", inspect.getdoc(documented) or "")
    if raises:
        lines = re.sub(r"\n {8,}", " ", raises[1].rstrip()).splitlines()
        told.append(
            f"{WORDS['raises'][LANGUAGES.index(language)]}\n\n"
            + "\n".join(f"- {_said(line.strip(), language)}" for line in lines)
        )
    return told


def _signature(function: Callable[..., Any]) -> str:
    """How a function is called, as its author has written it."""
    whole = inspect.signature(function)
    given = [each.replace(default=inspect.Parameter.empty) for name, each in whole.parameters.items() if name != "self"]
    text = str(whole.replace(parameters=given))
    for each in whole.parameters.values():
        if each.default is not inspect.Parameter.empty:
            default = getattr(each.default, "__name__", repr(each.default)).replace("<lambda>", "...")
            text = re.sub(rf"(\b{each.name}: .*?)(?=, \**\w+: |, \*, |\) ->)", rf"\1 = {default}", text, count=1)
    # types that are imported for checks alone are quoted, and names of modules say nothing to a reader
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", re.sub(r"(?<=: )'([^']*)'|(?<=-> )'([^']*)'", r"\1\2", text))
