import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import danlu
from danlu.cli.main import COMMANDS, main

RECIPE = """
name: letters
stages:
  clean:
    kind: prepare
    data: {kind: text, path: DATA}
    split: {validation: 0.2, test: 0.2}
"""


def _run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "danlu.cli.main", *words], capture_output=True, text=True, check=False)


def _main(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = 0
    try:
        main(words)
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "data.txt").write_text("".join(f"{n} {n * n} and {n**3} are numbers\n" for n in range(40)))
    path = tmp_path / "letters.yaml"
    path.write_text(RECIPE.replace("DATA", str(tmp_path / "data.txt")))
    return path


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom danlu.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit as ended: assert not ended.code\n"
        "heavy = {'torch', 'transformers', 'pydantic', 'numpy', 'sklearn', 'yaml'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "HEAVY []" in ran.stdout
    for name, line in COMMANDS.items():
        assert name in ran.stdout
        assert line.split()[0] in ran.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _main(capsys, name, "--help")
    assert code == 0
    assert f"Usage: danlu {name}" in out


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(capsys, "--version") == (0, f"{danlu.__version__}\n", "")


def test_without_words_the_overview_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _main(capsys)
    assert code == 0
    assert "Usage: danlu" in out


def test_an_unknown_command_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(capsys, "rnu") == (2, "", "danlu: there is no command 'rnu'; did you mean 'run'?\n")
    code, _, err = _main(capsys, "xyzzy")
    assert code == 2
    assert "the commands are: " in err


def test_an_unknown_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = _main(capsys, "run", "--onyl", "a", "b")
    assert code == 2
    assert "--only" in err


def test_a_refusal_is_one_line_and_two() -> None:
    ran = _run("run", "missing.yaml")
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr == "danlu: missing.yaml: there is no such recipe; give the path of a YAML file\n"


def test_debug_shows_where_an_error_arose(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = _main(capsys, "run", "missing.yaml", "--debug")
    assert code == 2
    assert "Traceback" in err
    assert "danlu: missing.yaml: there is no such recipe" in err


def test_a_recipe_is_checked_run_and_skipped(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    root = ["--root", str(tmp_path / "runs")]
    code, out, err = _main(capsys, "check", str(recipe), *root)
    assert (code, err) == (0, "")
    assert "would run" in out
    assert not (tmp_path / "runs").exists()
    code, out, err = _main(capsys, "run", str(recipe), *root)
    assert (code, err) == (0, "")
    assert (tmp_path / "runs" / "letters" / "clean" / "train.parquet").is_file()
    assert "clean" in (tmp_path / "runs" / "letters" / "report.html").read_text(encoding="utf-8")
    assert "done, would be skipped" in _main(capsys, "check", str(recipe), *root)[1]
    assert "skipped" in _main(capsys, "run", str(recipe), *root)[1]
    assert "the results of other settings would be kept" in _main(capsys, "check", str(recipe), "seed=1", *root)[1]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs" / "letters").glob("[!.]*")}
    told = _main(capsys, "run", str(recipe), "seed=1", "--beside", *root)[1].splitlines()[-1]
    assert re.fullmatch(rf"done: the results are in {tmp_path}/runs/letters/clean\.[0-9a-f]{{12}}", told)
    assert (Path(told.removeprefix("done: the results are in ")) / "train.parquet").is_file()
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "done before, would take its name again" in _main(capsys, "check", str(recipe), "seed=1", *root)[1]


def test_a_wrong_override_names_the_key(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _main(capsys, "check", str(recipe), "clean.splt=1")
    assert (code, out) == (2, "")
    assert "stages.clean.splt: unknown key 'splt'; did you mean 'split'?" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("count", ["0", "-1", "100000", "1000000000000", str(2**70)])
@pytest.mark.parametrize(
    "words",
    [
        ("predict", "bundle", "--text", "a", "--threads"),
        ("evaluate", "bundle", "x.csv", "--resamples"),
        ("compare", "a", "b", "--resamples"),
    ],
)
def test_numbers_that_nobody_can_mean_are_one_sentence(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], count: str
) -> None:
    if count == "100000" and words[-1] == "--resamples":
        count = "100001"
    code, out, told = _main(capsys, *words, count)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"danlu: (threads|resamples) [-\d,]+: expected 1?\d+ to [\d,]+ (threads|draws); .*\n", told)


def test_such_numbers_are_refused_in_recipes_too() -> None:
    from danlu.stages.kinds.evaluate import Evaluate
    from danlu.train.settings import Training

    with pytest.raises(ValueError, match=r"threads\n.*less than or equal to 256"):
        Training(threads=10**6)
    with pytest.raises(ValueError, match=r"resamples\n.*less than or equal to 100000"):
        Evaluate(bundle="x", data="@a", resamples=10**12)


def test_list_shows_every_part_or_one(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _main(capsys, "list")
    assert code == 0
    assert {"classify", "masked_lm", "lora", "wordpiece", "csv", "accuracy", "prepare"} <= set(out.split())
    assert "rank" in _main(capsys, "list", "lora")[1]
    code, _, err = _main(capsys, "list", "lroa")
    assert code == 2
    assert "did you mean 'lora'?" in err


def test_list_as_json_tells_types_defaults_and_meanings(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(_main(capsys, "list", "--json")[1])
    keys = {key["name"]: key for key in found["method"]["lora"]["keys"]}
    assert keys["rank"]["holds"] == "whole number"
    assert keys["rank"]["default"] == 8
    path = next(key for key in found["format"]["csv"]["keys"] if key["name"] == "path")
    assert path["needed"]
    assert found["task"]["classify"]["summary"]


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    schema = json.loads(_main(capsys, "schema")[1])
    assert {"name", "seed", "seeds", "language", "stages", "search"} == set(schema["properties"])


def test_a_reader_that_goes_away_is_no_error() -> None:
    ran = subprocess.run(
        f"{sys.executable} -m danlu.cli.main list format --json | head -c 10",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["survey", "很长的文字" * 200], "file name too long; give the path of a file"),
        (["run", "RECIPE", "--root", "RECIPE"], "letters.yaml"),
        (["survey", "DATA", "--html", "FOLDER"], "is a folder; name a file in it"),
        (["check", "RECIPE", "--html", "FOLDER"], "is a folder; name a file in it"),
        (["survey", ""], "the path is empty; give that of a file with data"),
        (["segment", "rules", ""], "the path is empty; give that of a file with data"),
    ],
)
def test_what_the_system_refuses_is_told_in_a_sentence(
    words: list[str], says: str, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"RECIPE": str(recipe), "DATA": str(tmp_path / "data.txt"), "FOLDER": str(tmp_path)}
    code, _, err = _main(capsys, *(places.get(word, word) for word in words))
    assert code == 2
    assert says in err
    assert err.count("\n") == 1


def test_a_sentence_is_cut_and_written_so_that_a_terminal_can_show_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("\x1b[31mred," + "x" * 100_000 + ",label\n1,2,3\n")
    code, _, err = _main(capsys, "survey", str(tmp_path / "a.csv"))
    assert code == 2
    assert r"\u001b[31mred" in err
    assert "\x1b" not in err
    assert len(err) < 5000
    assert "; name the one with the text in --column" in err or "(the columns are" in err


def test_a_console_without_room_for_a_character_shows_its_number(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("good \U0001f600\n" * 3, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "danlu.cli.main", "survey", str(tmp_path / "a.txt")],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "gbk"},
        check=False,
    )
    assert ran.returncode == 0
    assert b"good \\U0001f600" in ran.stdout


