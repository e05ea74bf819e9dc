"""Help as it is printed: nothing is cut off in a narrow terminal, and who reads on no longer ends the command."""

import os
import subprocess
import sys

import pytest

RUN = [sys.executable, "-P", "-m", "danlu"]


@pytest.mark.parametrize("command", [[], ["serve"], ["init"]])
def test_chinese_help_is_whole_in_a_narrow_terminal(command: list[str]) -> None:
    known = os.environ | {"LANG": "zh_CN.UTF-8", "COLUMNS": "60", "PYTHONIOENCODING": "utf-8"}
    known.pop("DANLU_LANGUAGE", None)
    found = subprocess.run([*RUN, *command, "--help"], env=known, capture_output=True, encoding="utf-8", check=True)
    assert "…" not in found.stdout
    assert any("\u4e00" <= sign <= "\u9fff" for sign in found.stdout)


def test_who_has_seen_enough_of_help_ends_it_as_any_other_output() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    found = subprocess.run([*RUN, "run", "--help"], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (found.returncode, found.stderr) == (141, b"")
