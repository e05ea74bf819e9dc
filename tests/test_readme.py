"""README and the pages of docs/ that have commands: they are run in one empty folder, in the order of the site.

A block of code is run, or written as the file that `<!-- file: NAME -->` above it names, or has a reason above it why
not: `<!-- not run: REASON -->`.
"""

import contextlib
import io
import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import started
import yaml
from markdown.extensions.toc import slugify

from danlu.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[1]
READMES = ["README.md", "README.zh.md"]
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8").partition("\ntheme:")[2].partition("\nnav:")[2])
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>file|not run): (?P<said>.+?) -->\n)?^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


def pages_of(items: list[Any]) -> list[str]:
    """The pages of a part of the navigation, in order."""
    return [
        page
        for item in items
        for page in ([f"docs/{item}"] if isinstance(item, str) else pages_of(next(iter(item.values()))))
        if not page.endswith("/")
    ]


WALKED = ["README.md", *(page for part in SITE[:1] + SITE[2:3] for page in pages_of([part]))]
"""README, then the parts `Start` and `How to` of the site; the tutorial has tests of its own."""
PAGES = [*READMES, "CONTRIBUTING.md", "CHANGELOG.md", "docs/architecture.md", "docs/lab-notes.md", "docs/benchmarks.md"]


PORT = "8000"


@dataclass
class Call:
    """One command of the page, and what came of it."""

    words: list[str]
    code: int
    out: str
    err: str


class StandardInput:
    """What comes through a pipe."""

    def __init__(self, text: str) -> None:
        self.buffer = io.BytesIO(text.encode())

    def isatty(self) -> bool:
        return False


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@dataclass
class Block:
    """A block of code without comments and blank lines, the file that it is, and why it is not run."""

    file: str
    reason: str
    language: str
    text: str


def blocks(name: str) -> list[Block]:
    found = []
    for match in BLOCK.finditer(page(name)):
        lines = [re.sub(r"(^|\s+)# .*", "", line) for line in match["text"].splitlines()]
        marks = {match["mark"]: match["said"]}
        text = "\n".join(line for line in lines if line.strip())
        found.append(Block(marks.get("file", ""), marks.get("not run", ""), match["language"], text))
    return found


def chinese(name: str) -> str:
    return name.removesuffix(".md") + ".zh.md"


def call(line: str) -> Call:
    """Run a line such as `danlu list lora` or `echo "..." | danlu predict ...` in this process."""
    given, _, command = line.rpartition(" | ")
    words = shlex.split(command)
    assert words[0] == "danlu", line
    out, err = io.StringIO(), io.StringIO()
    code: int | str | None = 0
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "stdin", StandardInput(" ".join(shlex.split(given)[1:]) + "\n"))
        try:
            main(words[1:])
        except SystemExit as ended:
            code = ended.code
    return Call(words, int(code or 0), out.getvalue(), err.getvalue())


class Servers:
    """What a line with & at its end starts, at another port than the page says, which may be taken here."""

    def __init__(self) -> None:
        self.running: list[subprocess.Popen[str]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])

    def start(self, words: list[str]) -> None:
        assert words[0] == "danlu"
        ports = {port: self.port if port == PORT else "0" for option, port in pairwise(words) if option == "--port"}
        own = [ports.get(word, word) for word in words[1:]]
        process = started.Popen([sys.executable, "-m", "danlu", *own], stderr=subprocess.PIPE, text=True)
        self.running.append(process)
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "serving at" in line:
                return
        raise AssertionError("".join(said))

    def close(self) -> None:
        for process in self.running:
            process.terminate()
            process.communicate(timeout=60)
            assert process.returncode == 0


@dataclass
class Walk:
    """All commands of the page, run in `folder`; what they said that must fail; what the Python blocks printed."""

    folder: Path
    calls: list[Call]
    refused: list[tuple[Call, str]]
    printed: str
    lines: list[str] = field(default_factory=list)

    def of(self, *words: str) -> list[Call]:
        return [call for call in self.calls if call.words[1 : 1 + len(words)] == list(words)]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    folder = tmp_path_factory.mktemp("new-user")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("runs"))
    walked, printed = Walk(folder, [], [], ""), io.StringIO()
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch, contextlib.closing(Servers()) as servers:
        patch.setenv("DANLU_LANGUAGE", "en")
        for block in [block for name in WALKED for block in blocks(name) if not block.reason]:
            if block.file:
                (folder / block.file).write_text(block.text + "\n", encoding="utf-8")
            elif block.language == "bash":
                fresh = [line for line in block.text.splitlines() if line not in walked.lines]
                walked.lines += fresh
                walked.calls += [done for line in fresh if (done := run_line(line, servers)) is not None]
            elif block.language == "console":
                commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n?)*)", block.text, re.MULTILINE)
                walked.refused += [(call(line), expected) for line, expected in commands]
            else:
                assert block.language == "python", f"say why it is not run: {block.text}"
                with contextlib.redirect_stdout(printed):
                    exec(compile(block.text.replace(PORT, servers.port), "README.md", "exec"), {})
        walked.printed = printed.getvalue()
        yield walked


