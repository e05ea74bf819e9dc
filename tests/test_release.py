"""What is released: a wheel that works where only what it asks for is installed; a build is repeated bit by bit."""

import ast
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from danlu.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
THEN = "1700000000"  # seconds since 1970: the date that every build has here

TRIED = """
import contextlib, gc, importlib, io, json, sys
gc.disable()  # what is imported is there to stay
sys.path[:] = [path for path in sys.path if "-packages" not in path]
sys.path.insert(0, sys.argv[1])
from pathlib import Path
files = [path.relative_to(sys.argv[1]) for path in Path(sys.argv[1], "danlu").rglob("*.py")]
names = [".".join(path.with_suffix("").parts) for path in files]
lacking = {}
for name in sorted(name.removesuffix(".__init__") for name in names if name != "danlu.__main__"):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        lacking[name] = error.name.partition(".")[0]
said = {}
from danlu.cli.main import COMMANDS, main
more = [["serve", "b"], ["search", "r.yaml"], ["app", "monitor", "m.yaml"]]
for words in [*([name, "--help"] for name in COMMANDS), *more]:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        try:
            main(words)
        except SystemExit as ended:
            said[" ".join(words)] = [ended.code or 0, out.getvalue()]
print(json.dumps({"count": len(names), "lacking": lacking, "said": said}))
"""


def built(source: Path, into: Path, *targets: str) -> list[Path]:
    pytest.importorskip("hatchling")
    words = [word for target in targets for word in ("-t", target)]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(into), *words],
        cwd=source, env=os.environ | {"SOURCE_DATE_EPOCH": THEN}, capture_output=True, check=True,
    )  # fmt: skip
    return sorted(into.iterdir())


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the source of this version."""
    wheel, source = built(ROOT, tmp_path_factory.mktemp("dist"), "wheel", "sdist")
    return wheel, source


def asked_for(name: str, extras: tuple[str, ...], found: set[str]) -> set[str]:
    """The distributions that pip would install for one of these, itself included."""
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:  # for another system
        return found
    own = canonicalize_name(name)
    if own in found and not extras:
        return found
    found.add(own)
    for line in lines:
        requirement = Requirement(line)
        if not requirement.marker or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            asked_for(requirement.name, tuple(requirement.extras), found)
    return found


@pytest.fixture(scope="module")
def alone(released: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages as after `pip install danlu`: the wheel, and links to what it asks for, and no more."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(released[0]) as wheel:
        wheel.extractall(folder)
    found: set[str] = set()
    for line in PROJECT["dependencies"]:
        requirement = Requirement(line)
        asked_for(requirement.name, tuple(requirement.extras), found)
    for name in found:
        files = distribution(name).files or []
        tops = {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__", "danlu")}
        for top in tops:
            place = Path(str(distribution(name).locate_file(top)))
            if place.exists() and not (folder / top).exists():
                (folder / top).symlink_to(place)
    return folder


def test_the_wheel_works_where_only_what_it_asks_for_is_installed(alone: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", TRIED, str(alone)],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={"HOME": str(tmp_path), "PATH": os.defpath},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["count"] == len(list((ROOT / "src" / "danlu").rglob("*.py")))
    brought = {
        top for top, names in packages_distributions().items() if {canonicalize_name(n) for n in names} & optional()
    }
    assert set(told["lacking"].values()) <= brought, told["lacking"]
    assert not [name for name in told["lacking"] if name.startswith("danlu.cli")]
    floors = {name.split(".")[1] for name in told["lacking"]}
    assert floors <= {"apps", "serve", "trials", "export", "index", "machine"}, told["lacking"]
    for name in COMMANDS:
        code, out = told["said"][f"{name} --help"]
        assert code == 0, out
        assert f"danlu {name}" in out
    for words, extra in {"serve b": "serve", "search r.yaml": "search", "app monitor m.yaml": "monitor"}.items():
        code, out = told["said"][words]
        assert code == 2, out
        assert out.startswith("danlu: "), out
        assert f"pip install 'danlu[{extra}]'" in out or "there is no" in out, out


def optional() -> set[str]:
    """The distributions that extras bring beside what danlu always asks for."""
    lines = [line for name, lines in EXTRAS.items() if name not in ("test", "check", "bench") for line in lines]
    return {canonicalize_name(Requirement(line).name) for line in lines} | {"starlette"}


def test_the_source_is_enough_for_the_same_wheel_and_has_no_more(released: tuple[Path, Path], tmp_path: Path) -> None:
    wheel, source = released
    with tarfile.open(source) as packed:
        packed.extractall(tmp_path, filter="data")
        names = {name.partition("/")[2] for name in packed.getnames()}
    own = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".gitignore", "PKG-INFO"}
    assert {name for name in names if not name.startswith("src/danlu/")} == own
    (folder,) = tmp_path.iterdir()
    again = built(folder, tmp_path / "again", "wheel")
    assert again[0].read_bytes() == wheel.read_bytes()


def test_the_wheel_has_code_and_what_it_reads_alone(released: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(released[0]) as wheel:
        names = {name for name in wheel.namelist() if not name.startswith("danlu-")}
        metadata = next(name for name in wheel.namelist() if name.endswith("METADATA"))
        assert "License-File: LICENSE" in wheel.read(metadata).decode()
    tracked = subprocess.run(["git", "ls-files", "src/danlu"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode == 0 and tracked.stdout:
        listed = {name.removeprefix("src/").strip('"') for name in tracked.stdout.splitlines() if "\\" not in name}
        assert listed <= names
    assert not [name for name in names if re.search(r"(\.pyc|\.orig|\.rej|~|\.env|\.pem|\.key)$", name)]


def test_only_extras_that_there_are_are_asked_for_in_sentences() -> None:
    named: dict[str, str] = {}
    for path in sorted((ROOT / "src" / "danlu").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for extras in re.findall(r"danlu\[([a-z_,]+)\]", text):
            named |= dict.fromkeys(extras.split(","), str(path))
        for node in ast.walk(ast.parse(text)) if re.search(r"\bneeded\s*\(", text) else ():
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if called == "needed" and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):  # type: ignore[union-attr]
                named[node.args[1].value] = str(path)  # type: ignore[union-attr]
    assert len(named) > 10
    assert set(named) <= set(EXTRAS), {name: place for name, place in named.items() if name not in EXTRAS}
