import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification

from danlu.model import fast
from danlu.train.layouts.flat import FlatParameters

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}


@pytest.fixture
def small_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "SPARSE_FROM", 500)


@pytest.mark.usefixtures("small_tables")
def test_large_tables_that_no_head_shares_report_the_rows_they_read() -> None:
    config = BertConfig(vocab_size=50, **SIZES)
    classifier, masked = BertForSequenceClassification(config), BertForMaskedLM(config)
    for model in (classifier, masked):
        fast.use_sparse_gradients(model)
    assert classifier.bert.embeddings.word_embeddings.sparse
    assert not classifier.bert.embeddings.token_type_embeddings.sparse
    assert not masked.bert.embeddings.word_embeddings.sparse


@pytest.mark.parametrize("padding", [None, 0])
def test_gradients_of_rows_add_up_to_the_dense_gradient_step_after_step(padding: int | None) -> None:
    torch.manual_seed(0)
    table = nn.Embedding(40, 6, padding_idx=padding)
    other = nn.Embedding(40, 6, padding_idx=padding)
    other.load_state_dict(table.state_dict())
    other.sparse = True
    ours, plain = FlatParameters(other), FlatParameters(table)
    for step in range(4):
        for part in range(step % 2 + 1):
            ids = torch.randint(0, 40, (3, 5), generator=torch.Generator().manual_seed(10 * step + part))
            weights = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(step))
            for parameters, module in ((ours, other), (plain, table)):
                gradients = torch.autograd.grad((module(ids) * weights).sum(), list(module.parameters()))
                parameters.add(gradients, first=part == 0)
        of_rows, dense = (parameters.shares[0].tensors[0].grad for parameters in (ours, plain))
        torch.testing.assert_close(of_rows, dense)
        assert float(of_rows.abs().sum()) > 0