def run_line(line: str, servers: "Servers") -> Call | None:
    words = shlex.split(line)
    if words[-1] == "&":
        servers.start(words[:-1])
        return None
    if words[0] in ("make", "source"):
        return None
    if words[0] == "cp":
        shutil.copy(*words[1:])
        return None
    done = call(line)
    assert done.code == 0, f"{line}: {done.err or done.out}"
    return done


@pytest.mark.parametrize("name", READMES)
def test_the_page_begins_with_the_two_commands_and_is_short(name: str) -> None:
    assert blocks(name)[0] == Block("", "", "bash", "make quickstart\nmake test")
    assert len(page(name).splitlines()) < 200


def test_pages_have_the_same_code_in_both_languages() -> None:
    assert len(WALKED) >= 20
    for name in WALKED:
        assert blocks(name) == blocks(chinese(name)), name
        headings = [re.findall(r"^#+ ", page(of), re.MULTILINE) for of in (name, chinese(name))]
        assert headings[0] == headings[1], name


def test_every_block_is_run_or_says_why_not() -> None:
    told = [(name, block) for name in WALKED for block in blocks(name)]
    assert len(told) >= 40
    for name, block in told:
        assert block.file or block.reason or block.language in ("bash", "console", "python"), f"{name}: {block.text}"
        assert not block.reason or len(block.reason.split()) >= 4, f"{name}: a reason is a sentence"
    fences = sum(len(re.findall(r"^```", page(name), re.MULTILINE)) for name in WALKED)
    assert fences == 2 * len(told)


def test_every_command_of_the_page_does_its_work(walk: Walk) -> None:
    assert len(walk.calls) >= 12
    assert "nothing was found that would stop a run" in walk.of("check")[0].out
    assert "report.html" in walk.of("run")[0].out
    assert {call.words[1] for call in walk.calls} >= set(COMMANDS) - {
        "quickstart", "report", "serve", "app", "studio", "bakeoff", "compress", "benchmark", "judge"
    }  # fmt: skip  # these take long, or need a server or files of others; they have tests of their own


def test_predictions_come_out_as_the_page_says(walk: Walk) -> None:
    short, texts, file, piped, given, written = walk.of("predict")
    assert json.loads(short.out)["prediction"]["label"] in ("good", "bad")
    assert json.loads(written.out)["prediction"]["text"] == "早上九点。"
    (talked,) = walk.of("chat")
    assert talked.out == "At ten.\n"
    assert "晚上十点。" in walk.printed
    assert walk.printed.rstrip().endswith("早上九点。"), "served as predicted"
    assert len(texts.out.splitlines()) == 2
    assert json.loads(given.out)["prediction"]["label"] == json.loads(texts.out.splitlines()[0])["prediction"]["label"]
    assert file.out == ""
    rows = (ROOT / "examples/classify/reviews.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert len((walk.folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()) == len(rows)
    assert re.fullmatch(r"(good|bad)\t[01]\.\d{3}\t很好用\n", piped.out)
    assert len(re.findall(r"^(?:good|bad) \{'bad': [\d.e-]+, 'good': [\d.e-]+\}$", walk.printed, re.MULTILINE)) == 2


def test_a_second_run_skips_what_is_done_and_moves_nothing_away_that_it_can_use(walk: Walk) -> None:
    first, second = (call for call in walk.of("run") if "reviews.yaml" in call.words)
    assert "skipped" not in first.out
    assert "clean: done before with the same settings and data, so it is skipped" in second.out
    assert len(list(walk.folder.glob("runs/reviews/model.*/bundle/danlu.json"))) == 1
    assert "model: done before with the same settings and data, so it is skipped" in walk.printed


def test_errors_look_as_the_page_shows_them(walk: Walk) -> None:
    assert len(walk.refused) == 3
    for done, expected in walk.refused:
        pattern = re.escape(expected.strip()).replace(re.escape("..."), ".*")
        assert re.fullmatch(pattern, done.err.strip()), done.err
        assert done.code == 2


def test_plain_transformers_opens_the_bundle_and_the_report_has_no_script(walk: Walk) -> None:
    from transformers import AutoModelForSequenceClassification

    folder = walk.folder / "runs/reviews/model/bundle"
    model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
    assert set(model.config.label2id) == {"good", "bad"}
    report = (walk.folder / "runs/reviews/report.html").read_text(encoding="utf-8")
    assert "<script" not in report
    assert not re.search(r'(?:src|href)="(?!#|data:)', report)


@pytest.mark.parametrize("name", READMES)
def test_the_page_states_the_versions_and_the_licence_of_the_project(name: str) -> None:
    project = tomllib.loads(page("pyproject.toml"))["project"]
    lowest, below = re.findall(r"3\.\d+", project["requires-python"])
    highest = f"3.{int(below.partition('.')[2]) - 1}"
    assert re.search(rf"Python {re.escape(lowest)} \S+ {re.escape(highest)}", page(name))
    assert "Apache 2.0" in page(name)
    assert project["license"] == "Apache-2.0"


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    """Of pages that are read in the repository as well; those of the site are looked at where it is built."""
    links = re.findall(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)", page(name))
    for link, anchor in links:
        file = (ROOT / name).parent / link if link else ROOT / name
        assert file.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
            assert anchor in [slugify(title.replace("`", ""), "-") for title in titles], f"{link}#{anchor}"
