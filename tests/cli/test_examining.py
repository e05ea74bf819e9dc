"""`danlu benchmark`, `danlu judge` and `danlu evaluate --under`: as people call them, in both languages."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import serving

from danlu.cli.main import main
from danlu.serve.shelf import Place, Shelf

MMLU = "Who wrote?,Ada,Bob,Cy,Di,A\nWhere?,here,there,near,far,C\n"


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = 0
    try:
        main([*map(str, words)])
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_an_examination_is_taken_and_told(
    tiny_bundle: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for split in ("dev", "test"):
        (tmp_path / "mmlu" / split).mkdir(parents=True)
        (tmp_path / "mmlu" / split / f"law_{split}.csv").write_text(MMLU)
    bundle, folder, out = tiny_bundle("causal_lm"), tmp_path / "mmlu", tmp_path / "out"
    code, said, _ = run(capsys, "benchmark", bundle, folder, "--shots", 0, "--by", "text", "--output", out)
    assert code == 0
    assert "who guesses" in said
    plain = json.loads((out / "benchmark.json").read_text())
    assert plain["subjects"]["law"]["questions"] == 2
    assert plain["divide_by"] == "characters"
    assert json.loads((out / "scores.json").read_text())["metrics"]["accuracy"]["value"] == plain["micro"]["value"]
    monkeypatch.setenv("DANLU_LANGUAGE", "zh")
    assert "随机猜测" in run(capsys, "benchmark", bundle, folder, "--shots", 0, "--by", "text")[1]
    monkeypatch.delenv("DANLU_LANGUAGE")
    for words, sentence in (
        (("--by", "number"), "expected letter or text"),
        (("--divide-by", "words"), "expected tokens or characters or nothing"),
        (("--split", "train"), "expected test or val or dev"),
        (("--split", "dev"), "give --shots 0"),
        (("--shots", "3"), "has 2 questions, and 3 are to be shown"),
        (("--subject", "lav"), "did you mean 'law'"),
    ):
        code, _, error = run(capsys, "benchmark", bundle, folder, *words)
        assert code == 2
        assert sentence in error


def test_answers_are_judged_by_our_own_server(
    tiny_bundle: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A model that has learnt nothing says no verdict, and that is told."""
    (tmp_path / "a.jsonl").write_text('{"question": "why?", "answer": "so", "reference": "because"}\n')
    template = "prompt: '{first} {second}'\nverdicts: {first: '[[A]]', second: '[[B]]', tie: '[[C]]'}\n"
    (tmp_path / "short.yaml").write_text(template)
    shelf = Shelf([Place("judge", str(tiny_bundle("chat")), threads=1)])
    shelf.open()
    with serving(shelf) as live:
        words = ["judge", tmp_path / "a.jsonl", "--url", f"{live.address}/v1", "--model", "judge", "--tokens", "8"]
        words += ["--template", tmp_path / "short.yaml", "--output", tmp_path / "out"]
        code, said, error = run(capsys, *words)
        assert code == 0, error
        assert "2 replies hold no verdict" in said
        assert "without their question" not in error
        monkeypatch.setenv("DANLU_LANGUAGE", "zh")
        assert "2 个回复没有结论" in run(capsys, *words)[1]
        (tmp_path / "bare.jsonl").write_text('{"answer": "so", "reference": "because"}\n')
        bare = run(capsys, "judge", tmp_path / "bare.jsonl", *words[2:-1], tmp_path / "bare")[2]
        assert "1 个回答中有 1 个在不知问题的情况下评判" in bare
        code, _, error = run(capsys, *words[:-1], tmp_path / "new", "--model", "nobody")
        assert code == 2
        assert "refuses the request (status 404" in error
    plain = json.loads((tmp_path / "out" / "judged.json").read_text())
    assert (plain["pairs"], plain["unclear"], plain["judge"]) == (1, 2, "judge")
    assert len((tmp_path / "out" / "replies.jsonl").read_text().splitlines()) == 2


def test_an_evaluation_under_changes(
    tiny_bundle: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.csv"
    bundle, out = tiny_bundle("classify"), tmp_path / "out"
    labels = json.loads((bundle / "danlu.json").read_text())["task"]["labels"]
    data.write_text(f"text,label\n他说物流很好,{labels[0]}\n物流太慢，她说,{labels[1]}\n")
    code, said, error = run(
        capsys, "evaluate", bundle, data, "--under", "typos", "--under", "case", "--swap", "zh", "--output", out
    )
    assert code == 0, error
    scores = json.loads((out / "scores.json").read_text())
    assert [told["changed"] for told in scores["under"]] == [2, 0]
    assert scores["swapped"]["asked"] == 2
    assert "changes none of the 2 records" in said
    code, _, error = run(capsys, "evaluate", bundle, data, "--under", "typo")
    assert (code, "did you mean 'typos'" in error) == (2, True)
    code, _, error = run(capsys, "evaluate", bundle, data, "--swap", tmp_path / "none.csv")
    assert (code, "there is no such file" in error) == (2, True)
