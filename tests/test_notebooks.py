"""The notebooks: made of their sources, whole, and each runs from an empty folder."""

import contextlib
import json
import re
import runpy
import shlex
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import started

from danlu.cli.main import main
from danlu.compress import ladder
from danlu.compress.measuring import Measuring

HERE = Path(__file__).parents[1] / "notebooks"
MAKE = runpy.run_path(str(HERE / "make.py"))
SOURCES = MAKE["sources"]()


def test_there_are_the_five_that_the_documentation_tells_of() -> None:
    assert [path.stem for path in SOURCES] == [
        "1_raw_text_to_served_model",
        "2_fine_tune_on_your_csv",
        "3_tiny_gpt_from_nothing",
        "4_look_inside_attention",
        "5_compress_and_compare",
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_is_that_of_its_source(path: Path) -> None:
    made = path.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert made == MAKE["written"](path.read_text(encoding="utf-8")), "run: python notebooks/make.py"
    cells = json.loads(made)["cells"]
    assert not any(re.search(r"^# [!%]\w", "".join(cell["source"]), re.MULTILINE) for cell in cells)
    told = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    headings = re.findall(r"^#+ .*$", told, re.MULTILINE)
    assert headings
    assert all(" · " in heading for heading in headings), "each heading in both languages"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_runs_from_an_empty_folder(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DANLU_NOTEBOOK_QUICK", "1")
    monkeypatch.setattr(subprocess, "Popen", started.Popen)
    monkeypatch.setattr(ladder, "Measuring", partial(Measuring, rounds=2, seconds=0.02))
    names: dict[str, Any] = {"__name__": "__main__", "command": command}
    with contextlib.chdir(tmp_path):
        for kind, text in MAKE["cells"](path.read_text(encoding="utf-8")):
            if kind == "code":
                exec(compile(with_commands(text), str(path), "exec"), names)
    assert capfd.readouterr().out


def command(words: list[str]) -> None:
    """Run a command of danlu in this process; a notebook has none that fails."""
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 0, words


def with_commands(text: str) -> str:
    """A cell with its lines of a shell as calls; what installs packages is left out."""
    text = re.sub(r"^# %pip .*$", "pass", text, flags=re.MULTILINE)
    return re.sub(
        r"^# !danlu (.*)$",
        lambda found: f"command({shlex.split(found[1])!r})",
        text,
        flags=re.MULTILINE,
    )
