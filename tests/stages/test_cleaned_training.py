"""What cleaned the training data cleans what a bundle is asked, from prepare to verify."""

import json
from pathlib import Path
from typing import Any

import pytest

from danlu.bundle.bundle import load
from danlu.bundle.verify import verify
from danlu.data.corpus.prepared import load as load_prepared
from danlu.data.corpus.prepared import load_cleaners
from danlu.refusal import Refusal
from danlu.stages.recipe import read
from danlu.stages.run import Run, run

CLEANERS = ["html", "control", "normalise", "whitespace", {"kind": "length", "minimum": 4}]


def write(path: Path, count: int = 24) -> Path:
    rows = []
    for n in range(count):
        name, place = "王李张赵"[n % 4], ("北\u200b京", "上海", "<b>广州</b>")[n % 3]
        text = f"　{name}先生第{n}次到了{place}  。"
        start = text.index(place)
        person = {"start": 1, "end": 2, "label": "person"}
        rows.append({"text": text, "entities": [person, {"start": start, "end": start + len(place), "label": "place"}]})
    rows.append({"text": "好\u200b\u200b吗", "entities": []})
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def recipe(path: Path, **train: Any) -> dict[str, Any]:
    clean = {
        "kind": "prepare",
        "data": {"kind": "jsonl", "path": str(path)},
        "cleaners": CLEANERS,
        "dedup": "none",
        "split": {"validation": 0.2, "test": 0.2},
    }
    return {
        "name": "cleaned",
        "stages": {
            "clean": clean,
            "other": clean | {"cleaners": ["control"]},
            "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "wordpiece", "size": 200}},
            "tagger": {
                "kind": "train",
                "data": "@clean",
                "tokenizer": "@vocab",
                "model": {"kind": "scratch", "architecture": "bert", "layers": 1, "width": 32, "heads": 2},
                "task": "tag",
                "train": {"epochs": 1, "precision": "float32"},
            }
            | train,
        },
    }


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("cleaned")
    return run(read(recipe(write(folder / "data.jsonl"))), folder / "runs", say=lambda line: None)


def test_the_prepared_data_is_clean_and_says_what_became_of_the_rest(ran: Run) -> None:
    records = [record for split in ("train", "validation", "test") for record in load_prepared(ran["clean"], split)]
    assert len(records) == 24
    for record in records:
        text = record["text"]
        assert text == text.strip()
        assert "\u200b" not in text
        person, place = sorted(record["entities"], key=lambda mark: mark["start"])
        assert text[person["start"] : person["end"]] in "王李张赵"
        assert text[place["start"] : place["end"]] in ("北京", "上海", "广州")
    told = json.loads((ran["clean"] / "dropped.json").read_text(encoding="utf-8"))
    assert {reason: item["count"] for reason, item in told.items()} == {"length: too short": 1}
    assert told["length: too short"]["samples"] == ["好吗"]
    assert [part.kind for part in load_cleaners(ran["clean"])] == ["html", "control", "normalise", "whitespace"]


def test_a_bundle_cleans_what_it_is_asked_and_answers_in_the_characters_it_was_given(ran: Run) -> None:
    bundle = load(ran["tagger"])
    clean, dirty = "王先生第3次到了北京 。", "  王先生第３次到了<i>北\u200b京</i>  。"
    of_clean, of_dirty = bundle.predict([clean, dirty])
    found = [(entity["label"], entity["score"]) for entity in of_clean["entities"]]
    assert found  # one epoch leaves many guesses, and guesses will do
    assert [(entity["label"], entity["score"]) for entity in of_dirty["entities"]] == found
    for entity in of_dirty["entities"]:
        assert dirty[entity["start"] : entity["end"]] == entity["text"]
    (of_words,) = bundle.predict([{"tokens": ["王", "先生", "到了", "北\u200b京"]}])
    assert len(of_words["tags"]) == 4
    bundle.predictor.close()


def test_verify_tells_when_cleaning_has_changed(ran: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert verify(ran["tagger"]) == []
    from danlu.data.cleaning.cleaners.html import Html

    monkeypatch.setattr(Html, "rewrite", lambda self, texts: list(texts))
    assert any("rewritten sample" in difference for difference in verify(ran["tagger"]))


def test_data_that_was_cleaned_differently_cannot_be_learnt_together(ran: Run) -> None:
    folder = ran.folder.parent
    plain = recipe(folder.parent / "data.jsonl", data=["@clean", "@other"])
    with pytest.raises(Refusal, match=r"@clean was rewritten by html, .* and @other by control"):
        run(read(plain), folder, say=lambda line: None)


def test_cleaners_that_leave_nothing_are_named(tmp_path: Path) -> None:
    plain = recipe(write(tmp_path / "data.jsonl"))
    plain["stages"]["clean"]["cleaners"] = [{"kind": "length", "minimum": 1000}]
    with pytest.raises(Refusal, match="the cleaners dropped all records"):
        run(read(plain), tmp_path / "runs", only=["clean"], say=lambda line: None)
    plain["stages"]["clean"]["cleaners"] = ["normalize"]
    with pytest.raises(Refusal, match="did you mean 'normalise'"):
        read(plain)
