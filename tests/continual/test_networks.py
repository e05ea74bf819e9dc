"""Several networks over one trunk."""

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel

from danlu.continual.networks import Networks
from danlu.model.own import inside, put_in
from danlu.model.replica import replica
from danlu.refusal import Refusal

IDS = torch.tensor([[2, 5, 6, 3]])


def test_the_trunk_is_one_and_heads_are_apart(networks: Networks) -> None:
    rows, tokens = networks.of("rows"), networks.of("tokens")
    shared = networks.shared()
    assert shared
    assert not any("pooler" in name or "classifier" in name for name in shared)
    assert rows.bert.embeddings.word_embeddings.weight is tokens.bert.embeddings.word_embeddings.weight
    assert rows.classifier.weight is not tokens.classifier.weight
    before = tokens(IDS).logits
    with torch.no_grad():
        rows.bert.encoder.layer[0].output.dense.weight.add_(0.5)
    assert not torch.equal(tokens(IDS).logits, before)
    names = [name for name, _ in networks.named_parameters()]
    assert len(names) == len(shared) + 4 + 2  # a pooler and a classifier of rows, a classifier of tokens


def test_copies_share_their_trunk_as_well(networks: Networks) -> None:
    copied = replica(networks)
    assert (
        copied.of("rows").bert.embeddings.word_embeddings.weight
        is copied.of("tokens").bert.embeddings.word_embeddings.weight
    )
    assert torch.equal(copied.of("tokens")(IDS).logits, networks.of("tokens")(IDS).logits)
    values = networks.values()
    with torch.no_grad():
        for parameter in networks.parameters():
            parameter.zero_()
    networks.fill(values)
    assert all(torch.equal(value, values[name]) for name, value in networks.named_parameters())


def test_a_tied_head_follows_the_embeddings() -> None:
    from .conftest import SHAPE

    first, second = BertForSequenceClassification(BertConfig(**SHAPE)), BertForMaskedLM(BertConfig(**SHAPE))
    both = Networks({"a": first, "b": second})
    assert both.of("b").cls.predictions.decoder.weight is both.of("a").bert.embeddings.word_embeddings.weight


def test_heads_that_learn_nothing_stay_frozen(networks: Networks) -> None:
    networks.train_heads(frozenset({"tokens"}))
    frozen = {name for name, value in networks.named_parameters() if not value.requires_grad}
    assert frozen
    assert all(name.startswith("each.of rows.") for name in frozen)
    assert not frozen & networks.shared().keys()


def test_trunks_of_two_shapes_are_refused() -> None:
    from .conftest import SHAPE

    small = BertForSequenceClassification(BertConfig(**SHAPE))
    large = BertForSequenceClassification(BertConfig(**SHAPE | {"hidden_size": 16}))
    with pytest.raises(Refusal, match=r"tasks\.b: its network has another trunk than that of the first task"):
        Networks({"a": small, "b": large})


def test_heads_that_tasks_have_of_their_own_are_apart_too() -> None:
    from .conftest import SHAPE

    heads = {"a": torch.zeros(3, 9), "b": torch.ones(3, 9), "c": torch.ones(2, 9)}
    built = {name: put_in(BertModel(BertConfig(**SHAPE)), {"head": head}) for name, head in heads.items()}
    networks = Networks(built)
    for name, head in heads.items():
        assert torch.equal(inside(networks.of(name))["head"], head)
    assert not any("of_the_task" in name for name in networks.shared())
    networks.train_heads(frozenset({"b"}))
    assert [inside(networks.of(name))["head"].requires_grad for name in heads] == [False, True, False]
