"""All that is printed goes through here: what would steer a terminal is written out, and nobody need listen.

`say` is for who watches, and speaks their language: the work goes on without them. `show`, `show_all` and `console` are
for what was asked for: where its reader has gone (`| head`), there is nothing left to do, and `BrokenPipeError` ends
the command.
"""

import io
import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, TextIO

from danlu.language import default
from danlu.refusal import Refusal
from danlu.sentences import in_language

if TYPE_CHECKING:
    from rich.console import Console

LONGEST_LINE = 2**24
"""Bytes of a line that is typed or piped in: what is longer is no text, but something without line ends."""

# Control characters but for tab and line end, directions of writing, separators of lines, halves of characters.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""The text with every sign that steers a terminal as `\u001b`; in a json text the value stays the same."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def on_one_line(text: str) -> str:
    r"""The text as `visible` has it, with its line ends and tabs as `\n`, `\t`."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def open_streams() -> None:
    """Put the null device where standard streams are closed.

    The next file to be opened would otherwise take the stream's number, and what is printed would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    sys.stdout = sys.stdout or _Nowhere()
    sys.stderr = sys.stderr or _Nowhere()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a console of GBK has no place for every character


def leave_streams() -> None:
    """Send what is still to be printed nowhere, or Python would complain of a reader that has gone when it ends."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
            continue
        _leave(stream)


def say(line: str, *, err: bool = False) -> None:
    """Print a line for who watches, in their language, on standard error if `err`; nothing where nobody listens."""
    say_as_written(in_language(line, default()) or line, err=err)


def say_as_written(line: str, *, err: bool = False) -> None:
    """Print a line for who watches, as `say` does, in the language that it is written in."""
    with suppress(BrokenPipeError):
        _write(sys.stderr if err else sys.stdout, f"{visible(line)}\n")


def show(line: str) -> None:
    """Print a line of what was asked for.

    Raises:
        BrokenPipeError: the reader has gone.
        Refusal: standard output is closed or cannot be written to.
    """
    _refuse_closed()
    _write(sys.stdout, f"{visible(line)}\n")


def show_piece(text: str) -> None:
    """Print a piece of what was asked for, as it comes; raises as `show` does."""
    _refuse_closed()
    _write(sys.stdout, visible(text))


def show_all(lines: Iterable[str], *, every: int) -> None:
    """Print lines of what was asked for in UTF-8, and make sure that they are seen after every so many.

    Raises:
        BrokenPipeError, Refusal: as `show` does.
    """
    _refuse_closed()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    waiting: list[str] = []
    try:
        for line in lines:
            waiting.append(f"{visible(line)}\n")
            if len(waiting) >= every:
                _write(sys.stdout, "".join(waiting))
                waiting.clear()
    finally:
        _write(sys.stdout, "".join(waiting))


def console(*, goes_on: bool = False, **options: Any) -> "Console":
    """A console for tables: what is printed on it is text, neither markup nor emoji, and no sign steers it.

    It raises as `show` does, unless the work `goes_on` where nobody listens.
    """
    if not goes_on:
        _refuse_closed()
    from rich.console import Console
    from rich.segment import Segment

    class Plain(Console):
        def render_str(self, text: str, **named: Any) -> Any:  # cells are measured by it
            return super().render_str(visible(text), **named)

        def render(self, *given: Any, **named: Any) -> Iterable[Any]:
            for part in super().render(*given, **named):
                yield part if part.control else Segment(visible(part.text), part.style)

        def on_broken_pipe(self) -> None:
            _leave(self.file)
            if not goes_on:
                raise BrokenPipeError

    return Plain(markup=False, emoji=False, highlight=False, **options)


def typed_lines() -> Iterable[str]:
    """The lines of standard input, each a text.

    Raises:
        Refusal: it is closed, or a line is no UTF-8 or longer than `LONGEST_LINE`.
    """
    if sys.stdin is None:  # as in a service, or after <&-
        raise Refusal("standard input is closed; give a file, or --text")
    return _typed(sys.stdin.buffer)


def as_text(argument: str, name: str) -> str:
    """What was given on the command line as a text, which the system hands on as bytes.

    Raises:
        Refusal: it is no UTF-8.
    """
    try:
        argument.encode()
    except UnicodeEncodeError as error:
        raise Refusal(
            f"{name}: expected UTF-8, and character {error.start + 1} is none; put the text into a file"
        ) from None
    return argument


def _typed(stream: IO[bytes]) -> Iterable[str]:
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise Refusal(f"standard input, line {number}: is longer than {LONGEST_LINE} bytes; give one text a line")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise Refusal(f"standard input, line {number}: expected UTF-8; convert it with: iconv -t UTF-8") from None


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _leave(stream)
        raise
    except OSError as error:
        _leave(stream)
        raise Refusal(
            f"standard output: cannot be written to ({str(error.strerror or error).lower()}); "
            "free some space, or give another place"
        ) from error


def _leave(stream: IO[str]) -> None:
    """Send what is still to be printed nowhere, or Python would complain when it ends."""
    with suppress(OSError, ValueError):  # a stream of a test has no number
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


class _Nowhere(io.TextIOBase):
    """Stands for a standard stream that is closed."""

    def write(self, text: str) -> int:
        return len(text)


def _refuse_closed() -> None:
    if isinstance(sys.stdout, _Nowhere):
        raise Refusal("standard output is closed, so what is asked for cannot be shown; leave it open")
