"""Methods of tuning side by side."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_recipe import made

from danlu.cli.main import main
from danlu.evaluate.pages.scatter import Dot, scatter
from danlu.language import translator
from danlu.recipe.yaml_text import dump, parse
from danlu.refusal import Refusal
from danlu.trials import bakeoff as module
from danlu.trials import measured
from danlu.trials.bakeoff import bakeoff, split_methods
from danlu.trials.bakeoff_page import bakeoff_in_words, write_page


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(dump(made(tmp_path)), encoding="utf-8")
    return tmp_path / "recipe.yaml"


def test_each_method_has_its_row_and_what_is_done_is_not_done_again(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bakeoff", "recipe.yaml", "--methods", "head"]
    for call in range(2):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        out = capsys.readouterr().out
        assert ("bundle in" in out) == (call == 0)
    told = json.loads(Path("runs/tried/bakeoff.json").read_text(encoding="utf-8"))
    (head,) = told["methods"]
    (folder,) = [path.parent for path in Path("runs/tried").glob("model.*/cost.json")]
    scores = json.loads(next(Path("runs/tried").glob("test.*/scores.json")).read_text(encoding="utf-8"))
    measured = scores["metrics"]["macro_f1"]
    assert (head["value"], head["low"], head["high"]) == (measured["value"], measured["low"], measured["high"])
    assert 0 < head["trained"] < head["parameters"]
    assert head["share"] == head["trained"] / head["parameters"]
    assert head["peak_bytes"] == json.loads((folder / "cost.json").read_text())["peak_bytes"] > 1e8
    assert head["added"] == sum(path.stat().st_size for path in (folder / "adapter").iterdir())
    page = Path("runs/tried/bakeoff.html").read_text(encoding="utf-8")
    assert page.count("<circle") == 2  # quality against share and against minutes
    assert "<script" not in page


def test_methods_of_several_seeds_have_means_and_ends_and_what_was_retained(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(source: object, overrides: object, root: Path, name: str, seeds: object, say: object) -> None:
        from danlu.stages.recipe import read
        from danlu.stages.run import run

        ran = run(read(source, overrides), root, [name], say, beside=True, seeds=seeds)
        retained = {"news": {"before": 0.5, "after": 0.25 * seeds[name], "forgetting": 0.5 - 0.25 * seeds[name]}}
        retained["old"] = {"before": 0.5}  # a training that was ended before it was validated
        (ran[name] / "retained.json").write_text(json.dumps(retained))

    monkeypatch.setattr(module, "measure", here)
    said: list[str] = []
    baked = bakeoff(source, ["full", "layers:top=9"], ["model.train.steps=2"], tmp_path / "runs", said.append, seeds=2)
    (row, refused) = baked.rows
    values = [
        json.loads(path.read_text(encoding="utf-8"))["metrics"]["macro_f1"]["value"]
        for path in (tmp_path / "runs/tried").glob("test.*/scores.json")
    ]
    assert (row.low, row.value, row.high) == (min(values), pytest.approx(sum(values) / 2), max(values))
    assert row.share == 1
    assert row.retained == {"news": {"before": 0.5, "after": 0.125, "forgetting": 0.375}}
    lines = bakeoff_in_words(baked, "en")
    assert "news 0.500 → 0.125" in lines[-2]
    assert refused.refused is not None
    assert "layers" in refused.refused
    assert lines[-1] == f"layers:top=9: {refused.refused}"
    for language in ("en", "zh"):
        write_page(tmp_path / "page.html", baked, language)
        assert translator(language)("lowest – highest") in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_what_one_seed_is_refused_leaves_what_the_others_have_reached(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(source: object, overrides: object, root: Path, name: str, seeds: dict[str, int], say: object) -> None:
        from danlu.stages.recipe import read
        from danlu.stages.run import run

        if seeds[name] == 1:
            raise Refusal("the disk is full")
        run(read(source, overrides), root, [name], say, beside=True, seeds=seeds)

    monkeypatch.setattr(module, "measure", here)
    (row,) = (baked := bakeoff(source, ["head"], ["seeds=2", "model.train.steps=1"], tmp_path / "runs", print)).rows
    assert (baked.seeds, row.seeds, row.refused) == (2, 1, "the disk is full")
    assert row.value is not None
    assert (row.low, row.high) == (row.value, row.value)
    write_page(tmp_path / "page.html", baked, "en")
    assert "the disk is full" in (tmp_path / "page.html").read_text(encoding="utf-8")
    lines = bakeoff_in_words(baked, "en")
    assert any(line.startswith("head (1 of 2 seeds)") for line in lines)
    assert lines[-1] == "head: the disk is full"


def test_what_the_evaluation_refuses_ends_all_after_the_first_method(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def here(_source: object, overrides: list[str], *_: object) -> None:
        trained.append(overrides[-1])

    def refuses(_recipe: object, _root: object, only: list[str], *_: object, **__: object) -> None:
        if "test" in only:
            raise Refusal("test.baseline: there are no training records")

    monkeypatch.setattr(module, "measure", here)
    monkeypatch.setattr(module, "run", refuses)
    with pytest.raises(Refusal, match="there are no training records"):
        bakeoff(source, ["full", "head"], root=tmp_path / "runs", say=lambda _line: None)
    assert trained == ["model.tuning={kind: full}"]


CHILD = """
import signal, sys

