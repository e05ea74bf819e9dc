"""Taggers that others trained, whatever letters their tags have: what begins and goes on is what their heads say."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

import danlu
from danlu.export.export import export
from danlu.export.target import Target
from danlu.refusal import Refusal
from danlu.task.tasks.tag import Tag

from .others_models import TEXTS, given, taken


@pytest.mark.parametrize(
    "tags",
    [
        ["O", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC", "I-LOC", "E-LOC", "S-LOC"],
        ["S-LOC", "B-PER", "M-PER", "O", "E-PER", "S-PER"],
        ["U-PER", "L-PER", "B-PER", "I-PER", "O"],
        ["O", "S-PER", "B-PER", "I-PER"],
        ["[PAD]", "O", "S-PER", "B-PER", "I-PER", "X"],
        ["O", "I-PER", "E-PER"],
    ],
)
def test_tags_with_more_letters_say_what_begins_and_goes_on(tags: list[str], tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForTokenClassification", id2label=dict(enumerate(tags)))
    bundle = taken(folder)
    types = bundle.task.label_names()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForTokenClassification.from_pretrained(bundle.folder).eval()
    assert [model.config.id2label[place] for place in range(len(tags))] == tags
    letters = {"B": "BSU", "I": "IMEL"}
    for text in TEXTS:
        with torch.no_grad():
            shares_TC = model(**tokenizer(text, return_tensors="pt")).logits[0].softmax(-1)
        own = {tag: shares_TC[:, place] for place, tag in enumerate(tags)}
        none = torch.zeros(len(shares_TC))
        classes = [sum((own.get(tag, none) for tag in ("O", "X", "[PAD]")), none)]
        for kind in types:
            classes += [sum((own.get(f"{one}-{kind}", none) for one in letters[part]), none) for part in "BI"]
        (row,) = bundle.task.encode([{"text": text}], bundle.tokenizer, 512, labelled=False)
        batch = bundle.task.collate([row], len(row), bundle.tokenizer, np.random.default_rng(0))
        with torch.no_grad():
            (log_TC,) = bundle.task.outputs(bundle.network.forward(bundle.task, batch), batch)
        assert np.exp(log_TC) == pytest.approx(torch.stack(classes, 1).numpy(), abs=1e-5)


def test_a_head_with_more_letters_goes_on_learning_and_is_exported_as_it_is(tmp_path: Path) -> None:
    tags = ["O", "B-PER", "I-PER", "E-PER", "S-PER"]
    folder = given(tmp_path, "AutoModelForTokenClassification", id2label=dict(enumerate(tags)))
    rows = [{"text": text, "entities": [{"start": 0, "end": 1, "label": "PER"}]} for text in TEXTS[:2]] * 4
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    stage = {
        "kind": "train", "data": {"kind": "jsonl", "path": str(path)},
        "model": {"kind": "pretrained", "path": str(folder)},
        "task": {"kind": "tag", "labels": ["PER"], "head_tags": tags, "units": "tokens"},
        "train": {"steps": 60, "rate": 1e-2, "batch_examples": 8},
    }  # fmt: skip
    ran = danlu.run({"name": "t", "stages": {"fit": stage}}, root=tmp_path, say=lambda _: None)
    with danlu.load(ran["fit"] / "bundle") as bundle:
        said = bundle.predict(TEXTS[:2])
        assert [[each["end"] for each in one["entities"]] for one in said] == [[1], [1]]
    export(ran["fit"] / "bundle", tmp_path / "out", Target.model_validate("onnx"))
    with danlu.load(tmp_path / "out") as exported:
        assert [one["entities"][0]["end"] for one in exported.predict(TEXTS[:2])] == [1, 1]


def test_spans_are_opened_by_what_goes_on_where_no_tag_begins_one(tmp_path: Path) -> None:
    bundle = taken(
        given(tmp_path, "AutoModelForTokenClassification", id2label=dict(enumerate(["O", "I-PER", "E-PER"])))
    )
    assert any(said["entities"] for said in bundle.predict(TEXTS))
    with pytest.raises(Refusal, match=r"task\.head_tags: has no tag for 'B-PER', which cannot be learnt so"):
        bundle.task.fitted([{"text": "a", "entities": [{"start": 0, "end": 1, "label": "PER"}]}])


def test_labels_of_another_head_are_not_said_to_be_tags_of_this_one(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForTokenClassification", id2label=dict(enumerate(["O", "B-PER", "E-PER"])))
    with pytest.raises(Refusal, match=r"new and fresh|begins fresh"):
        taken(folder, kind="tag", labels=["LOC"])


@pytest.mark.parametrize("tags", [["B-PER"], ["O", "B-LOC"], ["O", "B-PER", "B-PER"], ["O", "person"]])
def test_tags_of_a_head_that_do_not_fit_the_labels_are_refused(tags: list[str]) -> None:
    with pytest.raises(ValueError, match="'head_tags' must be 'O' and tags of 'labels', each once"):
        Tag(labels=("PER",), head_tags=tuple(tags))


@pytest.mark.parametrize(
    "tags", [["O", "X-PER"], ["NOUN", "VERB"], ["O"], ["B-PER", "I-PER"], ["O", "S"], ["O", "B-O"], ["O", "B-A", "B-A"]]
)
def test_tags_that_are_no_bio_are_refused(tmp_path: Path, tags: list[str]) -> None:
    folder = given(tmp_path, "AutoModelForTokenClassification", id2label=dict(enumerate(tags)))
    with pytest.raises(Refusal, match="out of O, B-TYPE, I-TYPE and the like"):
        taken(folder)
