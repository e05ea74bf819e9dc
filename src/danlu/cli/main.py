"""The command line: finds the command, imports its file alone, and turns errors into sentences.

A command `x` is the function `command` in `danlu/cli/x.py`, and a line in the table below.
"""

import copy
import errno
import functools
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, NoReturn

from danlu.machine.folded_help import folded_help
from danlu.machine.module_path import module_path
from danlu.machine.patience import wait_briefly
from danlu.machine.terminal import leave_streams, open_streams, say_as_written, show
from danlu.refusal import Refusal, without_secrets

COMMANDS = {
    "quickstart": "Train and try two models on real Chinese text; nothing is downloaded.",
    "init": "Look at data and write a recipe for it that runs, with comments on what was guessed.",
    "survey": "Tell what a data file holds: rows, lengths, labels, duplicates, conflicts, leaks.",
    "labels": "Rank records by how probably their label is wrong, for review.",
    "segment": "Split texts into words, or score how well that is done.",
    "tokens": "Show how a text is cut into words, pieces and numbers.",
    "check": "Look a recipe over before it runs: its data, what the model will see, time and memory.",
    "plan": "Tell memory, time and cost of a training, on devices that need not be there.",
    "run": "Run a recipe: prepare data, train, evaluate; what is done already is skipped.",
    "search": "Try many settings of a recipe, and tell which are best; what was interrupted goes on.",
    "bakeoff": "Compare methods of tuning on one recipe: quality, parameters, memory, time, size on disk.",
    "studio": "Look at runs in a browser: start, watch, stop and compare them; data, recipes, bundles.",
    "predict": "Answer for the texts of a file, of standard input or of --text.",
    "chat": "Talk with a model in the terminal; answers come word by word.",
    "serve": "Answer over HTTP: the tasks of bundles, and the interface of OpenAI.",
    "bundle": "Make a bundle of a model that others trained, as it is.",
    "key": "Make a key for those who may ask a server.",
    "app": "Start an application: answers to customers, market sentiment, recommendations, knowledge, writing, code.",
    "explain": "Show which words an answer goes back to, and how far that can be believed.",
    "evaluate": "Score a bundle on records with the truth, beside a classical baseline.",
    "prompt": "Classify by a prompt without training, show what the model saw, and score it.",
    "benchmark": "Take an examination of the form of MMLU, C-Eval or CMMLU, by likelihood.",
    "judge": "Let another model judge answers pair by pair, in both orders.",
    "compress": "Make a bundle smaller or faster: the best of many ways that holds a floor of quality.",
    "prune": "Take neurons, layers, heads or words out of a bundle.",
    "compare": "Say which of two evaluations is better, and whether that could be chance.",
    "leaderboard": "Put all evaluations of the same records in order; which are worse than the best beyond chance?",
    "report": "Write report.html: curves, scores, errors, data and recipe of a run.",
    "verify": "Check that a bundle is whole and answers as it did when it was saved.",
    "adapt": "Add to a bundle what a training has added to its base, under a name.",
    "merge": "Make adapters of a bundle into one, or fold one into the weights of its base.",
    "export": "Write a bundle for ONNX Runtime, OpenVINO, llama.cpp or transformers, and compare the two.",
    "sign": "Sign a bundle with a private key, or make a pair of keys.",
    "doctor": "Look the machine and the installation over: what is missing, and the command that mends it.",
    "completion": "Print what a shell needs to complete commands, options, kinds and applications.",
    "man": "Print the manual page of all commands.",
    "list": "Show the parts that recipes are made of, with their keys and defaults.",
    "schema": "Print the JSON Schema of recipes, for editors.",
}
"""Name of each command, and the line that `danlu --help` shows of it."""


TRAINING = ("quickstart", "run", "search", "bakeoff", "compress", "studio")
"""Commands that train, which falls back to one core while the others are held (`danlu.train.fair`)."""

_TRAINING_APPS = {"train", "retrain", "--sample"}
"""Words with which an application may train."""

_LONGEST_PLACE = 300  # characters of the name of a file, which may be a text that was meant for --text
_LONGEST = 4000  # characters of a sentence; names of columns come from data

_REMEDIES = {
    errno.EACCES: "change its rights, or choose another place",
    errno.EPERM: "change its rights, or choose another place",
    errno.EROFS: "choose a place that can be written to",
    errno.ENAMETOOLONG: "give the path of a file",
    errno.EISDIR: "name a file in it",
    errno.ENOTDIR: "name a place inside of folders alone",
    errno.EEXIST: "move it away, or choose another name",
    errno.ELOOP: "mend the links",
    errno.ENOSPC: "free some space or choose another folder, then run the same command again",
    errno.EDQUOT: "free some space or choose another folder, then run the same command again",
    errno.EFBIG: "allow larger files or choose another folder, then run the same command again",
}
"""What to do where the system refuses a file; what else it says would be a mistake of ours."""


_UNHEARD = 141
"""What a shell tells of a program that wrote into a pipe without a reader: 128 + SIGPIPE."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 a mistake of ours or a check that failed, 2 refused, 130 interrupted.

    141 means that the reader of what it printed went away before the end.
    """
    if arguments is None:
        sys.path[:] = module_path()
    open_streams()
    try:
        Path.cwd()
        _run([*(sys.argv[1:] if arguments is None else arguments)])
    except KeyboardInterrupt:  # while a command was still being imported
        _interrupted()
        sys.exit(130)
    except BrokenPipeError:
        leave_streams()
        sys.exit(_UNHEARD)
    except FileNotFoundError as error:
        if error.filename is not None:
            raise
        _refuse("the working folder was removed; change to one that is there, as with: cd ~")