def told(*_):
    print('{"said": "kept"}' if sys.argv[1] == "stops" else '{"said": "goes on"}', flush=True)
    if sys.argv[1] == "stops":
        sys.exit(130)

signal.signal(signal.SIGINT, told)
print('{"said": "begun"}', flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize("does", ["stops", "goes on"])
def test_a_training_that_is_stopped_is_waited_for_unless_it_is_stopped_twice(does: str) -> None:
    """Ctrl-C comes while a line is handled, and again where the training tells that it has heard and goes on."""
    said: list[str] = []
    with subprocess.Popen([sys.executable, "-c", CHILD, does], stdout=subprocess.PIPE, text=True) as process:

        def say(line: str) -> None:
            said.append(line)
            if line == "begun":
                process.send_signal(signal.SIGINT)  # as a terminal does to both
            if line in ("begun", "goes on"):
                raise KeyboardInterrupt

        if does == "goes on":
            with pytest.raises(KeyboardInterrupt):
                measured._heard(process, {}, say)
        else:
            assert measured._heard(process, {}, say)
    assert said == ["begun", "goes on" if does == "goes on" else "kept"]
    assert process.returncode == (-signal.SIGTERM if does == "goes on" else 130)


def test_a_process_that_dies_at_its_start_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Refusal, match="its process ended with 1"):
        measured.measure({"name": "x" * 2**20}, [], tmp_path, "model", {}, pytest.fail)


@pytest.mark.parametrize(
    ("methods", "stage", "words"),
    [
        (["fll"], None, "there is no method 'fll'; did you mean 'full'"),
        (["lora:rank=4:"], None, "'' in 'lora:rank=4:' is no key=value"),
        (["lora:rank"], None, "'rank' in 'lora:rank' is no key=value; write, for example, lora:rank=4"),
        (["lora:rnak=4"], None, "unknown key 'rnak'; did you mean 'rank'"),
        (["lora", "lora"], None, "expected methods that differ"),
        ([], None, "expected methods that differ"),
        (["full"], "modle", "'modle' does not train; did you mean 'model'"),
    ],
)
def test_what_is_misspelt_is_refused_before_anything_starts(
    source: Path, methods: list[str], stage: str | None, words: str
) -> None:
    with pytest.raises(Refusal, match=words):
        bakeoff(source, methods, stage=stage, say=lambda _line: None)
    assert not Path("runs").exists()


def test_commas_in_brackets_part_no_methods() -> None:
    assert split_methods("full, lora:targets=[q,v]:rank=4,adapter") == ["full", "lora:targets=[q,v]:rank=4", "adapter"]
    patterns = 'layers:patterns=["*.a.*","*.[01].*"]'
    assert split_methods(f"{patterns},prompt:text='a, b',prompt:text=it's") == [
        patterns,
        "prompt:text='a, b'",
        "prompt:text=it's",
    ]


@pytest.mark.parametrize(
    ("method", "section"),
    [
        ("lora: rank=4: train.rate=1e-3", {"kind": "lora", "rank": 4}),
        ("prompt:text='Review: good'", {"kind": "prompt", "text": "Review: good"}),
        ("prompt:length=4:text='a:b=c'", {"kind": "prompt", "length": 4, "text": "a:b=c"}),
        ("layers:patterns=['*.[01].*']:layer_decay=0.5", {"patterns": ["*.[01].*"], "layer_decay": 0.5}),
    ],
)
def test_colons_within_texts_part_no_settings(method: str, section: dict[str, object]) -> None:
    made, *_ = module._changes(method, "model")
    address, _, said = made.partition("=")
    assert address == "model.tuning"
    assert section.items() <= parse(said, "made")[0].items()


def test_dots_stand_where_their_values_say_and_intervals_go_through_them() -> None:
    dots = [Dot(1, 0.5, "a", "a", low=0.4, high=0.6), Dot(100, 1.0, "b"), Dot(0, 0.5, "no logarithm")]
    drawn = scatter(dots, "x", "title", log=True, line=[(1, 0.5), (100, 1.0)])
    assert drawn is not None
    circles = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)]
    middle = 52 + (460 - 12 - 52) / 2
    assert len(circles) == 2
    assert circles[0][0] + circles[1][0] == pytest.approx(2 * middle, abs=0.2)
    (low, high) = (float(y) for y in re.search(r'y1="([\d.]+)" y2="([\d.]+)" class="ours"', drawn).groups())  # type: ignore[union-attr]
    assert (low + high) / 2 == pytest.approx(circles[0][1], abs=0.2)
    assert scatter([Dot(float("nan"), 1, "a")], "x", "t") is None