def test_an_interruption_while_a_command_is_imported_is_told_in_a_word() -> None:
    script = (
        "import importlib, danlu.cli.main as cli\n"
        "def stopped(name): raise KeyboardInterrupt\n"
        "cli.importlib.import_module = stopped\n"
        "cli.main(['survey', 'x'])"
    )
    for language, word in (("en", "interrupted"), ("zh", "已中断")):
        environment = os.environ | {"DANLU_LANGUAGE": language, "PYTHONUTF8": "1"}
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment, check=False)
        assert (ran.returncode, ran.stderr.decode()) == (130, f"danlu: {word}\n")


@pytest.mark.parametrize("start", [["-m", "danlu"], ["-m", "danlu.cli.main"], [], ["named"]])
def test_modules_that_lie_beside_the_data_are_not_run_however_the_command_is_started(
    start: list[str], tmp_path: Path
) -> None:
    for name in ("numpy", "pydantic", "typer", "pyarrow", "orjson", "rich", "torch"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'a').write(__name__)\n")
    (tmp_path / "a.txt").write_text("好\n")
    console = shutil.which("danlu", path=str(Path(sys.executable).parent))
    assert console is not None
    command = [sys.executable, *start] if start and start != ["named"] else [console]
    path = os.pathsep.join(["", str(tmp_path)]) if start == ["named"] else os.pathsep  # an empty entry is this folder
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(
        [*command, "survey", "a.txt"], cwd=tmp_path, env=environment, capture_output=True, check=False
    )
    assert (tmp_path / "ran").exists() == (start == ["named"])
    assert (done.returncode == 0) == (start != ["named"])


@pytest.mark.parametrize("setting", ["tuning=lora", "train.epochs=3"])
def test_settings_of_the_training_are_sent_to_the_run(capsys: pytest.CaptureFixture[str], setting: str) -> None:
    code, _, err = _main(capsys, "init", "classify", "reviews.csv", setting)
    assert code == 2
    assert f"give it then: danlu run RECIPE model.{setting}" in err
