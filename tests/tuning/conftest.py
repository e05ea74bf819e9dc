"""Tiny models of the kinds that methods must serve, and batches for them."""

import copy
import math
from functools import cache
from types import SimpleNamespace

import pytest
import torch
import transformers
from torch import Tensor, nn
from transformers import BertConfig, GPT2Config, LlamaConfig, PreTrainedConfig, PreTrainedModel

VOCABULARY, LABELS, ROWS, TOKENS = 60, 3, 6, 10
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    "num_labels": LABELS,
}
SHAPES = {
    "classify-bert": ("AutoModelForSequenceClassification", BertConfig(**SIZES)),
    "tag-bert": ("AutoModelForTokenClassification", BertConfig(**SIZES)),
    "classify-llama": (
        "AutoModelForSequenceClassification",
        LlamaConfig(**SIZES, bos_token_id=1, eos_token_id=2, tie_word_embeddings=False),
    ),
    "classify-gpt2": (
        "AutoModelForSequenceClassification",
        GPT2Config(
            vocab_size=VOCABULARY,
            n_embd=32,
            n_layer=2,
            n_head=2,
            n_positions=32,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            num_labels=LABELS,
        ),
    ),
    "causal-llama": (
        "AutoModelForCausalLM",
        LlamaConfig(**SIZES, bos_token_id=1, eos_token_id=2, tie_word_embeddings=False),
    ),
    "masked-bert": ("AutoModelForMaskedLM", BertConfig(**SIZES)),
}


def build(shape: str) -> PreTrainedModel:
    """The same weights at every call, and then the same random numbers."""
    network, state = _built(shape)
    torch.set_rng_state(state)
    return copy.deepcopy(network)


@cache
def _built(shape: str) -> tuple[PreTrainedModel, Tensor]:
    torch.default_generator.manual_seed(7)
    network = getattr(transformers, SHAPES[shape][0]).from_config(config(shape)).eval()
    return network, torch.get_rng_state()


def config(shape: str) -> PreTrainedConfig:
    """One of its own at every call, since a network writes into its configuration when it is made and when saved."""
    return copy.deepcopy(SHAPES[shape][1])


def inputs() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(3, VOCABULARY, (ROWS, TOKENS), generator=generator)
    mask = torch.arange(TOKENS) < torch.tensor([10, 10, 7, 7, 4, 3])[:, None]
    return {"input_ids": ids * mask, "attention_mask": mask.long()}


def loss(model: nn.Module, rows: dict[str, Tensor]) -> Tensor:
    """Cross-entropy against labels that can be learnt by heart; padding does not count."""
    logits = model(**rows).logits.float()
    labels = rows["input_ids"] % logits.shape[-1]
    labels = labels.masked_fill(rows["attention_mask"] == 0, -100) if logits.dim() == 3 else labels[:, 1]
    return nn.functional.cross_entropy(logits.flatten(0, -2), labels.flatten())


def steps(model: nn.Module, count: int, *, rate: float = 1e-2, least: float = math.inf) -> list[float]:
    """Losses of some steps of Adam on one batch; after four of them it is enough that the loss fell by `least`."""
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], rate)
    losses: list[float] = []
    while len(losses) < count and not (len(losses) > 4 and losses[-1] < losses[0] - least):
        value = loss(model, inputs())
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(value.item())
    return losses


@pytest.fixture
def tiny() -> SimpleNamespace:
    """The functions above, for test files, which cannot import this one."""
    return SimpleNamespace(build=build, inputs=inputs, loss=loss, steps=steps, config=config)
