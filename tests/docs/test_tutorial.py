"""The tutorial: its worked examples are computed, its commands are run, and both languages have the same of them."""

import contextlib
import doctest
import importlib.util
import io
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType
from typing import Any

import pytest
import typer
import yaml
from latex2mathml.converter import convert

from danlu.cli.main import COMMANDS, main
from danlu.stages.recipe import read
from danlu.text.prompting.template import read_template

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted(path for path in (ROOT / "docs/tutorial").glob("[0-9]*.md") if not path.stem.endswith(".zh"))
BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
FORMULA = re.compile(r"^\$\$\n(.*?)^\$\$$", re.DOTALL | re.MULTILINE)
QUOTE = re.compile(r"^\[`danlu\..*$", re.MULTILINE)
RUN_ELSEWHERE = re.compile(r"(tests/[\w/]+\.py)")
IN_FOLDER = re.compile(r"\(cd (examples/\w+) && danlu run (.+)\)")
LIKE = doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A block of code; `reason` says why it is not run."""

    reason: str
    language: str
    text: str


@cache
def chapter(path: Path) -> str:
    return path.read_text("utf-8")


def blocks(path: Path) -> list[Block]:
    return [Block(each["reason"] or "", each["language"], each["text"]) for each in BLOCK.finditer(chapter(path))]


def in_chinese(path: Path) -> Path:
    return path.with_suffix(".zh.md")


def prose(path: Path) -> str:
    """A chapter without its blocks, its formulas in lines of their own, and what it quotes."""
    return QUOTE.sub("", FORMULA.sub("", BLOCK.sub("", chapter(path))))


@cache
def making(name: str) -> ModuleType:
    """What the site is made with, by the name of its file."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/making/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_chapters_are_in_order() -> None:
    assert [int(path.name[:2]) for path in CHAPTERS] == list(range(1, 16))
    for path in CHAPTERS:
        for language in (path, in_chinese(path)):
            assert chapter(language).startswith(f"# {int(path.name[:2])}. "), language.name


@pytest.mark.parametrize("name", ["index.md", "index.zh.md"])
def test_the_first_page_leads_to_all_chapters_by_their_titles(name: str) -> None:
    chapters = CHAPTERS if name == "index.md" else [in_chinese(path) for path in CHAPTERS]
    titles = [
        (chapter(path).splitlines()[0].removeprefix("# "), written.name)
        for path, written in zip(chapters, CHAPTERS, strict=True)
    ]
    assert re.findall(r"^\| \[(.+)\]\((.+)\) \|", chapter(ROOT / "docs/tutorial" / name), re.MULTILINE) == titles


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_both_languages_have_the_same_code_formulas_and_headings(path: Path) -> None:
    other = in_chinese(path)
    assert blocks(other) == blocks(path)
    for pattern in (FORMULA, QUOTE):
        assert pattern.findall(chapter(other)) == pattern.findall(chapter(path))
    for pattern in (re.compile(r"^#+ ", re.MULTILINE), re.compile(r"^\|(?=.*\|$)", re.MULTILINE)):
        assert pattern.findall(prose(other)) == pattern.findall(prose(path))
    inside = [set(re.findall(r"\$([^$\n]+)\$", prose(language))) for language in (path, other)]
    assert inside[0] == inside[1]
    assert re.search("[\u4e00-\u9fff]{4}", prose(other))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_worked_examples_come_out_as_the_chapter_says(path: Path) -> None:
    code = "\n".join(block.text for block in blocks(path) if block.language == "python")
    examples = doctest.DocTestParser().get_examples(code)
    assert len([each for each in examples if each.want]) >= 3
    told = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=LIKE)
    runner.run(doctest.DocTest(examples, {}, path.stem, str(path), 0, None), out=told.write)
    assert runner.failures == 0, told.getvalue()


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_code_is_quoted_by_names_that_are_there(path: Path) -> None:
    quoted = making("quoting").with_quotes(chapter(path))
    assert len(QUOTE.findall(chapter(path))) >= 1
    assert not QUOTE.findall(quoted)
    assert "](../../src/" not in quoted, "a link to a file of the code stands in a line of its own, to be quoted"
    for name in re.findall(r"`(danlu(?:\.\w+){2,})`", prose(path)):
        resolve_name(name)


def test_a_quote_is_the_code_and_a_name_that_has_gone_is_an_error() -> None:
    quoting = making("quoting")
    link = "[`danlu.train.loop.{}`](../../src/danlu/train/loop.py{})"
    assert "LOWEST = 0.5" in quoting.with_quotes(link.format("Scaler", ""))
    shown = quoting.with_quotes(link.format("_update", ' "factor = min ... scaler.scale"'))
    assert shown.splitlines()[1:-1] == [
        "factor = min(1.0, clip / (norm + 1e-6)) if clip > 0 else 1.0",
        "if scaler:",
        "    factor /= scaler.scale",
    ]
    with pytest.raises(LookupError, match=r"has no danlu\.train\.loop\.gone"):
        quoting.with_quotes(link.format("gone", ""))
    with pytest.raises(LookupError, match="has no lines from 'gone'"):
        quoting.with_quotes(link.format("_update", ' "gone ... scaler"'))


