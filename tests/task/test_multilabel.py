"""The task `multilabel`: any number of labels, each by itself."""

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from danlu.evaluate.classical.baseline import Baseline
from danlu.evaluate.scoring.score import score
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.tasks.multilabel import Multilabel
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

RECORDS = [
    {"text": "价格便宜", "labels": ["price"]},
    {"text": "油耗低，也便宜", "labels": ["price", "fuel"]},
    {"text": "刚提车", "labels": []},
]


@pytest.fixture(scope="module")
def tokenizer():
    return WordPiece(size=100, min_frequency=1).build(lambda: (record["text"] for record in RECORDS))


def test_labels_are_those_of_all_records_in_the_commonest_spelling():
    task = Multilabel().fitted([*RECORDS, {"text": "x", "labels": ["Price "]}, {"text": "y", "labels": "fuel"}])
    assert task.labels == ("fuel", "price")
    assert task.gold({"labels": ["PRICE", "fuel"]}) == {"price", "fuel"}
    assert task.gold({"labels": None}) == task.gold({"labels": ["", " "]}) == frozenset()


def test_the_loss_is_that_of_transformers(tokenizer):
    """Its mean over all labels of all rows, of a network that takes the same problem."""
    task = Multilabel().fitted(RECORDS)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), **sizes, **task.config())).eval()
    rows = task.encode(RECORDS, tokenizer, 64, labelled=True)
    batch = task.collate(rows, max(map(len, rows)), tokenizer, np.random.default_rng(0))
    assert batch.targets["labels"].tolist() == [[0, 1], [1, 1], [0, 0]]
    expected = model(**batch.inputs, labels=batch.targets["labels"].float()).loss
    torch.testing.assert_close(task.loss(model, batch)["labels"] / batch.counts["labels"], expected)


def test_a_label_is_given_from_the_threshold_on_and_windows_take_the_highest():
    task = Multilabel(labels=("a", "b", "c"), threshold=0.4)
    prediction = task.decode([np.log([0.39, 0.5, 0.01]), np.log([0.2, 0.1, 0.4])], [], {})
    assert prediction["labels"] == ["b", "c"]
    assert prediction["scores"] == pytest.approx({"a": 0.39, "b": 0.5, "c": 0.4})


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"text": "好"}, "record 1: there is no column 'labels'"),
        (
            {"text": "好", "labels": ["price", 0.5]},
            r"column 'labels' must be a list of labels \(text\), and 0.5 is none",
        ),
        ({"text": "好", "labels": [{"a": 1}]}, r"must be a list of labels \(text\), and \{'a': 1\} is none"),
        ({"text": "好", "labels": "['a', 'b']"}, r"a list that is written as text, .* write 'lists: {labels: list}'"),
        ({"text": "好", "labels": "['a' 'b']"}, r"a list that is written as text, .* write 'lists: {labels: list}'"),
        ({"text": "好", "labels": ["taste"]}, "the label 'taste' is not among those of the training data"),
    ],
)
def test_what_are_no_labels_is_refused_by_its_record(tokenizer, record, says):
    with pytest.raises(Refusal, match=says):
        Multilabel(labels=("price", "fuel")).encode([record], tokenizer, 64, labelled=True)
    with pytest.raises(Refusal, match="there is no label in the training data"):
        Multilabel().fitted([{"text": "好", "labels": []}])


@pytest.mark.parametrize("rows", [[[1, 0, 0], [0, 0, 0]], [[0.0, 1.0], [1.0, 1.0]], [[True, False, False]] * 2])
def test_a_place_for_each_label_is_no_list_of_labels(rows):
    with pytest.raises(Refusal, match=r"flags a record, such as .*, and no names of labels"):
        Multilabel().fitted([{"text": "x", "labels": row} for row in rows])


def test_a_label_in_brackets_is_a_label(tokenizer):
    task = Multilabel(labels=("[news]", "b"))
    (row,) = task.encode([{"text": "好", "labels": "[news]"}], tokenizer, 64, labelled=True)
    assert row.targets


def test_labels_that_are_zero_and_one_by_name_are_labels():
    records = [{"text": "x", "labels": labels} for labels in (["0"], ["1", "0"], [])]
    assert Multilabel().fitted(records).labels == ("0", "1")


def test_the_baseline_decides_each_label_by_itself():
    rng = np.random.default_rng(0)
    words = {"price": "贵", "fuel": "油", "seat": "座"}
    records = []
    for _ in range(200):
        there = [label for label in words if rng.random() < 0.4]
        filler = "".join(rng.choice(list("的车开了很多天真"), 8))
        records.append({"text": filler + "".join(words[label] for label in there), "labels": there})
    task = Multilabel().fitted(records)
    baseline = find(Baseline, "tfidf_labels")()
    found = baseline.fit_predict(task, records[:150], records[150:])
    assert score(task, records[150:], found, resamples=10).metrics["micro_f1"].interval.value > 0.75
    assert baseline.fit_predict(task, records, []) == []
    alike = [{"text": text, "labels": ["price"]} for text in ("a b", "c d")]
    assert baseline.fit_predict(Multilabel(labels=("fuel", "price")), alike, alike)[0]["labels"] == ["price"]
