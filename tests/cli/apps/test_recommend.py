"""`danlu app recommend`: from an empty folder to lists in one command, and what is wrong in a sentence."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

import danlu.serve.run
from danlu.cli.main import main
from danlu.serve.shelf import Shelf
from danlu.serve.site import Site


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DANLU_LANGUAGE", "en")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["app", "recommend", *words])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_one_command_offers_the_sample_from_an_empty_folder(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: dict[str, object] = {}

    def serve(
        places: list[object], *, site: Callable[[Shelf], AbstractContextManager[Site]], **settings: object
    ) -> None:
        """What a server does before it answers; tests/test_readme.py starts a real one."""
        with site(Shelf(())) as found:
            items = len(found.posts["/v1/recommend"][0].__self__.recommender.recommend("王芳", 10))  # type: ignore[attr-defined]
            offered.update(settings, places=places, items=items)

    monkeypatch.setattr(danlu.serve.run, "serve", serve)
    code, _, err = said(capsys, "--sample", "--port", "8123")
    assert code == 0
    assert (offered["host"], offered["port"], offered["places"], offered["items"]) == ("127.0.0.1", 8123, [], 10)
    assert "sample, made up: 36 items" in err.splitlines()[0]
    assert "words are counted (no --embedder); ranked by the rule" in err.splitlines()[1]
    assert (folder / "recommend" / "recommend.db").is_file()


def test_put_show_learn_and_evaluate_go_on_with_one_place(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert said(capsys, "put", "--sample")[0] == 0
    code, out, _ = said(capsys, "show", "ann", "--limit", "3", "--diversity", "0.5")
    assert (code, len(out.splitlines())) == (0, 3)
    code, out, _ = said(capsys, "show", "nobody", "--interests", "乌龙茶")
    assert "has done nothing here yet" in out
    assert "It fits your interests" in out
    code, out, _ = said(capsys, "learn")
    assert code == 0
    assert "NDCG@10" in out
    code, out, err = said(capsys, "evaluate", "--json", "numbers.json", "--spans", "3")
    assert code == 0, err
    assert "co-occurrence" in out
    assert json.loads((folder / "numbers.json").read_text())["ways"]["BM25"]["recall@50"] > 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["put"], "there is nothing to put"),
        (["put", "--items", "nowhere.csv"], "nowhere.csv"),
        (["put", "--sample", "--weights", "view=much"], "is no weight"),
        (["put", "--sample", "--place", "redis://x"], "is no database that can be used here"),
        (["show", "u", "--limit", "0"], "expected 1 to 200"),
        (["show", "u", "--embedder", "nowhere"], "nowhere"),
        (["evaluate"], "needs 10 or more"),
        (["tune", "nowhere"], "50 are needed to tune"),
        (["--segmenter", "nowhere", "--port", "0"], "nowhere"),
        (["recommand"], "recommand"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    code, _, err = said(capsys, *words)
    assert code == 2
    assert told in err
    assert err.count("\n") == 1
