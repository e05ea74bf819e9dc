"""The task `regress`: a number, whatever its unit."""

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from danlu.evaluate.classical.baseline import Baseline
from danlu.evaluate.scoring.score import score
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.tasks.regress import Regress
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

RECORDS = [{"text": "好", "score": 1000}, {"text": "很好", "score": "3000"}, {"text": "不", "score": 2000.0}]


@pytest.fixture(scope="module")
def tokenizer():
    return WordPiece(size=100, min_frequency=1).build(lambda: (record["text"] for record in RECORDS))


def test_the_loss_is_the_mean_squared_error_in_deviations(tokenizer):
    task = Regress().fitted(RECORDS)
    assert (task.mean, task.deviation) == (2000.0, pytest.approx(np.std([1000, 2000, 3000])))
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), **sizes, **task.config())).eval()
    rows = task.encode(RECORDS, tokenizer, 64, labelled=True)
    batch = task.collate(rows, max(map(len, rows)), tokenizer, np.random.default_rng(0))
    expected = model(**batch.inputs, labels=batch.targets["number"]).loss
    torch.testing.assert_close(task.loss(model, batch)["number"] / batch.counts["number"], expected)
    said = model(**batch.inputs).logits.detach().numpy()
    numbers = [task.decode([said[row]], [], {})["number"] for row in range(3)]
    errors = (np.array(numbers) - [1000, 3000, 2000]) / task.deviation
    assert float(expected.detach()) == pytest.approx((errors**2).mean(), rel=1e-5)


def test_two_texts_are_read_together(tokenizer):
    pair = {"text": "好", "text_pair": "很好", "score": 1.0}
    task = Regress(deviation=1.0).fitted([pair])
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    [item] = task.encode([pair], tokenizer, 64, labelled=True)
    told = tokenizer("好", "很好")
    assert item.row.input_ids.tolist() == told["input_ids"]
    assert item.row.token_types.tolist() == told["token_type_ids"]
    with pytest.raises(Refusal, match="record 1: there is no column 'text_pair'"):
        task.encode([{"text": "好"}], tokenizer, 64, labelled=False)
    with pytest.raises(Refusal, match=r"record 2: there is no column 'text_pair' \(text, as others have\)"):
        Regress().fitted([pair, {"text": "好", "score": 2}])


@pytest.mark.parametrize("given", [None, "many", True, float("nan"), float("inf"), [1], 10**400])
def test_what_is_no_number_is_refused_by_its_record(tokenizer, given):
    with pytest.raises(Refusal, match="record 1: column 'score' must be a number, and it is"):
        Regress(deviation=1.0).encode([{"text": "好", "score": given}], tokenizer, 64, labelled=True)


def test_numbers_that_are_all_the_same_teach_nothing():
    with pytest.raises(Refusal, match="there is only the number 4 in the training data"):
        Regress().fitted([{"text": "a", "score": 4}, {"text": "b", "score": 4.0}])
    with pytest.raises(Refusal, match="there is no column 'score'"):
        Regress().fitted([{"text": "a"}])


@pytest.mark.parametrize("scores", [(1e308, -1e308), (1e200, 1.0), (5e-324, 0.0)])
def test_numbers_without_a_finite_deviation_are_refused(scores):
    with pytest.raises(Refusal, match="give them in another unit"):
        Regress().fitted([{"text": "a", "score": score} for score in scores])


def test_the_baseline_finds_what_two_texts_share():
    rng = np.random.default_rng(0)
    records = []
    for _ in range(300):
        one = set(rng.choice(12, 6, replace=False).tolist())
        two = set(rng.choice(12, 6, replace=False).tolist())
        texts = (" ".join(f"w{word}" for word in sorted(words)) for words in (one, two))
        records.append(dict(zip(("text", "text_pair"), texts, strict=True)) | {"score": float(len(one & two))})
    task = Regress().fitted(records)
    baseline = find(Baseline, "tfidf_number")()
    found = baseline.fit_predict(task, records[:200], records[200:])
    assert score(task, records[200:], found, resamples=10).metrics["pearson"].interval.value > 0.9
    assert baseline.fit_predict(task, records, []) == []
