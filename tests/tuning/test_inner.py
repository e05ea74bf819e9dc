"""What a network holds inside, beside what transformers tells of it; and that looking changes nothing."""

import copy

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, XLNetConfig, XLNetForSequenceClassification
from writers import built

from danlu.model.fast import prepare_for_training
from danlu.model.replica import replica
from danlu.refusal import Refusal
from danlu.tuning.inner import seeing, watch

SIZES = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
IDS = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 0]])
MASK = (IDS > 0).long()


def bert() -> nn.Module:
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(vocab_size=48, max_position_embeddings=40, **SIZES))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return prepare_for_training(model, "float32").eval()


@torch.no_grad()
def test_what_is_seen_is_what_transformers_tells_and_logits_keep_their_bits() -> None:
    model = bert()
    eager = copy.deepcopy(model)
    eager.set_attn_implementation("eager")
    told = eager(input_ids=IDS, attention_mask=MASK, output_hidden_states=True, output_attentions=True)
    before = model(input_ids=IDS, attention_mask=MASK).logits
    size = watch(model, "it", attention=True)
    assert (size.layers, size.width, size.heads) == (3, 16, 2)
    with seeing(attention=True) as seen:
        assert torch.equal(replica(model)(input_ids=IDS, attention_mask=MASK).logits, before)
    torch.testing.assert_close([*seen.embedded, *seen.hidden], list(told.hidden_states), rtol=1e-4, atol=1e-5)
    hidden = MASK[:, None, None, :] == 0
    for scores, shares in zip(seen.scores, told.attentions, strict=True):
        found = torch.softmax(scores.masked_fill(hidden, -torch.inf), -1)
        torch.testing.assert_close(found, shares, rtol=1e-4, atol=1e-5)
    assert not seen.causal
    assert torch.equal(model(input_ids=IDS, attention_mask=MASK).logits, before)  # and nobody looks


@torch.no_grad()
def test_heads_that_share_keys_are_told_apart_and_what_a_decoder_sees_is_causal() -> None:
    model = prepare_for_training(built("llama"), "float32").eval()
    size = watch(model, "it", attention=True)
    with seeing(attention=True) as seen:
        model(input_ids=IDS, use_cache=False)
    assert [tuple(each.shape) for each in seen.scores] == [(2, size.heads, 4, 4)] * size.layers
    assert seen.causal


def test_families_in_which_nothing_can_be_seen_are_one_sentence() -> None:
    torch.manual_seed(0)
    xlnet = XLNetForSequenceClassification(XLNetConfig(vocab_size=48, d_model=16, n_layer=1, n_head=2, d_inner=24))
    with pytest.raises(Refusal, match="it is of the family 'xlnet', whose attention cannot be seen; leave"):
        watch(prepare_for_training(xlnet, "float32"), "it", attention=True)
    with pytest.raises(Refusal, match="it is of the family 'xlnet', whose hidden states cannot be told layer by layer"):
        watch(prepare_for_training(xlnet, "float32"), "it", attention=False)
    with pytest.raises(Refusal, match="it is of the family 'bart', an encoder with a decoder"):
        watch(built("bart"), "it", attention=False)
