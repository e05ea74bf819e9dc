"""What shells are told to complete, asked as they ask it, and the manual page."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from danlu.cli.app import names
from danlu.cli.completion import SCRIPTS, VALUES, candidates, kinds_of, parameters
from danlu.cli.list import PROMISES, promise
from danlu.cli.main import COMMANDS
from danlu.cli.man import page
from danlu.recipe.part import kinds


def test_kinds_are_those_that_there_are_although_no_promise_is_imported() -> None:
    for sort in PROMISES:
        assert kinds_of(sort) == kinds(promise(sort)), sort


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("ru", {"run"}),
        ("", {*COMMANDS, "--help", "--version"}),
        ("list rec", {"recorder", "recall", "recall_at_k"}),
        ("explain bundle --method s", {"shap"}),
        ("export bundle out --to ", set(kinds_of("target"))),
        ("evaluate bundle data --base", {"--baseline"}),
        ("evaluate bundle data --baseline tfidf_c", {"tfidf_choice"}),
        ("run q", {"quickstart"}),
        ("run reviews.yaml --be", {"--beside"}),
        ("report runs --language ", {"en", "zh"}),
        ("app ", {*names(), "--help"}),
        ("app write ", {"draft"}),
        ("app write draft --wo", {"--word"}),
        ("completion ", {*SCRIPTS, "words"}),
        ("prune bundle vo", {"vocabulary"}),
        ("predict bundle --format ", {"jsonl", "csv", "table"}),
        ("predict bu", set()),
        ("nothing like this", set()),
    ],
)
def test_what_may_come_next(typed: str, expected: set[str]) -> None:
    assert set(candidates(typed.split(" "))) == expected


def test_each_place_that_is_completed_by_kinds_exists() -> None:
    import importlib

    for name, place in VALUES:
        takes = parameters(importlib.import_module(f"danlu.cli.{name}").command)
        arguments = [each for each in takes if not each.words]
        options = {word for each in takes for word in each.words}
        assert place in options or int(place) < len(arguments), (name, place)


def test_completion_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom danlu.cli.completion import candidates\n"
        "list(candidates(['explain', 'b', '--method', ''])); list(candidates(['list', '']))\n"
        "print(sorted({'torch', 'transformers', 'pydantic', 'numpy', 'sklearn', 'yaml'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(tmp_path: Path) -> None:
    """As bash does: it sources the script, sets COMP_WORDS and COMP_CWORD, and calls what `complete` names."""
    danlu = tmp_path / "danlu"
    danlu.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m danlu.cli.main "$@"\n')
    danlu.chmod(0o755)
    ask = 'COMP_WORDS=({words}); COMP_CWORD={place}; COMPREPLY=(); _danlu_completion; echo "${{COMPREPLY[*]}}"'
    asked = [
        (["danlu", "lead"], "leaderboard"),
        (["danlu", "app", "kn"], "knowledge"),
        (["danlu", "run", "x y", "--on"], "--only"),
    ]
    lines = ['eval "$(danlu completion bash)"', "complete -p danlu"]
    for words, _ in asked:
        lines.append(ask.format(words=" ".join(f'"{word}"' for word in words), place=len(words) - 1))
    ran = subprocess.run(
        ["bash", "--norc", "-euc", "\n".join(lines)],
        capture_output=True, text=True, check=False, env={"PATH": f"{tmp_path}:/usr/bin:/bin", **_path()},
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    told, *found = ran.stdout.splitlines()
    assert "-F _danlu_completion danlu" in told
    assert found == [expected for _, expected in asked]


def _path() -> dict[str, str]:
    import os

    return {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


def test_the_manual_page_has_every_command_and_option(tmp_path: Path) -> None:
    text = "\n".join(page())
    for name in COMMANDS:
        assert name == "app" or f".SS danlu {name}" in text
    for name in names():
        assert f".SS danlu app {name}" in text
    assert r"\-\-join\-seconds" in text
    if shutil.which("man") and shutil.which("groff"):
        file = tmp_path / "danlu.1"
        file.write_text(text)
        shown = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", str(file)],
            capture_output=True, text=True, check=True,
            env={"PATH": "/usr/bin:/bin", "MANWIDTH": "90", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert shown.stderr == ""
        assert "danlu export BUNDLE TO" in shown.stdout
