"""Students made out of larger networks: copied layers against networks whose blocks were taken out by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.model.depth import spaced
from danlu.model.source import Source
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer

FAMILIES = ("bert", "roberta", "electra", "albert", "distilbert", "modernbert", "gpt2", "llama", "gemma2", "bart", "t5")
HEADS = {"gpt2": "CausalLM", "llama": "CausalLM", "gemma2": "CausalLM", "bart": "Seq2SeqLM", "t5": "Seq2SeqLM"}
BLOCKS = {
    "bert": ("bert.encoder.layer",),
    "llama": ("model.layers",),
    "gpt2": ("transformer.h",),
    "bart": ("model.encoder.layers", "model.decoder.layers"),
}


def student(folder: Path, family: str, tokenizer: Tokenizer, said: list[str] | None = None, **fields: Any) -> Any:
    source = Source.model_validate({"kind": "student", "of": str(folder), **fields})
    say = (lambda _line: None) if said is None else said.append
    return source.build(auto(family), tokenizer, {}, say).eval()


def auto(family: str) -> str:
    return f"AutoModelFor{HEADS.get(family, 'MaskedLM')}"


@torch.no_grad()
def logits(model: PreTrainedModel, rows: dict[str, Tensor]) -> Tensor:
    found: Tensor = model(**rows, **({"use_cache": False} if model.can_generate() else {})).logits
    return found


@pytest.fixture
def saved(network: Callable[[str], PreTrainedModel], tmp_path: Path) -> Callable[[str], Path]:
    def save(family: str) -> Path:
        network(family).save_pretrained(tmp_path / family)
        return tmp_path / family

    return save


@pytest.mark.parametrize("family", FAMILIES)
def test_with_all_layers_it_begins_with_the_logits_of_the_larger_one(
    family: str, saved: Callable[[str], Path], rows: Callable[[str], dict[str, Tensor]], tokenizer: Tokenizer
) -> None:
    folder, said = saved(family), list[str]()
    larger = Source.model_validate({"kind": "pretrained", "path": str(folder)}).build(auto(family), tokenizer, {})
    whole = student(folder, family, tokenizer, said, layers=2)
    assert torch.equal(logits(whole, rows(family)), logits(larger.eval(), rows(family)))
    assert "1, 2" in said[-1]
    fewer = student(folder, family, tokenizer, layers=1)
    assert len(dict(fewer.named_parameters())) < len(dict(whole.named_parameters())) or family == "albert"
    assert not torch.equal(logits(fewer, rows(family)), logits(whole, rows(family)))
    source = Source.model_validate({"kind": "student", "of": str(folder), "layers": 1})
    bare = source.outline(auto(family), tokenizer, {})
    assert {n: p.shape for n, p in bare.named_parameters()} == {n: p.shape for n, p in fewer.named_parameters()}
    assert source.shape() == Source.model_validate({"kind": "pretrained", "path": str(folder)}).shape()


@pytest.mark.parametrize("family", BLOCKS)
@pytest.mark.parametrize("copied", [[1], [2], [2, 1]])
def test_copied_layers_are_those_of_the_larger_one_in_the_order_that_is_named(
    family: str,
    copied: list[int],
    saved: Callable[[str], Path],
    network: Callable[[str], PreTrainedModel],
    rows: Callable[[str], dict[str, Tensor]],
    tokenizer: Tokenizer,
) -> None:
    by_hand = network(family)
    for name in BLOCKS[family]:
        parent, _, last = name.rpartition(".")
        blocks = by_hand.get_submodule(name)
        setattr(by_hand.get_submodule(parent), last, nn.ModuleList([blocks[place - 1] for place in copied]))
        if family == "llama":
            by_hand.config.num_hidden_layers = len(copied)
    found = student(saved(family), family, tokenizer, copied=copied)
    torch.testing.assert_close(logits(found, rows(family)), logits(by_hand, rows(family)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "llama", "modernbert"])
def test_a_narrower_one_is_fresh_and_keeps_the_vocabulary(
    family: str, saved: Callable[[str], Path], rows: Callable[[str], dict[str, Tensor]], tokenizer: Tokenizer
) -> None:
    said: list[str] = []
    torch.manual_seed(0)
    found = student(saved(family), family, tokenizer, said, width=8, layers=1, heads=2)
    config = found.config
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (8, 1, 2)
    assert config.intermediate_size == 12
    assert found.get_input_embeddings().num_embeddings == 48
    assert logits(found, rows(family)).shape[-1] == 48
    assert "begins fresh" in said[0]
    torch.manual_seed(0)
    again = student(saved(family), family, tokenizer, width=8, layers=1, heads=2)
    assert all(torch.equal(one, other) for one, other in zip(found.parameters(), again.parameters(), strict=True))


def test_layers_are_as_far_apart_as_they_come_out_and_the_last_is_among_them() -> None:
    assert spaced(6, 3) == (2, 4, 6)
    assert spaced(12, 4) == (3, 6, 9, 12)
    assert spaced(5, 5) == (1, 2, 3, 4, 5)
    assert spaced(7, 1) == (7,)
    for deep in range(1, 30):
        for shallow in range(1, deep + 1):
            found = spaced(deep, shallow)
            assert len(set(found)) == shallow
            assert list(found) == sorted(found)
            assert found[0] >= 1
            assert found[-1] == deep
            gaps = [b - a for a, b in zip((0, *found), found, strict=False)]
            assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(
    ("family", "fields", "sentence"),
    [
        ("bert", {"layers": 3}, "has 2 layers, and the student is to have 3; give 'layers' up to 2"),
        ("bert", {"copied": [1, 3]}, "has 2 layers, and the student is to have layer 3; give 'layers' up to 2, and"),
        ("bart", {"layers": 3}, "has 2 layers in its encoder"),
        ("bert", {"width": 32, "layers": 1}, "is 16 wide with 2 heads, and a student of width 32"),
        ("bert", {"width": 10, "heads": 4}, "of width 10 with 4 is none"),
        ("gpt2", {"width": 8}, "how to make a network of the family 'gpt2' narrower is not known"),
    ],
)
def test_what_is_no_smaller_network_is_one_sentence(
    family: str, fields: dict[str, Any], sentence: str, saved: Callable[[str], Path], tokenizer: Tokenizer
) -> None:
    with pytest.raises(Refusal, match=sentence) as told:
        student(saved(family), family, tokenizer, **fields)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "a student needs fewer 'layers', or a smaller 'width'"),
        ({"layers": 1, "heads": 2}, "give its 'width' too"),
        ({"width": 8, "copied": [1]}, "leave one out"),
        ({"layers": 2, "copied": [1]}, "'copied' names 1 layers, and 'layers' says 2"),
        ({"copied": []}, "'copied' names no layer"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Source.model_validate({"kind": "student", "of": "there", **fields})
