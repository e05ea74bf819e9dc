"""Every method trains every task's own loss, packed rows and kept positions included."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from transformers import BertConfig, LlamaConfig, MarianConfig

from danlu.model.attention import NAME
from danlu.model.heads import unwrapped
from danlu.recipe.part import kinds
from danlu.task.task import Task
from danlu.text.batching.batch import LOGGED, Batch
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource
from danlu.tuning.features import cached_trunk
from danlu.tuning.method import Method
from danlu.tuning.roles import Roles

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}

TWO_SIDED = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
TWO_SIDED |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_vocab_size": 300}
TWO_SIDED |= {"decoder_start_token_id": 0, "max_position_embeddings": 96}
FAMILIES = {"Causal": LlamaConfig, "Seq2Seq": MarianConfig}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    source = TokenizerSource.model_validate({"kind": "wordpiece", "size": 300, "min_frequency": 1})
    tasks = [Task.model_validate(kind) for kind in kinds(Task)]
    texts = [record.get("text", " ".join(record.get("tokens", []))) for task in tasks for record in task.sample]
    return source.build(lambda: iter(texts))


def tuned(kind: str, method: str, tokenizer: Tokenizer) -> tuple[Task, torch.nn.Module, Batch]:
    task = Task.model_validate(kind)
    task = task.fitted(task.sample).shaped("decoder" if method == "head" or kind == "embed" else "encoder_decoder")
    family = next((each for name, each in FAMILIES.items() if name in task.auto_class), BertConfig)
    words = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "bos_token_id": 2, "eos_token_id": 3}
    sizes = TWO_SIDED if family is MarianConfig else SIZES
    config = family(**sizes, **words, tie_word_embeddings=family is not LlamaConfig, **task.config())
    torch.manual_seed(3)
    network = getattr(transformers, task.auto_class).from_config(config)
    model = Method.model_validate(method).apply(network).eval()
    unwrapped(model).set_attn_implementation(NAME)
    task = task.suited(model, tokenizer, print)
    encoded = task.encode(task.sample, tokenizer, 96, labelled=True)
    batch = task.collate(encoded, max(map(len, encoded)), tokenizer, np.random.default_rng(0))
    return task, model, Roles(task, dict.fromkeys(task.roles, copy.deepcopy(model).eval())).told(batch)


HEADLESS = {kind for kind in kinds(Task) if Task.model_validate(kind).auto_class == "AutoModel"}


def test_of_a_model_without_a_head_nothing_is_trained_above_its_trunk(tokenizer: Tokenizer) -> None:
    for kind in HEADLESS:
        _, model, _ = tuned(kind, "head", tokenizer)
        assert not any(parameter.requires_grad for parameter in model.parameters())


EVERYWHERE = {"full", "head", "lora"}
KINDS_OF_ROWS = {"causal_lm", "masked_lm", "translate", "embed"}
"""Packed, with kept positions, of two sides, without a head: what other methods than those are asked to train."""
UNTRAINABLE = {("bitfit", "causal_lm"): "llama, which the task has here, has no biases"} | {
    ("head", kind): "no head" for kind in HEADLESS
}
PAIRS = [
    (method, kind)
    for method in kinds(Method)
    for kind in (kinds(Task) if method in EVERYWHERE else sorted(KINDS_OF_ROWS))
    if (method, kind) not in UNTRAINABLE
]
RATES, LEAST = {"ia3": 0.1, "prefix": 0.1, "prompt": 0.1}, {"ia3": 0.005, "adalora": 0.01}
LEAST |= dict.fromkeys(["prefix", "prompt", "ptuning"], 0.0)
"""Of methods whose few numbers have far to go, and reach little in an untrained trunk."""


def test_every_method_is_asked() -> None:
    assert len(PAIRS) == 3 * len(kinds(Task)) + 4 * (len(kinds(Method)) - 3) - len(UNTRAINABLE)


@pytest.mark.parametrize(("method", "kind"), PAIRS)
def test_the_loss_of_a_task_falls_and_reaches_what_is_trained(kind: str, method: str, tokenizer: Tokenizer) -> None:
    task, model, batch = tuned(kind, method, tokenizer)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], RATES.get(method, 1e-2))
    losses = []
    for _ in range(40):
        found = task.loss(model, batch)
        objectives = [name for name in found if not name.startswith(LOGGED)]
        value = sum(found[name] for name in objectives) / sum(batch.counts[name] for name in objectives)
        value.backward()
        reached = [name for name, p in model.named_parameters() if p.grad is not None]
        optimizer.step()
        optimizer.zero_grad()
        losses.append(value.item())
    # the rows of an untrained trunk hardly differ, and the mean of numbers is known from the start
    least = 0.0 if (method, task.answer_form) == ("head", "number") else LEAST.get(method, 0.02)
    assert min(losses) < losses[0] - least
    idle = {name for name, p in model.named_parameters() if p.requires_grad} - set(reached)
    if task.auto_class == "AutoModel":  # whose pooler belongs to heads
        idle = {name for name in idle if "pooler" not in name}
    assert not idle


@pytest.mark.parametrize("kind", sorted({*kinds(Task)} - HEADLESS))
def test_cached_features_give_the_loss_of_the_whole_model(kind: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    task, model, batch = tuned(kind, "head", tokenizer)
    expected = task.loss(model, batch)
    passes = []
    unwrapped(model).base_model.register_forward_hook(lambda *_: passes.append(1))
    with cached_trunk(model, [batch], tmp_path):
        torch.testing.assert_close(task.loss(model, batch), expected, atol=1e-5, rtol=1e-5)
    assert len(passes) == 1
