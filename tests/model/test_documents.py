"""Documents that share a row: loss and gradients are those that they have alone, in every family that packs."""

from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.model.attention import NAME
from danlu.model.documents import places_in, tell_documents_apart

COMMON = {"vocab_size": 60, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3}
ONE = COMMON | {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
ONE |= {"max_position_embeddings": 40}
TWO = COMMON | {"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
TWO |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 40}
TWO |= {"decoder_start_token_id": 3}
FAMILIES: dict[str, dict[str, Any]] = {
    "Bert": ONE,
    "Roberta": ONE,
    "Electra": ONE | {"embedding_size": 8},
    "Bart": TWO,
    "Marian": TWO | {"decoder_vocab_size": 60},
    "T5": COMMON | {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 3},
}
SIDED = {"Bart", "Marian", "T5"}
READ, WRITTEN = (5, 3, 8, 4), (3, 6, 8, 2)
ROWS = ((0, 1, 2), (3,))
"""Which documents stand in each row; the second has room for padding."""


def built(family: str) -> PreTrainedModel:
    torch.manual_seed(5)
    config = getattr(transformers, f"{family}Config")(**FAMILIES[family])
    head = "Seq2SeqLM" if family in SIDED else "MaskedLM"
    model: PreTrainedModel = getattr(transformers, f"AutoModelFor{head}").from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.15)
    model.set_attn_implementation(NAME)
    return model


def documents(lengths: tuple[int, ...], seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(4, 60, (length,), generator=generator) for length in lengths]


def laid(parts: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows of tokens, and which document each belongs to; -1 where there is padding."""
    rows = [torch.cat([parts[number] for number in row]) for row in ROWS]
    marks = [torch.cat([torch.full_like(parts[number], place) for place, number in enumerate(row)]) for row in ROWS]
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=1)
    return ids, nn.utils.rnn.pad_sequence(marks, batch_first=True, padding_value=-1)


def loss(logits: Tensor, ids: Tensor) -> Tensor:
    """Of labels that are a function of what stands there, so that they are the same in any layout."""
    return nn.functional.cross_entropy(logits.flatten(0, -2), (ids * 7 % 60).flatten(), reduction="sum")


def result(model: PreTrainedModel, value: Tensor) -> list[Tensor]:
    weights = [each for each in model.parameters() if each.requires_grad]
    gradients = torch.autograd.grad(value, weights, allow_unused=True)
    return [value, *(each for each in gradients if each is not None)]


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_is_apart_in_loss_and_gradients(family: str) -> None:
    model = built(family)
    read, written = documents(READ, 1), documents(WRITTEN, 2)
    alone = torch.zeros(())
    for one, other in zip(read, written, strict=True):
        two = {"decoder_input_ids": other[None], "use_cache": False} if family in SIDED else {}
        alone = alone + loss(model(input_ids=one[None], **two).logits, other if two else one)
    right = result(model, alone)
    tell_documents_apart(model)
    tell_documents_apart(model)
    ids, segments = laid(read)
    inputs: dict[str, Any] = {"input_ids": ids, "segments": segments}
    if family in SIDED:
        ids, marks = laid(written)
        inputs |= {"decoder_input_ids": ids, "decoder_segments": marks, "use_cache": False}
    there = ids.ne(1)
    found = result(model, loss(model(**inputs).logits[there], ids[there]))
    assert len(found) == len(right) > 10
    for one, other in zip(found, right, strict=True):
        scale = float(other.detach().abs().max())
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * max(scale, 1e-2))
    inputs |= {"segments": torch.zeros_like(segments)}
    assert (loss(model(**inputs).logits[there], ids[there]) - right[0]).abs() > 1e-2  # they would see each other
    again = {"decoder_input_ids": written[0][None], "use_cache": False} if family in SIDED else {}
    rows = model(input_ids=read[0][None], **again).logits
    torch.testing.assert_close(rows, built(family)(input_ids=read[0][None], **again).logits)


def test_places_begin_anew_with_each_document() -> None:
    segments = torch.tensor([[0, 0, 0, 1, 2, 2, -1, -1], [0, 1, 1, 1, 1, 1, 1, 1]])
    assert places_in(segments).tolist() == [[0, 1, 2, 0, 0, 1, 0, 1], [0, 0, 1, 2, 3, 4, 5, 6]]
