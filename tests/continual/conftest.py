"""Tiny networks over one trunk."""

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertForTokenClassification

from danlu.continual.networks import Networks

SHAPE = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "vocab_size": 20,
    "max_position_embeddings": 16,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


@pytest.fixture
def networks() -> Networks:
    """A classifier of rows with three labels, and one of tokens with two: heads of two classes of transformers."""
    torch.manual_seed(0)
    config = BertConfig(**SHAPE)
    return Networks(
        {
            "rows": BertForSequenceClassification(BertConfig(**SHAPE, num_labels=3)).eval(),
            "tokens": BertForTokenClassification(config).eval(),
        }
    )
