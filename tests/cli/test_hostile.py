"""Every command with names, labels and texts that would steer a terminal, and with a reader who goes away."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import made
import pytest
import started

from danlu.cli.main import COMMANDS, main
from doors import steers

EVIL = "\x1b]52;c;aGk=\x07\x1b[2J\x9b31m\u202e[/x][red]:smile:\r"
NAME = f"a{EVIL}".replace("/", "")
WORDS = {
    "init": [
        ["classify", "DATA", "--model", "scratch", "--output", f"{NAME}.1.yaml"],
        ["classify", "DATA", f"text={EVIL}", "--output", "2.yaml"],
        ["classify", "DATA", "--model", EVIL, "--output", "3.yaml"],
        ["tag", "DATA", "--output", "4.yaml"],
        ["classify", EVIL],
        [EVIL, "DATA"],
    ],
    "survey": [["DATA"], ["DATA", "--label", EVIL], ["DATA", "--column", EVIL], [EVIL]],
    "labels": [["DATA", "--folds", "2"], ["DATA", "--label", EVIL], ["DATA", "--output", f"{EVIL}.txt"]],
    "segment": [["rules", "--text", EVIL], ["rules", "DATA"], ["rules", "--text", EVIL, "--format", "jsonl"], [EVIL]],
    "tokens": [[EVIL, "--segmenter", "rules"], [EVIL, "--tokenizer", "BUNDLE"], ["a", "--tokenizer", EVIL]],
    "plan": [["RECIPE", "--devices", EVIL], ["RECIPE", "--tokens", EVIL], ["RECIPE", "--stage", EVIL], [EVIL]],
    "check": [["RECIPE", "--root", f"ROOT/{EVIL}"], ["RECIPE", f"clean.{EVIL}=1"], [EVIL]],
    "run": [["RECIPE", "--root", f"ROOT/{EVIL}"], ["RECIPE", "--only", EVIL]],
    "search": [["RECIPE", "--root", f"ROOT/{EVIL}"], ["RECIPE", "--storage", EVIL], [EVIL]],
    "bakeoff": [["RECIPE", "--methods", EVIL], ["RECIPE", "--methods", "full", "--stage", EVIL], [EVIL]],
    "predict": [
        ["BUNDLE", "--text", EVIL],
        ["BUNDLE", "--text", EVIL, "--format", "table"],
        ["BUNDLE", "--text", EVIL, "--format", "csv"],
        ["BUNDLE", "DATA"],
        ["BUNDLE", "--text", "a", "--adapter", EVIL],
        [EVIL],
    ],
    "chat": [["BUNDLE"], [EVIL], ["BUNDLE", EVIL], ["BUNDLE", f"policy.kind={EVIL}"]],
    "serve": [[EVIL], [f"{EVIL}=BUNDLE"], ["BUNDLE", "--keys", EVIL], ["BUNDLE", "--adapter", EVIL]],
    "studio": [
        [EVIL, "--port", EVIL],
        [EVIL, "--host", EVIL],
        ["ROOT", "--keys", f"{EVIL}/none"],
        ["DATA"],
        ["ROOT", "--also", f"{EVIL}/none"],  # a folder EVIL is what other commands may have left
    ],
    "bundle": [["BUNDLE", EVIL], [EVIL, "out"], ["ROOT", EVIL, f"kind={EVIL}"], ["ROOT", "out", f"{EVIL}=1"]],
    "key": [[f"{EVIL}/x/y", "a"], ["RECIPE", "a"]],
    "explain": [
        ["BUNDLE", EVIL],
        ["BUNDLE", EVIL, "--target", EVIL],
        ["BUNDLE", EVIL, "--method", EVIL],
        ["BUNDLE", "DATA", "--records", "1", "--examples", "DATA"],
        ["BUNDLE", "a", f"{EVIL}=1"],
        [EVIL, "a"],
    ],
    "evaluate": [
        ["BUNDLE", "DATA"],
        ["BUNDLE", EVIL],
        ["BUNDLE", "DATA", "--baseline", EVIL],
        ["BUNDLE", "DATA", "--metric", EVIL],
    ],
    "export": [["BUNDLE", EVIL, "--to", EVIL], [EVIL, "out"], ["BUNDLE", "out", EVIL], ["BUNDLE", "BUNDLE"]],
    "compress": [
        ["BUNDLE", "DATA", "--floor", EVIL, "--out", "small"],
        ["BUNDLE", "DATA", "--floor", "accuracy -1", "--rungs", EVIL, "--out", "small"],
        ["BUNDLE", EVIL, "--floor", "accuracy -1", "--out", "small"],
        [EVIL, "DATA", "--floor", "accuracy -1", "--out", "small"],
    ],
    "prune": [["BUNDLE", EVIL, "--output", "p"], [EVIL, "vocabulary", "--output", "p"]],
    "benchmark": [["BUNDLE", EVIL], [EVIL, "ROOT"], ["BUNDLE", "ROOT", "--subject", EVIL]],
    "judge": [
        [EVIL, "--url", "http://127.0.0.1:9", "--model", EVIL],
        ["DATA", "DATA", "--url", EVIL, "--model", "m"],
        ["DATA", "--url", "http://127.0.0.1:9", "--model", "m", "--template", EVIL],
    ],
    "prompt": [["BUNDLE", "DATA", "DATA"], [EVIL, "DATA", "DATA"], ["BUNDLE", EVIL, "DATA"], ["BUNDLE", "DATA", EVIL]],
    "app": [
        *([EVIL], [EVIL, EVIL], ["--help"], ["knowledge", EVIL, "--port", EVIL], ["knowledge", "refresh", EVIL]),
        ["knowledge", "ask", f"text 3 {EVIL}", "--folder", "ROOT", "--index", "k"],
        ["knowledge", "fit", EVIL, "--folder", "ROOT", "--index", "k"],
        ["assistant", "forget", EVIL, "--folder", EVIL],
        ["recommend", "show", EVIL],
        ["recommend", "put", "--items", EVIL],
        ["recommend", "put", "--items", "DATA"],
        ["write", "draft", EVIL, "--word", EVIL, "--generator", "BUNDLE"],
        ["write", "draft", "a", "--form", EVIL, "--generator", EVIL],
        ["code", "train", EVIL, "--size", "tiny"],
        ["code", "evaluate", "ROOT", "--bundle", EVIL],
        ["code", "--place", EVIL],
    ],
    "compare": [["EVALUATION", "EVALUATION"], [EVIL, "EVALUATION"], ["EVALUATION", "EVALUATION", "--resamples", EVIL]],
    "leaderboard": [["EVALUATION"], [EVIL], ["EVALUATION", "--metric", EVIL], ["RUN", "--page", EVIL]],
    "report": [["RUN"], [EVIL], ["RUN", "--language", EVIL]],
    "verify": [["BUNDLE"], [EVIL], ["BUNDLE", "--precision", EVIL]],
    "adapt": [["BUNDLE", EVIL, "--name", "a"], [EVIL, "BUNDLE", "--name", "a"], ["BUNDLE", "RUN", "--name", EVIL]],
    "merge": [
        ["BUNDLE", EVIL, "--output", "m"],
        ["BUNDLE", f"{EVIL}=1", f"a={EVIL}", "--name", "b"],
        ["BUNDLE", EVIL, f"a{EVIL}", "--name", EVIL],
        [EVIL, "a", "--output", EVIL],
    ],
    "sign": [["BUNDLE", "--key", EVIL], [EVIL, "--key", EVIL]],
    "doctor": [["--json"], [EVIL]],
    "completion": [["bash"], [EVIL], ["words", "--", "list", "re"]],
    "man": [[], [EVIL]],
    "quickstart": [["--language", EVIL], ["--minutes", "nan"], ["--root", EVIL, "--minutes", "-1"]],
    "list": [[EVIL], ["lora"], ["--json"]],
    "schema": [[], [EVIL]],
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("hostile")
    data = folder / f"{NAME}.csv"
    rows = "".join(f'"text {n} {EVIL.strip()}{n * n}",{("x", "y")[n % 2]}{EVIL.strip()}\n' for n in range(20))
    data.write_text("text,label\n" + rows)
    recipe = {"name": "r", "stages": {"clean": {"kind": "prepare", "data": {"kind": "csv", "path": str(data)}}}}
    (folder / f"{NAME}.yaml").write_text(json.dumps(recipe))
    found = {"DATA": str(data), "RECIPE": str(folder / f"{NAME}.yaml"), "ROOT": str(folder)}
    found["BUNDLE"] = str(made.bundle(folder / f"bundle{NAME}"))
    found["EVALUATION"] = str(made.evaluation(folder / f"evaluation{NAME}"))
    return found | {"RUN": str(made.run(folder / f"run{NAME}"))}


def test_every_command_is_tried() -> None:
    assert set(WORDS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.filterwarnings("ignore")
def test_no_command_prints_what_steers_a_terminal(
    name: str, places: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(places["ROOT"])
    for given in WORDS[name]:
        words = [name]
        for word in given:
            first, sign, rest = word.partition("/")
            words.append(places.get(first, first) + sign + rest)
        with pytest.raises(SystemExit) as ended:
            main(words)
        said = capsys.readouterr()
        assert ended.value.code in (0, 1, 2), words
        assert not steers(said.out + said.err), words
        assert "Traceback" not in said.err
        assert said.out + said.err
        if ended.value.code == 2:
            assert said.err.startswith("danlu: ")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["tokens", "\udcff", "--segmenter", "rules"], "TEXT: expected UTF-8, and character 1 is none"),
        (["segment", "rules", "--text", "a\udcff"], "--text: expected UTF-8, and character 2 is none"),
        (["predict", "none", "--text", "\udcff"], "--text: expected UTF-8"),
        (["compare", "a", "b", "--resamples", str(10**12)], "resamples 1,000,000,000,000: expected 100 to 100,000"),
        (["predict", "a", "--threads", "100000"], "threads 100,000: expected 1 to 256"),
        (["predict", "a", "--threads", "9" * 5000], "--threads"),
        (["run", "--onyl", "a", "b"], "--onyl"),
        (["quickstart", "--minutes", "nan"], "--minutes is nan"),
    ],
)
def test_nonsense_is_one_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr()
    assert (ended.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith("danlu: ")
    assert sentence in said.err


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "data.txt").write_text("".join(f"{n} {n * n} and {n**3} are numbers\n" for n in range(40)))
    (tmp_path / "r.yaml").write_text(
        "name: r\nstages: {clean: {kind: prepare, data: {kind: text, path: data.txt}, split: {test: 0.2}}}\n"
    )
    return tmp_path


def _shell(folder: Path, line: str) -> "subprocess.CompletedProcess[str]":
    command = line.replace("danlu", f'"{sys.executable}" -m danlu.cli.main')
    return subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(
    "line",
    ["danlu run r.yaml | true; exit ${PIPESTATUS[0]}", "HOME=/proc/none HF_HOME=/proc/none danlu run r.yaml >&- 2>&-"],
)
def test_a_run_goes_on_without_its_listener(recipe: Path, line: str) -> None:
    ran = _shell(recipe, line)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (recipe / "runs" / "r" / "report.html").is_file()
    assert (recipe / "runs" / "r" / "clean" / "train.parquet").is_file()


@pytest.mark.parametrize("words", ["list --json", "check r.yaml --plan"])
def test_what_is_asked_for_ends_quietly_with_its_reader(recipe: Path, words: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "danlu.cli.main", *words.split()]
    try:
        ran = started.run(command, cwd=recipe, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert ran.stderr == ""
    assert ran.returncode in (0, -signal.SIGPIPE, 128 + signal.SIGPIPE)


def test_a_working_folder_that_was_removed_is_told(recipe: Path) -> None:
    ran = _shell(recipe, "mkdir gone && cd gone && rmdir ../gone && danlu check r.yaml")
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "the working folder was removed" in ran.stderr


def test_predictions_go_to_what_output_names(places: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "target").write_text("before")
    with pytest.raises(SystemExit) as ended:
        main(["predict", places["BUNDLE"], "--text", "好", "--output", str(tmp_path / "link")])
    assert ended.value.code == 0
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "target").read_text())["text"] == "好"
