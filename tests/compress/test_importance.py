"""What the gradient says beside what happens when a unit is really taken away."""

import copy
from dataclasses import replace

import pytest
import torch
from scipy.stats import spearmanr
from torch.nn import functional

from danlu.compress.anatomy import blocks
from danlu.compress.importance import Units, by_gradient, by_magnitude, least, without
from danlu.compress.prunings.layers import units_of_layers
from danlu.compress.prunings.neurons import units_of_neurons


def rows(given):
    """Numbers, mask and labels of all records, by the tokenizer itself."""
    told = given.tokenizer([record["text"] for record in given.records], padding=True, return_tensors="pt")
    labels = torch.tensor([given.model.config.label2id[record["label"]] for record in given.records])
    return told["input_ids"], told["attention_mask"], labels


@torch.no_grad()
def losses(model, given):
    """The loss of each record, by transformers alone."""
    ids, mask, labels = rows(given)
    return functional.cross_entropy(model(input_ids=ids, attention_mask=mask).logits, labels, reduction="none")


def test_the_gradient_ranks_neurons_as_taking_each_away_does(subject):
    given = subject()
    given = replace(given, records=given.records[:96])
    matters = by_gradient(given, units_of_neurons(given))
    before = losses(given.model, given)
    for number in (1, 3):
        weight = blocks(given.model)[number].linear("output.dense").weight
        moved = []
        for unit in range(64):
            kept = weight[:, unit].detach().clone()
            with torch.no_grad():
                weight[:, unit] = 0
                moved.append(float((losses(given.model, given) - before).abs().sum()))
                weight[:, unit] = kept
        assert spearmanr(moved, matters[number].tolist()).statistic > 0.9


def test_the_gradient_is_that_of_weights_times_their_gradients(subject):
    """For one record the gate's gradient is the sum of weight times gradient over what reads a neuron."""
    given = subject()
    one = type(given)(given.model, given.tokenizer, given.task, given.records[:1])
    matters = by_gradient(one, units_of_neurons(one))
    ids, mask, labels = rows(one)
    loss = functional.cross_entropy(given.model(input_ids=ids, attention_mask=mask).logits, labels)
    given.model.zero_grad()
    loss.backward()
    for block in blocks(given.model):
        weight = block.linear("output.dense").weight
        expected = (weight * weight.grad).sum(0).abs().double()
        assert torch.allclose(matters[block.number], expected, atol=1e-5)


def test_a_layer_without_its_gate_is_passed_by(subject):
    given = subject()
    units = units_of_layers(given)
    ids, mask, _ = rows(given)
    shorter = copy.deepcopy(given.model)
    del shorter.bert.encoder.layer[2]
    with torch.no_grad(), without(given.model, units, {2: [0]}):
        masked = given.model(input_ids=ids, attention_mask=mask).logits
    with torch.no_grad():
        assert torch.allclose(masked, shorter(input_ids=ids, attention_mask=mask).logits, atol=1e-5)
        assert not torch.allclose(masked, given.model(input_ids=ids, attention_mask=mask).logits, atol=1e-3)


def test_looking_leaves_the_network_as_it_was(subject):
    given = subject()
    before = {name: value.clone() for name, value in given.model.state_dict().items()}
    trainable = [parameter.requires_grad for parameter in given.model.parameters()]
    by_gradient(given, units_of_layers(given))
    assert all(torch.equal(before[name], value) for name, value in given.model.state_dict().items())
    assert [parameter.requires_grad for parameter in given.model.parameters()] == trainable
    assert all(parameter.grad is None for parameter in given.model.parameters())


def test_norms_are_those_of_a_hand_calculation():
    into, bias = torch.tensor([[3.0, 0.0], [0.0, 0.0], [1.0, 2.0]]), torch.tensor([4.0, 0.0, 2.0])
    assert by_magnitude([(into, bias)], 3).tolist() == pytest.approx([5.0, 0.0, 3.0])
    assert by_magnitude([(torch.tensor([[3.0], [4.0], [6.0], [8.0]]), None)], 2).tolist() == pytest.approx([5.0, 10.0])


def test_of_equals_the_last_goes():
    assert least(torch.tensor([2.0, 1.0, 1.0, 5.0]), 1) == [2]
    assert least(torch.tensor([2.0, 1.0, 1.0, 5.0]), 3) == [0, 1, 2]


def test_records_are_needed(subject):
    from danlu.refusal import Refusal

    given = subject()
    with pytest.raises(Refusal, match="on records with their truth"):
        by_gradient(type(given)(given.model, given.tokenizer, given.task), {0: Units("bert", 1)})