def test_lines_of_chinese_are_joined_and_those_of_code_are_not() -> None:
    joined = making("typesetting").joined
    assert joined("<p>一行，\n又一行\nand 英\nword</p><pre>一\n二</pre>") == (
        "<p>一行，又一行\nand 英\nword</p><pre>一\n二</pre>"
    )


def test_the_name_of_a_function_stands_apart_from_what_it_is_taken_of() -> None:
    spaced = making("typesetting").spaced
    assert spaced("<mi>log</mi><mi>p</mi>") == '<mi>log</mi><mspace width="0.167em" /><mi>p</mi>'
    assert spaced("<mi>log</mi><mo>(</mo>") == "<mi>log</mi><mo>(</mo>"


def test_every_formula_is_understood_by_what_draws_it() -> None:
    found = [
        formula
        for path in CHAPTERS
        for formula in (*FORMULA.findall(chapter(path)), *re.findall(r"\$([^$\n]+)\$", prose(path)))
    ]
    assert len(found) > 300
    for formula in found:
        assert "\\" not in re.sub("<[^>]+>", "", convert(formula)), formula


def test_recipes_and_templates_can_be_read(tmp_path: Path) -> None:
    found = [(path, block.text) for path in CHAPTERS for block in blocks(path) if block.language == "yaml"]
    assert len(found) >= 6
    for path, text in found:
        file = tmp_path / f"{path.stem}.yaml"
        file.write_text(text, "utf-8")
        if "stages" in yaml.safe_load(text):
            assert read(file).stages
        else:
            assert read_template(file).labels


def commands(reasoned: bool) -> list[tuple[str, list[str]]]:
    """Why each line is not run, and its words; `reasoned`: those with a reason."""
    return [
        (block.reason, shlex.split(line, comments=True))
        for path in CHAPTERS
        for block in blocks(path)
        if block.language == "bash" and bool(block.reason) is reasoned
        for line in block.text.replace("\\\n", "").splitlines()
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder with the examples, in which the commands are run."""
    place = tmp_path_factory.mktemp("student")
    shutil.copytree(ROOT / "examples", place / "examples", ignore=shutil.ignore_patterns("runs"))
    with contextlib.chdir(place), pytest.MonkeyPatch.context() as patch:
        patch.setenv("DANLU_LANGUAGE", "en")
        yield place


def test_commands_do_their_work_in_the_order_of_the_chapters(folder: Path) -> None:
    found = commands(reasoned=False)
    assert len(found) >= 11
    for _, words in found:
        if words[0] == "cp":
            shutil.copy(*words[1:])
            continue
        assert words[0] == "danlu"
        told = io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told), pytest.raises(SystemExit) as ended:
            main(words[1:])
        assert not ended.value.code, f"{shlex.join(words)}: {told.getvalue()}"
    assert (folder / "runs/reviews/clean/splits.json").is_file()
    assert (folder / "pruned/danlu.json").is_file()


def test_commands_that_are_not_run_here_are_run_where_they_say_and_take_these_words(folder: Path) -> None:
    """Each option is one that the command has; recipes and overrides are those that can be read."""
    pages = "\n".join(path.read_text("utf-8") for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])
    lines = Counter(line.partition("  #")[0].strip() for line in pages.splitlines())
    for reason, words in commands(reasoned=True):
        for named in RUN_ELSEWHERE.findall(reason):
            assert (ROOT / named).is_file(), reason
        if "tests/test_examples.py" in reason:
            inside = IN_FOLDER.fullmatch(" ".join(words))
            assert inside is not None, words
            recipe, *settings = shlex.split(inside[2])
            _parsed(["run", str(folder / inside[1] / recipe), *settings])
        if words[0] != "danlu":
            continue
        if "tests/test_readme.py" in reason:  # stands there too, besides the chapter in two languages
            assert lines[shlex.join(words)] + lines[_as_written(words)] > 2, words
        _parsed([word for word in words[1:] if word != "&"])


def _as_written(words: list[str]) -> str:
    """A command with double quotes around what needs some."""
    return " ".join(f'"{word}"' if shlex.quote(word) != word and word != "&" else word for word in words)


def _parsed(words: list[str]) -> None:
    app = typer.Typer(add_completion=False)
    app.command()(importlib.import_module(f"danlu.cli.{words[0]}").command)
    assert words[0] in COMMANDS
    taken: Any = typer.main.get_command(app)
    with taken.make_context(words[0], words[1:], resilient_parsing=False) as context:
        assert context.params
    if words[0] == "run" and Path(words[1]).is_absolute():
        with contextlib.chdir(Path(words[1]).parent):
            assert read(Path(words[1]), words[2:]).stages