def _run(words: list[str]) -> None:
    own = words[: words.index("--")] if "--" in words else words
    debug = "--debug" in own
    if debug:
        words.remove("--debug")
    if words and words[0] in COMMANDS:
        if not _trains(words):
            wait_briefly()
        module = importlib.import_module(f"danlu.cli.{words[0]}")
        if words[0] == "app":
            command, name, rest, more = module.chosen(words[1:])
            _call(command, name, rest, debug, more)
        else:
            _call(module.command, f"danlu {words[0]}", words[1:], debug)
    elif words and words[0] == "--version":
        import danlu

        show(danlu.__version__)
    elif words and not words[0].startswith("-"):
        close = get_close_matches(words[0], COMMANDS, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"the commands are: {', '.join(COMMANDS)}"
        _refuse(f"there is no command '{words[0]}'; {hint}")
    else:
        _overview(words)


def _trains(words: list[str]) -> bool:
    return words[0] in TRAINING or (words[0] == "app" and not _TRAINING_APPS.isdisjoint(words))


def _call(command: Callable[..., Any], name: str, words: list[str], debug: bool, more: str | None = None) -> None:
    import typer

    from danlu.language import default
    from danlu.recipe.told import in_language, told_by

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    said = in_language(default())
    app.command(help=said(told_by(command)), epilog=more)(_helped(_told_in_words(command, debug), said))
    try:
        with folded_help() if "--help" in words else nullcontext():
            code = app(words, prog_name=name, standalone_mode=False)
    except BrokenPipeError:
        raise
    except Exception as error:
        if not hasattr(error, "format_message"):  # words that are no arguments of the command
            raise
        _refuse(f"{str(error.format_message()).rstrip('.')}; `{name} --help` tells what it takes")
    sys.exit(code if isinstance(code, int) else 0)


def _told_in_words(command: Callable[..., Any], debug: bool) -> Callable[..., Any]:
    """The command with what stops it told in a sentence; typer still sees its arguments."""

    @functools.wraps(command)
    def told(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:
            _interrupted()
            sys.exit(130)
        except BrokenPipeError:  # whoever read our output, such as `head`, has seen enough
            leave_streams()
            sys.exit(_UNHEARD)
        except Exception as error:
            sentence = _sentence(error)
            if sentence is None:
                raise
            if debug:
                traceback.print_exc()
            _refuse(sentence)

    return told


def _helped(command: Callable[..., Any], said: Callable[[str], str]) -> Callable[..., Any]:
    """The command whose arguments and options are told by `said`; those of its module stay as they are."""

    def told(annotation: Any) -> Any:
        if not hasattr(annotation, "__metadata__"):
            return annotation
        metadata = [copy.copy(each) for each in annotation.__metadata__]
        for info in metadata:
            if hasattr(info, "help"):
                info.help = said(info.help or "")
        return Annotated[annotation.__origin__, *metadata]

    whole = inspect.signature(command)
    given = [each.replace(annotation=told(each.annotation)) for each in whole.parameters.values()]
    command.__signature__ = whole.replace(parameters=given)  # type: ignore[attr-defined]
    return command


def _interrupted() -> None:
    from danlu.language import default, translator

    _say(translator(default())("interrupted"))


def _refuse(sentence: str) -> NoReturn:
    _say(sentence)
    sys.exit(2)


def _say(sentence: str) -> None:
    """Print what stopped the command, in the reader's language; without secrets, and cut where data made it endless."""
    from danlu.language import default
    from danlu.sentences import in_language

    sentence = without_secrets(sentence)
    if len(sentence) > _LONGEST:
        sentence = f"{sentence[: _LONGEST // 2]} … {sentence[-_LONGEST // 2 :]}"
    translated = in_language(sentence, default())
    say_as_written(f"danlu: {translated or sentence}", err=True)
    if translated:
        say_as_written(f"  (English: {sentence})", err=True)  # what others have asked about can be searched for by it


def _sentence(error: Exception) -> str | None:
    """What to tell of an error that the user can mend; None for a mistake of ours."""
    if isinstance(error, Refusal):
        return str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory; close other programs, or give smaller files, batches or models"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT) and error.filename is None:
        return f"the disk is full; {_REMEDIES[error.errno]}"
    if isinstance(error, OSError) and error.filename is not None and error.errno in _REMEDIES:
        place = str(error.filename2 or error.filename)
        place = place if len(place) <= _LONGEST_PLACE else f"{place[:_LONGEST_PLACE]}…"
        return f"{place}: {str(error.strerror).lower()}; {_REMEDIES[error.errno]}"
    if "pydantic" in sys.modules:
        from pydantic import ValidationError

        if isinstance(error, ValidationError):
            from danlu.recipe.read import Written, sentences

            return sentences(error, Written(error.title, {}))
    return None


def _overview(words: list[str]) -> None:
    import typer

    from danlu.language import default, translator
    from danlu.recipe.told import in_language

    _, said = translator(default()), in_language(default())
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        help=_("danlu (丹炉): from raw text to a language model that serves."),
        epilog=_("`danlu COMMAND --help` explains a command; `--debug` with any command shows where an error arose."),
    )
    for name, line in COMMANDS.items():
        app.command(name, help=said(line))(_shown_only)

    @app.callback()
    def options(
        version: bool = typer.Option(False, "--version", help=_("Print the version and exit.")),
        debug: bool = typer.Option(False, "--debug", help=_("Show the traceback of an error as well.")),
    ) -> None:
        """Options that stand before every command."""

    with folded_help():
        app(words or ["--help"], prog_name="danlu")


def _shown_only() -> None:
    """Stands in the overview for a command whose file is not imported."""


if __name__ == "__main__":
    main()
