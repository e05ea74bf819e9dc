"""`danlu tokens`, as people and as programs read it."""

import json
from pathlib import Path

import pytest

from danlu.cli.main import main
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = 0
    try:
        main(["tokens", *words])
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = WordPiece(size=90, min_frequency=1).build(lambda: iter(["今天去公园 walk in the park"]))
    made.save_pretrained(tmp_path_factory.mktemp("stage") / "tokenizer")
    return tmp_path_factory.getbasetemp() / "stage0"


def test_json_tells_pieces_numbers_characters_and_the_one_hot_shape(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "今天 walk龘", "--tokenizer", str(folder), "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    pieces = [(token["piece"], token["start"], token["end"]) for token in found["tokens"]]
    assert pieces == [("[CLS]", 0, 0), ("今", 0, 1), ("天", 1, 2), ("walk", 3, 7), ("[UNK]", 7, 8), ("[SEP]", 0, 0)]
    assert found["one_hot"] == [6, len(json.loads((folder / "tokenizer/tokenizer.json").read_text())["model"]["vocab"])]
    assert [token["unknown"] for token in found["tokens"]] == [False] * 4 + [True, False]
    assert found["tokens"][0]["special"]


def test_the_table_shows_the_same(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("DANLU_LANGUAGE", "en")
    code, out, _ = run(capsys, "今天 [bold]walk", "--tokenizer", str(folder / "tokenizer"))
    assert code == 0
    assert "今天 [bold]walk" in out
    assert "walk" in out
    assert "as one-hot rows:" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["text"], "give --tokenizer FOLDER, --segmenter KIND, or both"),
        (["text", "--tokenizer", "./nowhere"], "./nowhere: there is no such folder"),
    ],
)
def test_what_is_missing_is_one_sentence(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_words_are_told_by_a_kind_and_what_must_be_trained_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "walk in", "--segmenter", "rules", "--json")
    assert (code, json.loads(out)["segments"]) == (0, ["walk", " ", "in"])
    for name, says in (
        ("rulse", "did you mean 'rules'?"),
        ("ngram", "has learnt nothing yet; train it by a stage of kind segmenter"),
        ("neural", "is a tagger that was trained; give the folder of its bundle instead"),
    ):
        code, _, err = run(capsys, "walk in", "--segmenter", name)
        assert (code, says in err) == (2, True), err
