"""Training examples beside the same worked out with plain transformers."""

import pytest
import torch

from danlu.explain.neighbours import examples_for
from danlu.refusal import Refusal


def test_the_text_itself_is_nearest_and_influence_is_the_product_of_the_gradients(planted, plain, learnt):
    data = learnt[:12]
    found = examples_for(planted, data[3]["text"], data, most=12)
    by_number = {each.number: each for each in found}
    assert len(by_number) == 12
    assert found[0].number == 3
    assert found[0].cosine == pytest.approx(1, abs=1e-5)
    labels = list(planted.task.labels)
    parts = []
    for record in data:
        ids = torch.tensor([planted.tokenizer.backend_tokenizer.encode(record["text"]).ids])
        with torch.no_grad():
            told = plain.bert(ids)
            share = torch.softmax(plain.classifier(told.pooler_output), -1)[0]
        error = share - torch.nn.functional.one_hot(torch.tensor(labels.index(record["label"])), 2)
        parts.append((told.last_hidden_state[0].mean(0), told.pooler_output[0], error, share))
    mean, pooled, _, share = parts[3]
    error = share - torch.nn.functional.one_hot(share.argmax(), 2)  # for the answer that it got
    for number, (other_mean, other_pooled, other_error, _) in enumerate(parts):
        cosine = torch.nn.functional.cosine_similarity(mean, other_mean, dim=0)
        influence = (error @ other_error) * (pooled @ other_pooled + 1)  # of the weights, and of the bias
        assert by_number[number].cosine == pytest.approx(float(cosine), abs=1e-4)
        assert by_number[number].influence == pytest.approx(float(influence), rel=1e-2, abs=1e-7)


def test_examples_without_a_truth_are_near_but_pull_at_nothing(planted, learnt):
    data = [{"text": learnt[0]["text"]}, {"text": learnt[1]["text"], "label": "green"}]
    found = examples_for(planted, "the river", data)
    assert [each.influence for each in found] == [None, None]


def test_no_examples_are_refused(planted):
    with pytest.raises(Refusal, match="no examples"):
        examples_for(planted, "the river", [])
