"""The task `rank`: documents in order for a query."""

import math

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification

from danlu.bundle.bundle import load, save
from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.evaluate.classical.baselines.bm25 import Bm25, terms_of
from danlu.refusal import Refusal
from danlu.task.documents import offered_in
from danlu.task.tasks.rank import Rank
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

SAMPLE = Rank.sample
PAIRS = [
    {"text": "怎么泡茶？", "text_pair": "水烧开，放茶叶。", "score": 3},
    {"text": "怎么泡茶？", "text_pair": "今天下雨。", "score": 0},
    {"text": "When did it open?", "text_pair": "In 1998.", "score": "1.5"},
]


@pytest.fixture(scope="module")
def tokenizer():
    return WordPiece(size=150, min_frequency=1).build(lambda: iter(each["text"] for each in [*SAMPLE, *PAIRS]))


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    return BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), num_labels=1, **sizes)).eval()


def learnt(task, model, tokenizer, records, width=None):
    rows = task.encode(records, tokenizer, 256, labelled=True)
    batch = task.collate(rows, width or max(map(len, rows)), tokenizer, np.random.default_rng(0))
    with torch.inference_mode():
        loss = task.loss(model, batch)["relevance"].item()
        return task.answered(model, batch), loss, batch


@pytest.mark.parametrize(("records", "form"), [(SAMPLE, "ranking"), (PAIRS, "number")])
def test_records_are_lists_or_pairs(records, form):
    task = Rank().fitted(records)
    assert task.answer_form == form
    assert (task.lists, task.objective) == (form == "ranking", "softmax" if form == "ranking" else "binary")
    assert task.gold(records[0]) == (3.0 if form == "number" else tuple(sorted(task.gold(records[0]))))


def test_the_loss_of_lists_is_the_softmax_over_each_list(model, tokenizer):
    task = Rank().fitted(SAMPLE)
    outputs, loss, batch = learnt(task, model, tokenizer, SAMPLE)
    expected = 0.0
    for logits, record in zip(outputs, SAMPLE, strict=True):
        log = torch.tensor(logits).double().log_softmax(-1).tolist()
        relevance = [value for _, value in task.gold(record)]
        expected -= sum(value * each for value, each in zip(relevance, log, strict=True)) / sum(relevance)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert batch.counts == {"relevance": 3}


@pytest.mark.parametrize("records", [SAMPLE, PAIRS])
def test_the_binary_loss_is_that_of_each_document(records, model, tokenizer):
    task = Rank(objective="binary").fitted(records)
    outputs, loss, batch = learnt(task, model, tokenizer, records)
    if task.lists:
        relevance = [[value for _, value in task.gold(record)] for record in records]
    else:
        relevance = [[1.0], [0.0], [0.5]]
    expected = 0.0
    for logits, truths in zip(outputs, relevance, strict=True):
        for logit, truth in zip(logits.tolist(), truths, strict=True):
            share = 1 / (1 + math.exp(-logit))
            expected -= truth * math.log(share) + (1 - truth) * math.log(1 - share)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert batch.counts == {"relevance": sum(map(len, relevance))}


@pytest.mark.parametrize("records", [SAMPLE, PAIRS])
def test_padding_and_company_change_nothing(records, model, tokenizer):
    task = Rank().fitted(records)
    together, loss, _ = learnt(task, model, tokenizer, records, 90)
    alone = [learnt(task, model, tokenizer, [record]) for record in records]
    assert loss == pytest.approx(sum(each[1] for each in alone), rel=1e-5)
    for one, (found, _, _) in zip(together, alone, strict=True):
        assert one.tolist() == pytest.approx(found[0].tolist(), rel=1e-5, abs=1e-5)


def test_documents_are_ranked_by_the_sigmoid_and_equal_ones_by_their_text(model, tokenizer):
    task = Rank().fitted(SAMPLE)
    predictor = Predictor(TorchNetwork(model, threads=1), task, tokenizer)
    given = {"text": "怎么泡茶？", "candidates": ["今天下雨。", "水烧开。", "茶"]}
    (found,) = predictor.predict([given])
    assert sorted(found["ranking"]) == sorted(given["candidates"])
    assert found["scores"] == sorted(found["scores"], reverse=True)
    (again,) = predictor.predict([given | {"candidates": given["candidates"][::-1]}])
    assert again["ranking"] == found["ranking"]
    predictor.close()
    equal = np.zeros(3, np.float32)
    for positives, negatives in ((["b"], ["a", "c"]), (["a", "c"], ["b"])):
        record = {"text": "q", "positives": positives, "negatives": negatives}
        assert task.decode([equal], [], record)["ranking"] == ["a", "b", "c"]


