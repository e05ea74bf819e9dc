"""The recurrent language model: what it computes, how rows are read, and that it is served as others are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from danlu.model.fast import prepare_for_training
from danlu.model.gru import GruConfig, GruForCausalLM
from danlu.model.replica import replica
from danlu.model.source import Source
from danlu.model.sources.pretrained import Pretrained
from danlu.recipe.part import kinds
from danlu.refusal import Refusal
from danlu.task.tasks.causal_lm import CausalLm
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.train.flops import flops_a_token
from danlu.tuning.features import cached_trunk
from danlu.tuning.method import Method

SIZES: dict[str, Any] = {"vocab_size": 48, "hidden_size": 16, "num_hidden_layers": 2, "pad_token_id": 0}
TEXTS = ["the cat sat", "on the mat", "北京是中国的首都", "cat"]


def made(**fields: Any) -> GruForCausalLM:
    torch.manual_seed(3)
    model = GruForCausalLM(GruConfig(**SIZES | {"bos_token_id": 1, "eos_token_id": 2} | fields)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return model


def by_formula(model: GruForCausalLM, ids_T: Tensor) -> Tensor:
    """Logits (T, V), token by token (Cho et al., 2014, with the reset gate as in torch's documentation)."""
    hidden_TD = model.model.embed_tokens.weight[ids_T]
    for layer in model.model.layers:
        weights = dict(layer.named_parameters())
        state, states = torch.zeros(16), []
        for seen in hidden_TD:
            read = (weights["weight_ih_l0"] @ seen + weights["bias_ih_l0"]).split(16)
            known = (weights["weight_hh_l0"] @ state + weights["bias_hh_l0"]).split(16)
            reset, update = (torch.sigmoid(read[i] + known[i]) for i in (0, 1))
            fresh = torch.tanh(read[2] + reset * known[2])
            state = (1 - update) * fresh + update * state
            states.append(state)
        hidden_TD = torch.stack(states)
    return hidden_TD @ model.lm_head.weight.T


def test_logits_are_those_of_the_formula_wherever_padding_stands() -> None:
    model, ids = made(), torch.tensor([7, 3, 40, 9, 9, 12])
    right = by_formula(model, ids)
    torch.testing.assert_close(model(ids[None]).logits[0], right, atol=1e-5, rtol=1e-4)
    for before, after in ((2, 0), (0, 3), (2, 1)):
        padded = nn.functional.pad(ids, (before, after))[None]
        found = model(padded, attention_mask=(padded > 0).long()).logits[0, before : before + len(ids)]
        torch.testing.assert_close(found, right, atol=1e-5, rtol=1e-4)


def test_documents_of_a_row_have_the_loss_and_the_gradients_that_they_have_alone(tokenizer: Tokenizer) -> None:
    model = made(vocab_size=len(tokenizer))
    records = [{"text": text} for text in TEXTS]

    def learnt(**fields: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        task = CausalLm(max_length=40, **fields).suited(model, tokenizer, pytest.fail)
        rows = task.encode(records, tokenizer, 40, labelled=True)
        batch = task.collate(rows, max(map(len, rows)) + 3, tokenizer, np.random.default_rng(0))
        assert ("segments" in batch.inputs) is task.pack
        loss = task.loss(model, batch)["tokens"]
        return loss, torch.autograd.grad(loss, list(model.parameters()))

    (together, found), (alone, right) = learnt(pack=True), learnt(pack=False)
    torch.testing.assert_close(together, alone, atol=0, rtol=1e-5)
    for one, other in zip(found, right, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_parameters_and_operations_are_those_counted_by_hand() -> None:
    for tied, heads in ((True, 1), (False, 2)):
        model = made(tie_word_embeddings=tied)
        layer = 3 * (16 * 16 + 16 * 16 + 16 + 16)
        assert sum(each.numel() for each in model.parameters()) == heads * 48 * 16 + 2 * layer
        assert flops_a_token(model, 100) == 6 * 2 * 6 * 16 * 16


def test_replicas_share_its_weights_and_bfloat16_learns() -> None:
    model = prepare_for_training(made(dropout=0.1), "bfloat16")
    other = replica(model)
    ids = torch.randint(3, 48, (4, 9), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.model.layers[0].weight_hh_l0.mul_(0.5)
    assert torch.equal(other.eval()(ids).logits, model.eval()(ids).logits)
    optimizer = torch.optim.SGD(model.train().parameters(), 0.2)
    losses = []
    for _ in range(8):
        loss = nn.functional.cross_entropy(model(ids[:, :-1]).logits.float().flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1


def test_it_is_built_saved_and_opened_like_any_other(tokenizer: Tokenizer, tmp_path: Path) -> None:
    fields = {"kind": "scratch", "architecture": "gru", "layers": 1, "width": 24, "positions": 40, "tied": False}
    source = Source.model_validate(fields)
    model = source.build("AutoModelForCausalLM", tokenizer, {}).eval()
    assert model.get_output_embeddings().weight is not model.get_input_embeddings().weight
    model.save_pretrained(tmp_path)
    again = Pretrained(path=str(tmp_path))
    assert again.shape() == source.shape() == "decoder"
    opened = again.build("AutoModelForCausalLM", tokenizer, {}).eval()
    ids = torch.arange(3, 20)[None]
    torch.testing.assert_close(opened(ids).logits, model(ids).logits, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("field", "value"), [("heads", 4), ("feed_forward", 64)])
def test_what_only_transformers_have_is_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"'{field}' is of Transformers, and gru is none; leave it out"):
        Source.model_validate({"kind": "scratch", "architecture": "gru", field: value})
    with pytest.raises(ValueError, match="'tied: false' is for the architectures gpt2, llama, qwen3 and gru"):
        Source.model_validate({"kind": "scratch", "architecture": "bert", "tied": False})


def test_tasks_without_a_head_in_it_are_refused(tokenizer: Tokenizer) -> None:
    source = Source.model_validate({"kind": "scratch", "architecture": "gru"})
    with pytest.raises(Refusal, match="architecture 'gru': transformers has no model of the family 'gru'"):
        source.build("AutoModelForSequenceClassification", tokenizer, {})


TUNED = {"full", "head", "layers", "prefix", "prompt", "ptuning"}


@pytest.mark.parametrize("kind", kinds(Method))
def test_methods_train_it_or_say_in_a_sentence_that_they_find_nothing(kind: str) -> None:
    model, method = (
        made(tie_word_embeddings=False),
        Method.model_validate({"kind": kind} | {"layers": {"top": 1}}.get(kind, {})),
    )
    if kind not in TUNED:
        with pytest.raises(Refusal, match=rf"tuning '{kind}' finds no .* in models of the family 'gru'; use "):
            method.apply(model)
        return
    tuned = method.apply(model).eval()
    ids = torch.randint(3, 48, (4, 9), generator=torch.Generator().manual_seed(0))
    trained = [each for each in tuned.parameters() if each.requires_grad]
    optimizer = torch.optim.Adam(trained, 0.05)
    losses = []
    for _ in range(8):
        loss = nn.functional.cross_entropy(tuned(ids[:, :-1]).logits.flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.02


def test_features_of_a_frozen_trunk_serve_its_head(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = Method.model_validate("head").apply(made(vocab_size=len(tokenizer), tie_word_embeddings=False)).eval()
    task = CausalLm(pack=False)
    rows = task.encode([{"text": text} for text in TEXTS], tokenizer, 40, labelled=True)
    batch = task.collate(rows, max(map(len, rows)), tokenizer, np.random.default_rng(0))
    right = task.loss(model, batch)["tokens"]
    with cached_trunk(model, [batch], tmp_path):
        torch.testing.assert_close(task.loss(model, batch)["tokens"], right)
