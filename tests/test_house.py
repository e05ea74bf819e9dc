"""The rules of the house that a machine can hold; import-linter holds the order of the floors."""

import ast
import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from danlu.cli.list import PROMISES, promise
from danlu.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "danlu"
FILES = sorted(SOURCE.rglob("*.py"))
CODE = [path for folder in ("src", "tests", "benchmarks", "examples") for path in sorted((ROOT / folder).rglob("*.py"))]

FOLDERS = ["danlu.cli", *sorted(promise(sort).folder for sort in PROMISES)]
SHARED_BY_COMMANDS = "serving"
"""The file of `cli` that is no command: what those share that serve."""
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "factory", "registry", "base"}
LONG_FILES: dict[str, str] = {}
"""Path from the root: why it may have more than 320 lines."""
LONG_FUNCTIONS: dict[str, str] = {}
"""Path and function, as in "src/danlu/train/loop.py:steps": why it may have more than 65 lines."""


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions within statements; expressions, most of a tree, have none."""
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        within = getattr(node, part, ())
        for each in within if isinstance(within, list) else ():
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                yield each
            yield from _functions(each)


@cache
def _imported_from(path: Path) -> tuple[str, ...]:
    """The modules of which a file imports names; what has no such line is not looked through."""
    text = path.read_text(encoding="utf-8")
    if not re.search(r"\bfrom\b.*\bimport\b", text):
        return ()
    return tuple(f"{node.module}" for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom))


def test_the_code_is_seen() -> None:
    assert len(FILES) > 60
    assert len(CODE) > len(FILES)


def test_files_and_functions_are_short() -> None:
    """One test for all files, as below: a test a file took most of its time to be a test."""
    for path in CODE:
        text = path.read_text(encoding="utf-8")
        length = len(text.splitlines())
        assert length <= 320 or _name(path) in LONG_FILES, _name(path)
        for node in _functions(ast.parse(text)) if length > 65 else ():
            assert node.end_lineno is not None
            name, lines = f"{_name(path)}:{node.name}", node.end_lineno - node.lineno + 1
            assert lines <= 65 or name in LONG_FUNCTIONS, f"{name} has {lines} lines"


def test_names_say_what_is_inside() -> None:
    for path in FILES:
        words = {word for part in path.relative_to(SOURCE).with_suffix("").parts for word in part.split("_")}
        assert not words & FORBIDDEN_NAMES, _name(path)


def test_only_the_face_of_the_package_has_an_init_with_content() -> None:
    filled = [_name(path) for path in SOURCE.rglob("__init__.py") if path.read_text().strip()]
    assert filled == ["src/danlu/__init__.py"]


UNSAFE = re.compile("NotImplementedError|pickle|dill|joblib|shelve|trust_remote_code|weights_only")
"""One of these stands in what the next test refuses; a file without any of them is not parsed."""


def test_nothing_is_left_open_and_nothing_unsafe_is_called() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if not UNSAFE.search(text):
            continue
        nodes = list(ast.walk(ast.parse(text)))
        raised = {ast.unparse(node.exc) for node in nodes if isinstance(node, ast.Raise) and node.exc}
        imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        keywords = [node for node in nodes if isinstance(node, ast.keyword)]
        given = {node.arg: node.value.value for node in keywords if isinstance(node.value, ast.Constant)}
        assert not [error for error in raised if error.startswith("NotImplementedError")], _name(path)
        assert not imported & {"pickle", "dill", "joblib", "shelve"}, _name(path)
        assert not given.get("trust_remote_code"), _name(path)
        assert given.get("weights_only", True) is True, _name(path)


@pytest.mark.parametrize("module", PROMISES.values())
def test_each_implementation_is_one_class_found_under_the_name_of_its_file(module: str) -> None:
    from danlu.recipe.part import find, kind_of, kinds

    kept = promise({module: sort for sort, module in PROMISES.items()}[module])
    files = {path.stem for path in Path(*importlib.import_module(kept.folder).__path__).glob("[!_]*.py")}
    assert files
    assert set(kinds(kept)) >= files
    for kind in files:
        assert kind_of(find(kept, kind)) == kind
        assert find(kept, kind).__doc__ != kept.__doc__


@pytest.mark.parametrize("folder", FOLDERS)
def test_siblings_do_not_know_each_other(folder: str) -> None:
    (path,) = importlib.import_module(folder).__path__
    for file in Path(path).glob("[!_]*.py"):
        for module in _imported_from(file):
            if module != f"danlu.cli.{SHARED_BY_COMMANDS}":
                assert not f"{module}.".startswith(f"{folder}."), f"{file.stem} imports {module}"


def test_every_promise_with_a_folder_of_implementations_is_listed() -> None:
    stated = [re.findall(r'^    folder: ClassVar\[str\] = "(.+)"', path.read_text(), re.MULTILINE) for path in FILES]
    promises = {_name(path)[4:-3].replace("/", ".") for path, folders in zip(FILES, stated, strict=True) if folders}
    assert promises == set(PROMISES.values())
    assert len(promises) >= 8


def test_every_command_has_a_file_and_every_file_a_line_in_the_table() -> None:
    files = {path.stem for path in (SOURCE / "cli").glob("[!_]*.py")} - {"main", SHARED_BY_COMMANDS}
    assert set(COMMANDS) == files
    for name in COMMANDS:
        tree = ast.parse((SOURCE / "cli" / f"{name}.py").read_text(encoding="utf-8"))
        assert "command" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_the_commands_that_the_readme_shows_exist(page: str) -> None:
    if not (ROOT / page).is_file() or not (ROOT / page).read_text(encoding="utf-8").strip():
        pytest.skip(f"{page} is not written yet")
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:bash|sh|console|shell)?\n(.*?)```", text, re.DOTALL)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    makes = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("make ")]
    calls = [shlex.split(line, comments=True)[1:] for line in lines if re.match(r"(\.venv/bin/)?danlu ", line)]
    assert ["quickstart"] in makes
    assert ["test"] in makes
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {target for make in makes for target in make if "=" not in target} <= targets
    assert {call[0] for call in calls if not call[0].startswith("-")} <= set(COMMANDS)


def test_the_versions_of_python_are_the_same_wherever_they_are_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    least, below = map(int, re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups())
    minors = list(range(least, below))
    named = [re.fullmatch(r"Programming Language :: Python :: 3\.(\d+)", line) for line in project["classifiers"]]
    assert [int(match[1]) for match in named if match] == minors
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    searched = re.search(r"for python in ([\w. ]+) python3 python;", makefile)[1].split()
    assert searched == [f"python3.{minor}" for minor in minors]
    assert f"(3, {least}) <= sys.version_info < (3, {below})" in makefile


def test_no_benchmark_hides_a_package_that_scripts_beside_it_import() -> None:
    known = set(packages_distributions()) | set(sys.stdlib_module_names)
    assert not {path.stem for path in (ROOT / "benchmarks").glob("*.py")} & known


def test_no_test_takes_the_time_but_by_how_it_grows() -> None:
    """What takes a second alone takes ten beside others; `in_proportion` tries until nothing came between."""
    takes = [
        path for path in (ROOT / "tests").rglob("*.py") if re.search(rb"\btime\.process_time\b", path.read_bytes())
    ]
    assert [path.name for path in takes] == ["in_proportion.py"]


def test_the_recipe_floor_imports_no_torch() -> None:
    modules = ["danlu", *(f"danlu.recipe.{path.stem}" for path in (SOURCE / "recipe").glob("[!_]*.py"))]
    script = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
