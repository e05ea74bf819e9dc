"""The stage `triples`: a tagger, then what relates its entities, scored by whole triples."""

import json
from pathlib import Path

import pytest

import danlu
from danlu.refusal import Refusal
from danlu.stages.kinds.triples import Triple, scored, truths_of

PEOPLE, PLACES = ("李白", "杜甫", "王维", "苏轼", "陆游"), ("长安", "成都", "洛阳", "杭州", "绍兴")


def pairs():
    for person in PEOPLE:
        for place in PLACES:
            for text, label, first in (
                (f"{person}生于{place}。", "born(e1,e2)", person),
                (f"{place}有个{person}。", "born(e2,e1)", place),
                (f"{person}不爱{place}。", "Other", person),
            ):
                marks = [{"start": text.index(word), "end": text.index(word) + 2} for word in (person, place)]
                head, tail = marks if first == person else marks[::-1]
                yield {"text": text, "head": head, "tail": tail, "label": label}


def entities(record):
    texts = {record["text"][record[name]["start"] : record[name]["end"]]: record[name] for name in ("head", "tail")}
    return [mark | {"label": "person" if word in PEOPLE else "place"} for word, mark in texts.items()]


def write(path, records):
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    return {"kind": "jsonl", "path": str(path)}


def test_a_recipe_tags_entities_and_relates_them(tmp_path: Path) -> None:
    records = [*pairs()]
    tagged = write(tmp_path / "tag.jsonl", [{"text": each["text"], "entities": entities(each)} for each in records])
    related = write(tmp_path / "relate.jsonl", records)
    train = {
        "kind": "train",
        "tokenizer": "@vocab",
        "model": {"kind": "scratch", "architecture": "bert", "size": "tiny"},
    }
    stages = {
        "vocab": {"kind": "tokenizer", "data": related, "tokenizer": {"kind": "char", "min_frequency": 1}},
        "tagger": train | {"data": tagged, "task": "tag", "train": {"epochs": 12, "rate": 2e-3, "batch_tokens": 256}},
        "relater": train
        | {"data": related, "task": "relate", "train": {"epochs": 12, "rate": 2e-3, "batch_tokens": 256}},
        "found": {"kind": "triples", "tag": "@tagger", "relate": "@relater", "data": related, "resamples": 100},
    }
    said: list[str] = []
    run = danlu.run({"name": "poets", "stages": stages}, root=tmp_path / "runs", say=said.append)
    scores = json.loads((run["found"] / "triples.json").read_text("utf-8"))
    assert (scores["texts"], scores["triples"]) == (75, 50)
    assert scores["f1"]["low"] <= scores["f1"]["value"] <= scores["f1"]["high"]
    assert scores["f1"]["value"] > 0.9
    lines = [json.loads(line) for line in (run["found"] / "triples.jsonl").read_text("utf-8").splitlines()]
    for line in lines:
        for triple in line["triples"]:
            assert triple["relation"] == "born"
            for end in (triple["head"], triple["tail"]):
                assert end["text"] == line["text"][end["start"] : end["end"]]
            assert 0 < triple["score"] <= 1
    (one,) = next(line for line in lines if line["text"] == "成都有个杜甫。")["triples"]
    assert (one["head"]["text"], one["tail"]["text"]) == ("杜甫", "成都")  # the direction is that of the relation
    wrong = stages | {"found": stages["found"] | {"tag": "@relater"}}
    with pytest.raises(Refusal, match="tag: @relater holds a bundle of the task 'relate'; give one of the task 'tag'"):
        danlu.run({"name": "poets", "stages": wrong}, root=tmp_path / "runs", say=said.append)


def test_triples_are_scored_whole():
    one, other = Triple((0, 2), "born", (4, 6)), Triple((4, 6), "born", (0, 2))
    found = scored([{one}, {one, other}, set()], [{one}, {other}, {one}], resamples=100, seed=0)
    assert (found["precision"]["value"], found["recall"]["value"]) == (2 / 3, 2 / 3)
    assert found["f1"]["value"] == 2 / 3
    assert found["triples"] == 3


def test_the_truth_of_a_text_is_in_all_its_records():
    marks = {"head": {"start": 0, "end": 1}, "tail": {"start": 1, "end": 2}}
    texts, truths = truths_of(
        [{"text": "ab", **marks, "label": label} for label in ("x(e1,e2)", "x(e2,e1)", "Other", "无关系")]
    )
    assert (texts, truths) == (["ab"], [{Triple((0, 1), "x", (1, 2)), Triple((1, 2), "x", (0, 1))}])
    assert truths_of([{"text": "ab"}]) == (["ab"], None)
    with pytest.raises(Refusal, match="record 2: has no 'label', and others have"):
        truths_of([{"text": "ab", **marks, "label": "x"}, {"text": "cd"}])
    with pytest.raises(Refusal, match="There are no records to find triples in"):
        truths_of([])
