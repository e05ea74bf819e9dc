"""Counts by hand for every architecture that can be made from scratch, and those that were published.

Legend: L layers, h width, n heads, f width between, V vocabulary, P positions; N rows of W tokens.
"""

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.model.architecture import Architecture, shape_of_architecture
from danlu.model.fast import use_our_attention
from danlu.model.source import Source
from danlu.text.batching.batch import Batch
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece
from danlu.train.counts import Size, count_parameters, count_work
from danlu.tuning.methods.lora import Lora

L, H, HEADS, P, ROWS, WIDTH = 2, 32, 4, 40, 3, 16
F, GATED = 4 * H, 96  # 8/3 of the width, rounded up to a multiple of 32
ATTENTION, BETWEEN, NORM = 4 * (H * H + H), H * F + F + F * H + H, 2 * H
BLOCK = ATTENTION + BETWEEN + 2 * NORM
HEAD = H * H + H + NORM  # what BERT has before the vocabulary

Counts = Callable[[int], tuple[int, int]]


def bert(v: int, positions: int = P, types: int = 2) -> tuple[int, int]:
    tables = (v + positions + types) * H
    return tables + NORM + L * BLOCK + HEAD + v, tables


def roberta(v: int) -> tuple[int, int]:
    return bert(v, P + 1, 1)  # positions are counted from the number of padding, 0, + 1


def xlnet(v: int) -> tuple[int, int]:
    layer = 5 * H * H + 3 * H + 2 * H + NORM + BETWEEN + NORM
    return v * H + H + L * layer + v, v * H


def gpt2(v: int) -> tuple[int, int]:
    return (v + P) * H + L * BLOCK + NORM, (v + P) * H


def llama(v: int) -> tuple[int, int]:
    return v * H + L * (4 * H * H + 3 * H * GATED + 2 * H) + H, v * H