@pytest.mark.parametrize("records", [SAMPLE, PAIRS])
def test_other_programs_give_the_same_numbers(records, model, tokenizer, tmp_path):
    task = Rank().fitted(records)
    save(tmp_path / "b", model, tokenizer, task, precision="float32", provenance={}, examples=list(records[:1]))
    with load(tmp_path / "b") as bundle:
        found = bundle.predict([{name: each[name] for name in each if name != "score"} for each in records])
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "b").eval()
    pairs = [
        (each["text"], document)
        for each in records
        for document in (offered_in(each, 0).documents if task.lists else [each["text_pair"]])
    ]
    rows = tokenizer([one for one, _ in pairs], [two for _, two in pairs], padding=True, return_tensors="pt")
    with torch.inference_mode():
        scores = torch.sigmoid(plain(**rows).logits[:, 0]).tolist()
    expected = dict(zip(pairs, scores, strict=True))
    for prediction, record in zip(found, records, strict=True):
        names = prediction.get("ranking", [record.get("text_pair")])
        given = prediction.get("scores", [prediction.get("number", 0.0) / 3.0])
        assert given == pytest.approx([expected[record["text"], name] for name in names], abs=1e-5)
    with_library = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    other = with_library.CrossEncoder(str(tmp_path / "b"), device="cpu")
    assert other.predict(pairs).tolist() == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize(
    ("records", "fields", "sentence"),
    [
        ([{"text": "q", "positives": [], "negatives": ["a"]}], {}, "record 1: 'positives' is empty"),
        (
            [{"text": "q", "positives": ["a"], "negatives": []}],
            {},
            "record 1: 'negatives' is empty, so there is nothing",
        ),
        ([{"text": "q", "positives": ["a"], "negatives": ["a"]}], {}, "record 1: the document 'a' is named twice"),
        ([{"text": "q", "positives": "a", "negatives": []}], {}, "column 'positives' must be a list of texts"),
        ([{"text": "q", "positives": ["a"]}], {}, r"record 1: there is no column 'negatives' \(list of texts\)"),
        ([*SAMPLE, PAIRS[0]], {}, r"record 4: there is no column 'positives'"),
        ([*PAIRS, SAMPLE[0]], {}, r"record 4: there is no column 'score' \(a number\)"),
        (PAIRS[:1], {}, "column 'score': there is only the score 3 in the training data"),
        (PAIRS, {"objective": "softmax"}, "'softmax' prefers the positives of a list, and the records are pairs"),
        (PAIRS, {"highest": 2.0}, "record 1: the score 3 is not between 0 and 2"),
        ([PAIRS[0], PAIRS[1] | {"score": -1}], {}, "record 2: the score -1 is not between 0 and 3"),
        ([PAIRS[0], PAIRS[1] | {"score": "good"}], {}, "record 2: column 'score' must be a number, and it is 'good'"),
    ],
)
def test_bad_records_are_refused(records, fields, sentence):
    with pytest.raises(Refusal, match=sentence):
        Rank(**fields).fitted(records)


def test_a_list_without_negatives_teaches_under_the_binary_loss():
    record = {"text": "q", "positives": ["a"], "negatives": []}
    assert Rank(objective="binary").fitted([record]).lists
    with pytest.raises(Refusal, match=r"record 1: there is no column 'candidates' \(list of texts\), only 'text'"):
        offered_in({"text": "q"}, 0)
    with pytest.raises(Refusal, match="record 1: 'candidates' is empty; give the documents"):
        offered_in({"text": "q", "candidates": []}, 0)


def test_a_person_sees_how_relevant_a_row_is(model, tokenizer):
    task = Rank().fitted(SAMPLE)
    _, _, batch = learnt(task, model, tokenizer, SAMPLE)
    words = [task.told(batch, row, tokenizer)[0] for row in range(len(batch.inputs["input_ids"]))]
    assert words == [f"{value:g}" for record in SAMPLE for _, value in task.gold(record)]


def test_bm25_by_hand():
    """Two documents, of 2 and 4 words; 'tea' is in one of them, 'good' in both."""
    record = {"text": "good tea", "candidates": ["good tea", "good rain all day"]}
    (found,) = Bm25().fit_predict(Rank(lists=True), [], [record])
    rare, common = math.log(1 + 1.5 / 1.5), math.log(1 + 0.5 / 2.5)
    short, long = (2.2 / (1 + 1.2 * (0.25 + 0.75 * size / 3)) for size in (2, 4))
    assert found["ranking"] == record["candidates"]
    assert found["scores"] == pytest.approx([(rare + common) * short, common * long])


def test_bm25_reads_characters_and_pairs_of_them():
    assert terms_of("泡茶 Tea") == {"泡": 1, "茶": 1, "泡茶": 1, "tea": 1}
    record = {"text": "怎么泡茶？", "candidates": ["今天下雨？", "茶要泡", "先泡茶"]}
    (found,) = Bm25().fit_predict(Rank(lists=True), SAMPLE, [record])
    assert found["ranking"][0] == "先泡茶"
