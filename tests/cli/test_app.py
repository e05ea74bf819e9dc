"""How applications are found and called."""

from pathlib import Path

import pytest

import danlu.cli.apps
from danlu.cli.app import names
from danlu.cli.main import main

SHOP = '''
"""A shop."""

import typer

from danlu.machine.terminal import show

LINE = "Sells tea."


def start(place: str = typer.Argument("here"), *, port: int = 8000) -> None:
    """Open the shop."""
    show(f"open {place} {port}")


def count() -> None:
    """Count the tea."""
    show("counted")


COMMANDS = {"start": start, "count": count}
'''


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tea_shop.py").write_text(SHOP)
    monkeypatch.setattr(danlu.cli.apps, "__path__", [*danlu.cli.apps.__path__, str(tmp_path)])


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["app", *words])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_all_applications_are_listed_with_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys)
    assert code == 0
    assert [line.split()[2] for line in out.splitlines()] == names()
    assert "danlu app tea_shop   Sells tea." in out.splitlines()


def test_each_says_in_a_sentence_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.split(maxsplit=3)[3] for line in said(capsys)[1].splitlines()]
    assert [line for line in lines if not (line[0].isupper() and line.endswith("."))] == []


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (["tea_shop"], "open here 8000\n"),
        (["tea_shop", "there", "--port", "1"], "open there 1\n"),
        (["tea_shop", "start", "count"], "open count 8000\n"),
        (["tea_shop", "count"], "counted\n"),
    ],
)
def test_a_word_names_what_is_to_be_done_or_belongs_to_start(
    words: list[str], out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, *words) == (0, out, "")


def test_what_an_application_takes_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, "tea_shop", "--help")
    assert "Usage: danlu app tea_shop" in out
    assert "There are also: danlu app tea_shop count" in out
    _, out, _ = said(capsys, "tea_shop", "count", "--help")
    assert "Usage: danlu app tea_shop count" in out


def test_what_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "tea_shp")
    assert code == 2
    assert "there is no application 'tea_shp'; did you mean 'tea_shop'?" in err
    code, _, err = said(capsys, "tea_shop", "--prt", "1")
    assert code == 2
    assert "`danlu app tea_shop --help` tells what it takes" in err
