"""Every method trains every task's own loss by each family that carries it, packed rows and kept positions included."""

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from torch import nn
from transformers import BertConfig, GPT2Config, LlamaConfig, MarianConfig, PreTrainedConfig, PreTrainedModel

from danlu.model.attention import NAME
from danlu.model.heads import unwrapped
from danlu.recipe.part import kinds
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.batching.batch import LOGGED, Batch
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource
from danlu.tuning.features import cached_trunk
from danlu.tuning.method import Method
from danlu.tuning.roles import Roles

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
TWO_SIDED = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
TWO_SIDED |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_vocab_size": 300}
TWO_SIDED |= {"decoder_start_token_id": 0, "max_position_embeddings": 96}
FAMILIES: dict[str, tuple[str, PreTrainedConfig]] = {
    "bert": ("encoder", BertConfig(**SMALL)),
    "llama": ("decoder", LlamaConfig(**SMALL, tie_word_embeddings=False)),
    "gpt2": ("decoder", GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=128)),
    "marian": ("encoder_decoder", MarianConfig(**TWO_SIDED)),
}
"""Its shape, and a small one: with and without biases, tied heads, transposed weights, of two sides."""


def carried(kind: str, family: str) -> str | None:
    """The class of transformers that the task is learnt with by such a family; None where there is none."""
    shape, config = FAMILIES[family]
    try:
        name = Task.model_validate(kind).shaped(shape).auto_class
    except Refusal:
        return None
    if (
        name == "AutoModelForPreTraining"
    ):  # what that is each family says for itself; see tests/task/test_replaced_token
        return None
    known = type(config) in getattr(transformers, name)._model_mapping
    own = {"encoder": "CausalLM" not in name, "decoder": True, "encoder_decoder": "Seq2Seq" in name}
    return name if known and own[shape] else None


CARRIED = {(kind, family): name for kind in kinds(Task) for family in FAMILIES if (name := carried(kind, family))}
NO_TRUNK = "does not tell its trunk from its head; use tuning: full"
SHARED = "its head shares its weights with the embeddings; use full or lora"
NO_BIASES = "finds no biases in models of the family"


def refusal(method: str, kind: str, family: str) -> str | None:
    """Why a method makes no sense there; None where it does."""
    if method == "head" and family == "marian":
        return NO_TRUNK
    if method == "head" and family == "gpt2" and "CausalLM" in CARRIED[kind, family]:
        return SHARED
    return NO_BIASES if (method, family) == ("bitfit", "llama") else None


ALL = [(method, kind, family) for method in kinds(Method) for kind, family in CARRIED]
HEADLESS = [(kind, family) for (kind, family), name in CARRIED.items() if name == "AutoModel"]
TRIED = [each for each in ALL if refusal(*each) is None and not (each[0] == "head" and each[1:] in HEADLESS)]
REFUSED = [each for each in ALL if refusal(*each) is not None]
TASKS, METHODS = sorted({kind for kind, _ in CARRIED}), kinds(Method)


def in_turn() -> list[tuple[str, str, str]]:
    """Every method with every task, and every task with every family: for each next method the task's next family."""
    found = []
    for task, kind in enumerate(TASKS):
        for place, method in enumerate(METHODS):
            able = [each for each in TRIED if each[:2] == (method, kind)]
            found += [able[(task + place) % len(able)]] if able else []
    return found


IN_TURN = in_turn()
RATES, LEAST = {"ia3": 0.1, "prefix": 0.1, "prompt": 0.1}, {"ia3": 0.0005, "adalora": 0.002}
LEAST |= dict.fromkeys(["prefix", "prompt", "ptuning"], 0.0)
"""Of methods whose few numbers have far to go, and reach little in an untrained trunk."""


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    source = TokenizerSource.model_validate({"kind": "wordpiece", "size": 300, "min_frequency": 1})
    tasks = [Task.model_validate(kind) for kind in kinds(Task)]
    texts = [record.get("text", " ".join(record.get("tokens", []))) for task in tasks for record in task.sample]
    return source.build(lambda: iter(texts))


Network = Callable[[str, str], tuple[Task, PreTrainedModel]]


@pytest.fixture(scope="module")
def network(tokenizer: Tokenizer) -> Network:
    """A task, and a network of a family that nothing was added to yet."""

    @cache
    def made(kind: str, family: str) -> tuple[Task, PreTrainedModel]:
        shape, small = FAMILIES[family]
        task = Task.model_validate(kind)
        task = task.fitted(task.sample).shaped(shape)
        config = copy.deepcopy(small)
        words = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
        config.update(words | {"bos_token_id": 2, "eos_token_id": 3} | task.config())
        torch.manual_seed(3)
        return task, getattr(transformers, task.auto_class).from_config(config).eval()

    return lambda kind, family: (made(kind, family)[0], copy.deepcopy(made(kind, family)[1]))


