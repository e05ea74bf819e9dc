import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from danlu.refusal import Refusal
from danlu.task.tasks.classify import Classify
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

RECORDS = [{"text": "好", "label": "good"}, {"text": "坏", "label": "bad"}, {"text": "好好", "label": "good"}]


@pytest.fixture(scope="module")
def tokenizer():
    return WordPiece(size=64, min_frequency=1).build(lambda: iter(["好坏一二三四"]))


def test_labels_are_those_of_the_training_data_in_order():
    task = Classify().fitted(RECORDS)
    assert task.labels == task.label_names() == ("bad", "good")
    assert task.config() == {
        "id2label": {0: "bad", 1: "good"},
        "label2id": {"bad": 0, "good": 1},
        "problem_type": "single_label_classification",
    }


def test_labels_that_were_given_keep_their_order_and_refuse_others():
    assert Classify(labels=("good", "bad", "ugly")).fitted(RECORDS).labels == ("good", "bad", "ugly")
    with pytest.raises(Refusal, match=r"record 2: the label 'bad' is not among those of the training data \(good\)"):
        Classify(labels=("good",)).fitted(RECORDS)


def test_whole_numbers_are_labels_by_their_text(tokenizer):
    task = Classify().fitted([{"text": "好", "label": 1}, {"text": "坏", "label": 0}])
    assert task.labels == ("0", "1")
    assert task.gold({"text": "好", "label": 1}) == "1"


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"text": "好"}, "there is no column 'label'"),
        ({"text": "好", "label": ""}, "'label' must be a label .text., and it is empty"),
        ({"text": "好", "label": None}, "'label' must be a label .text., and it is empty"),
        ({"text": "好", "label": 0.5}, "and it is of type float"),
        ({"text": "好", "label": "ugly"}, "the label 'ugly' is not among"),
    ],
)
def test_a_wrong_label_is_refused_with_its_record(tokenizer, record, says):
    task = Classify().fitted(RECORDS)
    with pytest.raises(Refusal, match=f"record 4: .*{says}"):
        task.encode([*RECORDS, record], tokenizer, 64, labelled=True)
    assert len(task.encode([*RECORDS, record], tokenizer, 64, labelled=False)) == 4


@pytest.mark.parametrize("records", [[], RECORDS[:1]])
def test_a_classifier_needs_two_labels(records):
    with pytest.raises(Refusal, match="needs two labels or more"):
        Classify().fitted(records)


def test_windows_of_a_text_are_averaged(tokenizer):
    task = Classify(too_long="split").fitted(RECORDS)
    rows = task.encode([{"text": "一二三四" * 5, "label": "good"}], tokenizer, 12, labelled=True)
    assert [row.targets["label"] for row in rows] == [1, 1]
    outputs = [np.log(np.array(pair, np.float32)) for pair in ([0.9, 0.1], [0.2, 0.8])]
    prediction = task.decode(outputs, rows, {"text": ""})
    assert prediction["label"] == "bad"
    assert prediction["scores"] == {"bad": pytest.approx(0.55), "good": pytest.approx(0.45)}


WEIGHED = [{"text": "好", "label": "good"}] * 6 + [{"text": "坏", "label": "bad"}] * 2


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", ["balanced", {"bad": 3.0}])
def test_weights_and_smoothing_are_those_of_torch(tokenizer, weights, smoothing):
    """The mean that torch takes: weighted losses over the sum of the weights."""
    task = Classify(label_weights=weights, label_smoothing=smoothing).fitted(WEIGHED)
    assert task.weights == ({"bad": 2.0, "good": 4 / 6} if weights == "balanced" else {"bad": 3.0, "good": 1.0})
    rows = task.encode(WEIGHED, tokenizer, 64, labelled=True)
    batch = task.collate(rows, max(map(len, rows)), tokenizer, np.random.default_rng(0))
    logits = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.cross_entropy(
        logits,
        batch.targets["label"],
        weight=torch.tensor([task.weights["bad"], task.weights["good"]]),
        label_smoothing=smoothing,
    )
    torch.testing.assert_close(task.losses({"logits": logits}, batch)["label"] / batch.counts["label"], expected)
    assert Classify.model_validate(task.to_plain()) == task


@pytest.mark.parametrize(("weights", "says"), [({"ugly": 1.0}, "'ugly' weighs 1"), ({"bad": -1.0}, "'bad' weighs -1")])
def test_a_weight_of_no_label_is_refused(weights, says):
    with pytest.raises(
        Refusal, match=f"task.label_weights: {says}; expected numbers from 0 to 1e.06 for the labels bad, good"
    ):
        Classify(label_weights=weights).fitted(WEIGHED)


def test_two_texts_are_told_apart_and_the_second_is_asked_for(tokenizer):
    pairs = [record | {"text_pair": "坏"} for record in WEIGHED]
    task = Classify().fitted(pairs)
    assert task.pairs
    assert not Classify().fitted(WEIGHED).pairs
    one, two = task.encode([pairs[0], pairs[0] | {"text_pair": "好"}], tokenizer, 64, labelled=False)
    assert one.row.input_ids.tolist() == tokenizer("好", "坏")["input_ids"] != two.row.input_ids.tolist()
    with pytest.raises(Refusal, match="record 1: there is no column 'text_pair'"):
        task.encode(WEIGHED, tokenizer, 64, labelled=False)


def test_a_head_of_another_shape_and_models_without_a_vector_are_refused(tokenizer):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = BertModel(BertConfig(vocab_size=len(tokenizer), **sizes))
    task = Classify(pooling="mean", head=((0.0,) * 8,) * 2).fitted(RECORDS)
    with pytest.raises(Refusal, match=r"task.head: must have a row of 9 numbers for each of 2 labels"):
        task.suited(model, tokenizer, print)
    with pytest.raises(Refusal, match=r"task.pooling: the model has an encoder and a decoder"):
        task.shaped("encoder_decoder")
    with pytest.raises(Refusal, match=r"task.pooling: the first token of a decoder has seen no other"):
        Classify(pooling="first").shaped("decoder")
