import json
from pathlib import Path
from typing import Any

import pytest

import danlu
from danlu.cli.main import main
from danlu.refusal import Refusal
from danlu.text.segmenting.segmenter import open_segmenter

SENTENCES = [
    "今天 天气 很 好 。",
    "我们 今天 去 公园 。",
    "公园 的 天气 好 。",
    "他们 去 北京 。",
    "北京 的 公园 很 好 。",
    "我们 去 北京 ， 他们 去 公园 。",
]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    lines = [f"{number} 、 {sentence}" for number in range(8) for sentence in SENTENCES]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def run(stages: dict[str, Any], root: Path) -> tuple[Any, list[str]]:
    said: list[str] = []
    return danlu.run({"name": "words", "stages": stages}, root=root, say=said.append), said


def clean(corpus: Path) -> dict[str, Any]:
    data = {"kind": "words", "path": str(corpus)}
    return {"kind": "prepare", "data": data, "dedup": "exact", "split": {"validation": 0, "test": 0.2}}


def test_a_recipe_trains_scores_and_keeps_a_segmenter(corpus: Path, tmp_path: Path) -> None:
    stages = {
        "clean": clean(corpus),
        "hmm": {"kind": "segmenter", "data": "@clean", "segmenter": {"kind": "hmm", "context": 1}},
        "ngram": {"kind": "segmenter", "data": "@clean", "segmenter": "ngram"},
        "char": {"kind": "segmenter", "data": "@clean", "segmenter": "char"},
    }
    ran, said = run(stages, tmp_path / "runs")
    assert any("segmenter hmm: " in line and " words in " in line for line in said)
    scores = {name: json.loads((ran[name] / "words.json").read_text()) for name in ("hmm", "ngram", "char")}
    assert scores["char"]["f1"] < scores["hmm"]["f1"] <= 1
    assert scores["ngram"]["f1"] > 0.9
    assert scores["hmm"]["words"] == scores["char"]["words"] > 20
    assert open_segmenter(ran["ngram"]).segment(["我们去北京公园"]) == [["我们", "去", "北京", "公园"]]
    assert open_segmenter(ran["char"]).segment(["我们"]) == [["我", "们"]]
    _, again = run(stages, tmp_path / "runs")
    assert sum("skipped" in line for line in again) == 4


def test_a_tagger_learns_words_and_is_a_segmenter(corpus: Path, tmp_path: Path) -> None:
    tiny = {"kind": "scratch", "architecture": "bert", "layers": 1, "width": 32, "heads": 2, "attention": "neighbours"}
    stages = {
        "clean": clean(corpus),
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "wordpiece", "size": 80}},
        "neural": {
            "kind": "train",
            "data": "@clean",
            "tokenizer": "@vocab",
            "model": tiny,
            "task": "tag",
            "train": {"steps": 40, "rate": 5e-3, "batch_tokens": 256, "precision": "float32"},
        },
        "tagger": {"kind": "segmenter", "data": "@clean", "segmenter": {"kind": "neural", "path": "@neural"}},
        "words": {"kind": "segmenter", "data": "@clean", "segmenter": "ngram"},
        "both": {
            "kind": "segmenter",
            "data": "@clean",
            "segmenter": {"kind": "neural", "path": "@neural", "words": "@words"},
        },
    }
    ran, _ = run(stages, tmp_path / "runs")
    for name in ("tagger", "both"):
        assert json.loads((ran[name] / "words.json").read_text())["f1"] > 0.8
    texts = ["3、今天天气很好。", "", "  ", "3、我们去 公园\n"]
    for part in (open_segmenter(ran["tagger"]), open_segmenter(ran["both"]), _neural(ran["neural"])):
        found = part.segment(texts)
        assert ["".join(words) for words in found] == texts
        assert found[0][-2:] == ["好", "。"]
        assert found[3][-1] == "\n"
        assert " " in found[3]
        assert found[2] == ["  "]

    for words, told in ((ran["clean"], "holds no segmenter.json"), (ran["tagger"], "is a segmenter of kind 'neural'")):
        with pytest.raises(Refusal, match=told):
            _neural(ran["neural"], words=str(words)).segment(texts)


def _neural(folder: Path, **settings: str) -> Any:
    from danlu.text.segmenting.segmenter import Segmenter

    return Segmenter.model_validate({"kind": "neural", "path": str(folder), **settings})


def test_test_text_may_be_given(corpus: Path, tmp_path: Path) -> None:
    held_out = tmp_path / "test.txt"
    held_out.write_text("他们 去 公园 。\n", encoding="utf-8")
    data, test = ({"kind": "words", "path": str(path)} for path in (corpus, held_out))
    ran, _ = run({"hmm": {"kind": "segmenter", "data": data, "test": test, "segmenter": "hmm"}}, tmp_path / "runs")
    assert json.loads((ran["hmm"] / "words.json").read_text())["words"] == 4
    ran, _ = run({"hmm": {"kind": "segmenter", "data": data, "segmenter": "hmm"}}, tmp_path / "other")
    assert not (ran["hmm"] / "words.json").exists()


def test_text_without_words_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("今天好\n", encoding="utf-8")
    data = {"kind": "text", "path": str(tmp_path / "plain.txt")}
    with pytest.raises(Refusal, match="record 1: expected a column 'words'"):
        run({"hmm": {"kind": "segmenter", "data": data, "segmenter": "hmm"}}, tmp_path / "runs")


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = 0
    try:
        main(["segment", *words])
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_command_segments_and_scores(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DANLU_LANGUAGE", "en")
    data = {"kind": "words", "path": str(corpus)}
    ran, _ = run({"ngram": {"kind": "segmenter", "data": data, "segmenter": "ngram"}}, tmp_path / "runs")
    folder = str(ran["ngram"])
    assert told(capsys, folder, "--text", "我们去 北京", "--text", "今天") == (0, "我们 去 北京\n今天\n", "")
    assert told(capsys, folder, "--text", "我们去", "--separator", "/") == (0, "我们/去\n", "")
    code, out, _ = told(capsys, "rules", "--text", "a b", "--format", "jsonl")
    assert (code, json.loads(out)) == (0, {"text": "a b", "words": ["a", " ", "b"]})
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"body": "我们去北京"}\n', encoding="utf-8")
    assert told(capsys, folder, str(lines), "--column", "body")[1] == "我们 去 北京\n"
    code, out, _ = told(capsys, folder, str(corpus), "--score", "--known", str(corpus))
    assert code == 0
    assert "F1" in out
    assert "0.0000" in out  # no word is unknown
    for name in ("gold.utf8", "train.utf8"):  # as SIGHAN has them
        (tmp_path / name).write_bytes(corpus.read_bytes())
    gold, train = str(tmp_path / "gold.utf8"), str(tmp_path / "train.utf8")
    assert told(capsys, folder, gold, "kind=words", "--score", "--known", train)[:2] == (0, out)
    assert told(capsys, folder, gold, "kind=words", "--score", "--known", str(corpus))[:2] == (0, out)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["jiebа"], "is neither a folder with a segmenter or a tagger, nor a kind of segmenter"),
        (["hmm", "--text", "好"], "has learnt nothing yet"),
        (["char", "a.txt", "--text", "好"], "give either --text or the file a.txt"),
        (["char", "--score"], "--score takes a file"),
        (["char", "--text", "好", "--known", "a.txt"], "--score takes a file"),
    ],
)
def test_the_command_refuses_in_a_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, *words)
    assert (code, out) == (2, "")
    assert sentence in err