def tuned(network: Network, tokenizer: Tokenizer, method: str, kind: str, family: str) -> tuple[Task, nn.Module, Batch]:
    task, plain = network(kind, family)
    torch.manual_seed(5)
    section = {"kind": method} | ({"top": 1} if method == "layers" else {})
    model = Method.model_validate(section).apply(plain).eval()
    unwrapped(model).set_attn_implementation(NAME)
    task = task.suited(model, tokenizer, print)
    encoded = task.encode(task.sample, tokenizer, 80, labelled=True)
    if kind == "next_sentence":  # an untrained trunk does not tell them apart, and learns nothing of as many of each
        encoded = encoded[:-1]
    batch = task.collate(encoded, max(map(len, encoded)), tokenizer, np.random.default_rng(0))
    roles = {role: copy.deepcopy(model).eval() for role in task.roles}
    return task, model, Roles(task, roles).told(batch)


def test_every_method_is_asked_of_every_task_by_each_family_that_carries_it() -> None:
    counts = {family: sum(each == family for _, each in CARRIED) for family in FAMILIES}
    assert counts == {"bert": 14, "llama": 20, "gpt2": 20, "marian": 5}
    assert len(ALL) == len(kinds(Method)) * len(CARRIED) == 12 * 59
    assert len(REFUSED) == 34
    assert len(ALL) - len(TRIED) == 34 + len(HEADLESS)
    for places in ((0, 1), (1, 2), (0, 2)):
        assert {tuple(each[place] for place in places) for each in IN_TURN} == {
            tuple(each[place] for place in places) for each in TRIED
        }


@pytest.mark.parametrize(("kind", "family"), HEADLESS)
def test_of_a_model_without_a_head_nothing_is_trained_above_its_trunk(
    kind: str, family: str, network: Network, tokenizer: Tokenizer
) -> None:
    _, model, _ = tuned(network, tokenizer, "head", kind, family)
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_what_makes_no_sense_is_refused_with_its_sentence(network: Network, family: str) -> None:
    for method, kind, of in REFUSED:
        if of == family:
            _, model = network(kind, family)
            with pytest.raises(Refusal, match=refusal(method, kind, family)):
                Method.model_validate(method).apply(model)


@pytest.mark.parametrize(("method", "kind", "family"), IN_TURN)
def test_the_loss_of_a_task_falls_and_reaches_what_is_trained(
    kind: str, method: str, family: str, network: Network, tokenizer: Tokenizer
) -> None:
    task, model, batch = tuned(network, tokenizer, method, kind, family)
    rate = 1e-2 if task.answer_form == "number" else RATES.get(method, 1e-2)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], rate)
    # the rows of an untrained trunk hardly differ, and the mean of numbers is known from the start
    least = LEAST.get(method, 0.005) if task.answer_form not in ("number", "choice", "ranking") else 0.0
    losses: list[float] = []
    while len(losses) < 40 and not (len(losses) > 1 and losses[-1] < losses[0] - least):
        found = task.loss(model, batch)
        objectives = [name for name in found if not name.startswith(LOGGED)]
        value = sum(found[name] for name in objectives) / sum(batch.counts[name] for name in objectives)
        value.backward()
        reached = [name for name, p in model.named_parameters() if p.grad is not None]
        optimizer.step()
        optimizer.zero_grad()
        losses.append(value.item())
    assert losses[-1] < losses[0] - least
    idle = {name for name, p in model.named_parameters() if p.requires_grad} - set(reached)
    if task.auto_class == "AutoModel":  # whose pooler belongs to heads
        idle = {name for name in idle if "pooler" not in name}
    assert not idle


HEADED = sorted({(kind, family) for method, kind, family in TRIED if method == "head" and family != "gpt2"})


@pytest.mark.parametrize(("kind", "family"), HEADED)
def test_cached_features_give_the_loss_of_the_whole_model(
    kind: str, family: str, network: Network, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    task, model, batch = tuned(network, tokenizer, "head", kind, family)
    expected = task.loss(model, batch)
    passes = []
    unwrapped(model).base_model.register_forward_hook(lambda *_: passes.append(1))
    with cached_trunk(model, [batch], tmp_path):
        torch.testing.assert_close(task.loss(model, batch), expected, atol=1e-5, rtol=1e-5)
    assert len(passes) == 1
