"""Some rows of a table of words, in the networks of several families."""

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForMaskedLM, AutoModelForSequenceClassification, PreTrainedModel

from danlu.model import word_rows
from danlu.model.replica import replica
from danlu.model.word_rows import WordRows, keep_rows, parameters_of

SIZES = {
    "vocab_size": 90,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": SIZES,
    "roberta": SIZES,
    "electra": SIZES | {"embedding_size": 12},
    "albert": SIZES | {"embedding_size": 12},
    "mpnet": SIZES,
    "distilbert": {"vocab_size": 90, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24},
    "deberta-v2": SIZES | {"pos_att_type": ["c2p"], "relative_attention": True},
    "longformer": SIZES | {"attention_window": [4, 4]},
    "xlnet": {"vocab_size": 90, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 24},
    "gpt2": {"vocab_size": 90, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 40, "pad_token_id": 1},
    "modernbert": SIZES
    | {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3},
}
IDS = torch.tensor([[2, 40, 50, 41, 60, 3], [2, 50, 9, 3, 1, 1]])


def network(family: str, kind: Any = AutoModelForSequenceClassification) -> PreTrainedModel:
    torch.manual_seed(0)
    return kind.from_config(AutoConfig.for_model(family, num_labels=3, **FAMILIES[family])).eval()  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def _small_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_rows, "SPARSE_FROM", 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_answers_and_learns_as_with_the_whole_table(family: str) -> None:
    whole, narrow = network(family), network(family)
    keep_rows(narrow, IDS.numpy())
    ((name, rows),) = word_rows.word_rows(narrow).items()
    assert len(rows.kept) <= 14
    assert parameters_of(narrow) == parameters_of(whole) == sum(p.numel() for p in whole.parameters())
    inputs = {"input_ids": IDS, "attention_mask": (IDS != 1).long()}
    said = [model(**inputs).logits for model in (whole, narrow, replica(narrow))]
    assert torch.equal(said[0], said[1])
    assert torch.equal(said[0], said[2])
    for logits in said[:2]:
        logits.square().sum().backward()
    whole_gradient, own = whole.get_parameter(name).grad, rows.weight.grad
    assert whole_gradient is not None
    assert own is not None
    assert torch.equal(whole_gradient[rows.kept], own)
    assert not whole_gradient[rows.absent].any()


def test_a_word_that_is_not_there_is_no_other_word() -> None:
    narrow = network("bert")
    keep_rows(narrow, IDS.numpy())
    with pytest.raises(IndexError):
        narrow(torch.tensor([[2, 77, 3]]))


def test_a_table_that_a_head_shares_or_that_is_frozen_or_nearly_all_read_stays_whole() -> None:
    frozen, all_read = network("bert"), network("bert")
    frozen.requires_grad_(requires_grad=False)
    for model, ids in ((network("bert", AutoModelForMaskedLM), IDS), (frozen, IDS), (all_read, torch.arange(90))):
        keep_rows(model, [ids.numpy()])
        assert not any(isinstance(module, WordRows) for module in model.modules())
