"""What is printed steers no terminal, and a reader who went away is no error."""

import json
import os
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.machine.terminal import LONGEST_LINE, console, on_one_line, say, say_as_written, visible

STEERING = {
    "copies to the clipboard": "\x1b]52;c;aGk=\x07",
    "names the window": "\x1b]0;title\x07",
    "clears the screen": "\x1b[2J",
    "colours, in one character": "\x9b31m",
    "begins the line anew": "\rdone",
    "deletes": "\x08\x08\x7f",
    "writes from the right": "\u202eabc\u2066",
    "ends a line for some": "a\u2028b\u2029",
    "half a character": "\udcff",
    "zero": "\x00",
}


def steers(text: str) -> bool:
    """Whether a text holds a control character but tab and line end, or one that turns the direction."""
    turning = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return any(
        (unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") and sign not in "\n\t")
        or unicodedata.bidirectional(sign) in turning
        for sign in text
    )


def test_who_watches_is_told_in_their_language(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        "serving at http://127.0.0.1:8000; Ctrl-C ends it",
        "  model 310/2169: loss 1.843  rate 3.9e-03  15,485 tokens/s  23% of 433 GFLOP/s (median 413); 181 s left",
        "trial 3: model: bundle in runs/a/model/bundle",
        "nobody knows this line",
    ]
    for language in ("en", "zh"):
        monkeypatch.setenv("DANLU_LANGUAGE", language)
        for line in lines:
            say(line)
    say_as_written(lines[0])
    *english, one, two, three, four, written = capsys.readouterr().out.splitlines()
    assert english == lines
    assert one == "服务地址 http://127.0.0.1:8000；按 Ctrl-C 结束"
    numbers = "损失 1.843  学习率 3.9e-03  15,485 词元/秒  433 GFLOP/s 的 23%（中位 413）"
    assert two == f"  model 310/2169：{numbers}；剩余 181 秒"
    assert three == "试验 3：model：模型包在 runs/a/model/bundle"
    assert [four, written] == [lines[3], lines[0]]


@pytest.mark.parametrize("text", STEERING.values(), ids=STEERING)
def test_what_steers_a_terminal_is_written_out(text: str) -> None:
    assert steers(text)
    assert not steers(visible(text))
    assert not steers(on_one_line(text))


@given(st.text(st.characters()))
def test_no_text_steers_and_a_json_text_keeps_its_value(text: str) -> None:
    assert not steers(visible(text))
    if not steers(text):
        assert visible(text) == text
    assert json.loads(visible(json.dumps([text], ensure_ascii=False))) == [text]


def test_what_people_write_stays_as_it_is() -> None:
    text = "丹炉\u3000é ' \" \\ 👨\u200d👩\u200d👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿 हिन्दी עברית العربية\ta\n"
    assert visible(text) == text


@pytest.mark.parametrize("text", [*STEERING.values(), "[/x]", "[bold red]x[/]", ":smile:", "[link=http://a]b[/link]"])
def test_a_console_prints_text_and_neither_markup_nor_what_steers(text: str) -> None:
    from rich.table import Table
    from rich.text import Text

    screen = console(width=200, record=True, goes_on=True)
    with screen.capture() as captured:
        table = Table(text)
        table.add_row(text)
        screen.print(text, Text(text), table)
    assert not steers(captured.get())
    assert captured.get().count(visible(text)[:5]) >= 3


def _python(script: str, shell: str) -> "subprocess.CompletedProcess[str]":
    command = f'"{sys.executable}" -c "$SCRIPT" {shell}'
    given = {**os.environ, "SCRIPT": script}
    return subprocess.run(["bash", "-c", command], env=given, capture_output=True, text=True, check=False, timeout=60)


HEARD = """
import sys; from danlu.machine import terminal
terminal.open_streams()
for n in range(3): terminal.say('line'); terminal.say('line', err=True)
open(sys.argv[1], 'w').write('done') if len(sys.argv) > 1 else None
"""


@pytest.mark.parametrize("shell", ["FILE | true", "FILE 2>&1 | true", "FILE >&-", "FILE 2>&-", "FILE <&- >&- 2>&-"])
def test_work_goes_on_where_nobody_listens(shell: str, tmp_path) -> None:
    script = HEARD.replace("terminal.open_streams()", "terminal.open_streams(); import time; time.sleep(0.1)")
    ran = _python(script, shell.replace("FILE", str(tmp_path / "file")))
    assert ran.stderr.replace("line\n", "") == ""
    assert (tmp_path / "file").read_text() == "done"  # and not a line that was meant for a closed stream


def test_what_was_asked_for_ends_with_its_reader() -> None:
    script = (
        "from danlu.machine import terminal\n"
        "try:\n    terminal.show_all((str(n) for n in range(10**9)), every=1000)\n"
        "except BrokenPipeError: print('gone', file=__import__('sys').stderr)"
    )
    assert _python(script, "| head -1 > /dev/null").stderr == "gone\n"


@pytest.mark.parametrize("call", ["show('a')", "show_all(['a'], every=1)", "console()"])
def test_what_was_asked_for_is_refused_where_it_cannot_be_shown(call: str) -> None:
    script = f"from danlu.machine import terminal; terminal.open_streams(); terminal.{call}"
    assert "Refusal: standard output is closed" in _python(script, ">&-").stderr
    if os.path.exists("/dev/full") and call != "console()":  # noqa: PTH110
        assert "Refusal: standard output: cannot be written to (no space left" in _python(script, ">/dev/full").stderr


def test_a_line_without_end_is_refused_before_memory_is() -> None:
    script = (
        "import resource; from danlu.machine import terminal\n"
        "try: list(terminal.typed_lines())\n"
        "except ValueError as error: print(error, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    said = _python(script, "< /dev/zero").stdout
    assert f"line 1: is longer than {LONGEST_LINE} bytes" in said
    assert int(said.split()[-1]) < 500_000  # kilobytes