def qwen3(v: int) -> tuple[int, int]:
    return llama(v)[0] + L * 2 * (H // HEADS), v * H


def gru(v: int) -> tuple[int, int]:
    return v * H + L * (6 * H * H + 6 * H), v * H


def two_sides(tables: int, norms: int) -> tuple[int, int]:
    return tables + norms + L * BLOCK + L * (BLOCK + ATTENTION + NORM), tables


def bart(v: int) -> tuple[int, int]:
    return two_sides((v + 2 * (P + 2)) * H, 2 * NORM)


def marian(v: int) -> tuple[int, int]:
    return two_sides((v + 2 * P) * H, 0)


def t5(v: int) -> tuple[int, int]:
    tables = v * H + 2 * 32 * HEADS  # 32 distances a head on each side
    encoder, decoder = 4 * H * H + 2 * H * F + 2 * H, 8 * H * H + 2 * H * F + 3 * H
    return tables + L * (encoder + decoder) + 2 * H, tables


SIZES: dict[str, Counts] = {
    each.__name__: each for each in (bert, roberta, xlnet, gpt2, llama, qwen3, gru, bart, marian, t5)
} | {"electra": bert}

TRUNK = WIDTH * L * 2 * (4 * H * H + 2 * H * F) + L * 4 * WIDTH**2 * H
GATES = WIDTH * L * 2 * (4 * H * H + 3 * H * GATED) + L * 4 * WIDTH**2 * H
CROSS = WIDTH * L * 2 * 4 * H * H + L * 4 * WIDTH**2 * H
DISTANCES = 2 * WIDTH * L * 2 * H * H  # of XLNet, whose input is not learnt; twice as many as tokens
RELATIVE = L * (4 * WIDTH**2 * H)

Operations = Callable[[int], int]
WORK: dict[str, Operations] = {
    **dict.fromkeys(("bert", "roberta", "electra"), lambda v: TRUNK + WIDTH * 2 * (H * H + H * v)),
    "gpt2": lambda v: TRUNK + WIDTH * 2 * H * v,
    "gru": lambda v: WIDTH * L * 2 * 6 * H * H + WIDTH * 2 * H * v,
    **dict.fromkeys(("llama", "qwen3"), lambda v: GATES + WIDTH * 2 * H * v),
    "xlnet": lambda v: TRUNK + DISTANCES + RELATIVE + WIDTH * 2 * H * v,
    **dict.fromkeys(("bart", "marian", "t5"), lambda v: 2 * TRUNK + CROSS + WIDTH * 2 * H * v),
}
"""Forward, of one row; of two sides, both `WIDTH` long."""


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return WordPiece(size=60, min_frequency=1).build(lambda: iter(["the cat sat on the mat", "北京是中国的首都"]))


def language_model(architecture: Architecture, tokenizer: Tokenizer) -> PreTrainedModel:
    named = {"architecture": architecture, "layers": L, "width": H, "positions": P}
    named |= {} if architecture == "gru" else {"heads": HEADS}
    source = Source.model_validate({"kind": "scratch", **named})
    writer = {"encoder": "MaskedLM", "decoder": "CausalLM", "encoder_decoder": "Seq2SeqLM"}[source.shape()]
    model = source.build(f"AutoModelFor{'CausalLM' if architecture == 'xlnet' else writer}", tokenizer, {})
    use_our_attention(model)
    return model


def batch_of(architecture: Architecture, vocabulary: int) -> Batch:
    ids = torch.randint(5, vocabulary, (ROWS, WIDTH), generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if shape_of_architecture(architecture) == "encoder_decoder":
        inputs["decoder_input_ids"] = ids
    return Batch(inputs, {}, {"sum": ROWS}, np.arange(ROWS), ROWS * WIDTH)


def loss(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    return {"sum": model(**batch.inputs).logits.float().sum()}


@pytest.mark.parametrize("architecture", get_args(Architecture))
def test_parameters_are_those_of_a_count_by_hand(architecture: Architecture, tokenizer: Tokenizer) -> None:
    model = language_model(architecture, tokenizer)
    everything, tables = SIZES[architecture](len(tokenizer))
    fixed = 2 * P * H if architecture == "marian" else 0  # its positions are sinuses
    assert count_parameters(model) == Size(everything, everything - fixed, tables)


@pytest.mark.parametrize("architecture", get_args(Architecture))
def test_operations_are_those_of_a_count_by_hand(architecture: Architecture, tokenizer: Tokenizer) -> None:
    model = language_model(architecture, tokenizer)
    batch = batch_of(architecture, len(tokenizer))
    found = count_work(model, loss, batch, ROWS * WIDTH, WIDTH)
    forward = WORK[architecture](len(tokenizer))
    first = L * 2 * 3 * H * H  # what a recurrent network remembers before its first token is not learnt
    unlearnt = {"xlnet": DISTANCES, "gru": first}.get(architecture, 0)
    assert found.forward * WIDTH == pytest.approx(forward, abs=1e-6)
    assert found.training * WIDTH == pytest.approx(3 * forward - unlearnt, abs=1e-6)
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())


def test_frozen_weights_have_no_gradient_to_be_computed(tokenizer: Tokenizer) -> None:
    model = language_model("gpt2", tokenizer)
    batch, v = batch_of("gpt2", len(tokenizer)), len(tokenizer)
    found = count_work(Lora(rank=2).apply(model), loss, batch, ROWS * WIDTH, WIDTH)
    added = L * 2 * ((H + 3 * H) + (H + H) + (H + F) + (F + H))  # beside c_attn, both c_proj and c_fc
    forward = TRUNK + WIDTH * 2 * H * v + WIDTH * 2 * added
    assert found.forward * WIDTH == pytest.approx(forward, abs=1e-6)
    attention, weights, head = L * 4 * WIDTH**2 * H, WIDTH * L * 2 * (4 * H * H + 2 * H * F), WIDTH * 2 * H * v
    first = WIDTH * 2 * 3 * H * H + WIDTH * 2 * 2 * H  # of what comes from the frozen embeddings no gradient is wanted
    backward = 2 * attention + weights + head + 2 * WIDTH * 2 * added - first
    assert found.training * WIDTH == pytest.approx(forward + backward, abs=1e-6)


BART_BASE = {
    f"{side}_{what}": number
    for side in ("encoder", "decoder")
    for what, number in {"layers": 6, "attention_heads": 12, "ffn_dim": 3072}.items()
}
PUBLISHED = {
    "BertModel": ({"model_type": "bert"}, 109_482_240),
    "RobertaModel": (
        {"model_type": "roberta", "vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1},
        124_645_632,
    ),
    "GPT2LMHeadModel": ({"model_type": "gpt2"}, 124_439_808),
    "LlamaForCausalLM": ({"model_type": "llama"}, 6_738_415_616),
    "T5ForConditionalGeneration": ({"model_type": "t5"}, 60_506_624),
    "BartModel": ({"model_type": "bart", "d_model": 768, "vocab_size": 50265, **BART_BASE}, 139_420_416),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_have_as_many_as_was_published(name: str) -> None:
    fields, expected = PUBLISHED[name]
    config = transformers.AutoConfig.for_model(**fields)
    with torch.device("meta"):
        model = getattr(transformers, name)(config)
    assert count_parameters(model).parameters == expected
