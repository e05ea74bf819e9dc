"""What `dora`, `init: pissa`, `weights: nf4` and `init: loftq` add to lora, against their formulas and plain peft."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from pydantic import ValidationError

from danlu.model.word_rows import parameters_of
from danlu.refusal import Refusal
from danlu.tuning.method import Method

every_shape = pytest.mark.parametrize("shape", ["classify-bert", "classify-gpt2", "causal-llama"])
PISSA = {"kind": "lora", "rank": 3, "init": "pissa"}


def updated(model: torch.nn.Module) -> list[Any]:
    """The layers beside which updates are learnt."""
    return [module for module in model.modules() if hasattr(module, "lora_A")]


@every_shape
def test_pissa_begins_as_the_base_with_the_best_approximation_of_each_weight(tiny: SimpleNamespace, shape: str) -> None:
    """Eckart and Young, 1936: what is left has the norm of the other singular values."""
    plain, model = tiny.build(shape), Method.model_validate(PISSA).apply(tiny.build(shape)).eval()
    with torch.inference_mode():
        torch.testing.assert_close(model(**tiny.inputs()).logits, plain(**tiny.inputs()).logits, atol=1e-5, rtol=1e-5)
    layers = updated(model)
    assert len(layers) >= 8
    for layer in layers:
        update, weight = layer.get_delta_weight("default"), layer.get_base_layer().weight
        others = torch.linalg.svdvals(weight.double())[3:].norm()
        torch.testing.assert_close((weight - update).double().norm(), others, atol=1e-5, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # a name that peft still uses
@every_shape
@pytest.mark.parametrize("more", [PISSA, PISSA | {"rslora": False}, {"kind": "lora", "dora": True}])
def test_plain_peft_opens_what_was_saved(
    tiny: SimpleNamespace, tmp_path: Path, shape: str, more: dict[str, object]
) -> None:
    from peft import PeftModel

    method = Method.model_validate(more)
    model = method.apply(tiny.build(shape)).eval()
    tiny.steps(model, 3)
    method.save(model, tmp_path)
    theirs = PeftModel.from_pretrained(tiny.build(shape), str(tmp_path)).eval()
    with torch.inference_mode():
        expected = model(**tiny.inputs()).logits
        torch.testing.assert_close(theirs(**tiny.inputs()).logits, expected, atol=1e-5, rtol=1e-5)


def test_dora_keeps_the_length_of_weight_vectors_apart(tiny: SimpleNamespace) -> None:
    method = Method.model_validate({"kind": "lora", "targets": ["key"], "dora": True})
    model = method.apply(tiny.build("tag-bert")).eval()
    tiny.steps(model, 3)
    layer = model.base_model.model.bert.encoder.layer[0].attention.self.key
    lengths = layer.lora_magnitude_vector["default"].weight.detach().clone()
    moved = method.merge(model).bert.encoder.layer[0].attention.self.key.weight
    torch.testing.assert_close(moved.norm(dim=1), lengths, atol=1e-5, rtol=1e-5)


@every_shape
def test_loftq_begins_nearer_to_the_base_than_four_bits_alone(tiny: SimpleNamespace, shape: str) -> None:
    """By the principal part of what is rounded off: what is left has the norm of its other singular values."""
    whole = [layer.get_base_layer().weight for layer in updated(Method.model_validate("lora").apply(tiny.build(shape)))]
    begun = Method.model_validate({"kind": "lora", "rank": 3, "weights": "nf4", "init": "loftq"})
    layers = updated(begun.apply(tiny.build(shape)).eval())
    assert len(layers) == len(whole) >= 8
    for layer, weight in zip(layers, whole, strict=True):
        lost = (weight - layer.get_base_layer().weight).double()
        others = torch.linalg.svdvals(lost)[3:].norm()
        assert others < lost.norm()
        left = (lost - layer.get_delta_weight("default")).norm()
        torch.testing.assert_close(left, others, atol=1e-5, rtol=1e-4)


def test_four_bits_take_an_eighth_of_the_trunk_and_what_is_merged_says_what_was_trained(tiny: SimpleNamespace) -> None:
    method = Method.model_validate({"kind": "lora", "weights": "nf4", "targets": ["q_proj"]})
    plain = tiny.build("causal-llama")
    model = method.apply(tiny.build("causal-llama")).eval()
    assert len(updated(model)) == 2  # and the others lie in 4 bits all the same
    assert parameters_of(model) - parameters_of(plain) == sum(
        p.numel() for n, p in model.named_parameters() if "lora" in n
    )
    layers = [layer for layer in plain.model.modules() if isinstance(layer, torch.nn.Linear)]
    bytes_of = [value.nbytes for name, value in model.named_parameters() if name.endswith(("_codes", "_scales"))]
    assert sum(bytes_of) == sum(layer.weight.numel() for layer in layers) * 4.5 / 8
    tiny.steps(model, 3)
    with torch.inference_mode():
        trained = model(**tiny.inputs()).logits
        merged = method.merge(model)
        assert all(type(layer) is torch.nn.Linear for layer in merged.model.modules() if hasattr(layer, "in_features"))
        torch.testing.assert_close(merged(**tiny.inputs()).logits, trained, atol=1e-5, rtol=1e-5)


def test_layers_that_compute_in_their_own_way_stay_whole_and_without_any_other_it_is_refused() -> None:
    sizes = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    falcon = transformers.FalconForCausalLM(transformers.FalconConfig(**sizes))
    with pytest.raises(Refusal, match="keeps plain linear layers in 4 bits, and the family 'falcon' has none"):
        Method.model_validate({"kind": "lora", "weights": "nf4"}).apply(falcon)


def test_what_is_loaded_is_not_begun_anew(
    tiny: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = Method.model_validate({"kind": "lora", "rank": 3, "weights": "nf4", "init": "loftq"})
    model = method.apply(tiny.build("causal-llama")).eval()
    method.save(model, tmp_path)
    monkeypatch.setattr(torch.linalg, "svd", lambda *given, **how: pytest.fail("a loaded adapter has no beginning"))
    with torch.inference_mode():
        found = method.load(tiny.build("causal-llama"), tmp_path).eval()(**tiny.inputs()).logits
        torch.testing.assert_close(found, model(**tiny.inputs()).logits)


def test_what_was_trained_beside_four_bits_is_refused_beside_whole_weights(
    tiny: SimpleNamespace, tmp_path: Path
) -> None:
    method = Method.model_validate({"kind": "lora", "weights": "nf4"})
    method.save(method.apply(tiny.build("causal-llama")), tmp_path)
    with pytest.raises(Refusal, match="belongs to other base weights than these"):
        Method.model_validate("lora").load(tiny.build("causal-llama"), tmp_path)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"dora": True, "weights": "nf4"}, "are made of whole weights"),
        ({"init": "pissa", "weights": "nf4"}, "are made of whole weights"),
        ({"init": "loftq"}, "give both, or neither"),
    ],
)
def test_settings_that_four_bits_cannot_meet_are_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Method.model_validate({"kind": "lora"} | settings)


def test_dora_and_pissa_are_refused_together() -> None:
    with pytest.raises(ValidationError, match="takes a second one off; leave out one of them"):
        Method.model_validate({"kind": "lora", "dora": True, "init": "pissa"})


def test_four_bits_without_their_updates_are_the_model_as_it_began_or_none(tiny: SimpleNamespace) -> None:
    method = Method.model_validate({"kind": "lora", "weights": "nf4"})
    model = method.apply(tiny.build("causal-llama")).eval()
    with torch.inference_mode():
        began = model(**tiny.inputs()).logits
    off = method.untouched(model)
    tiny.steps(model, 3)
    with torch.inference_mode():
        assert torch.equal(off(**tiny.inputs()).logits, began)
    other = Method.model_validate({"kind": "lora", "weights": "nf4", "init": "loftq"})
    assert other.untouched(other.apply(tiny.build("causal-llama"))) is None


@pytest.mark.parametrize("more", [PISSA, {"kind": "lora", "dora": True}])
def test_the_model_as_it_began_is_still_there(tiny: SimpleNamespace, more: dict[str, object]) -> None:
    method = Method.model_validate(more)
    model = method.apply(tiny.build("causal-llama")).eval()
    off = method.untouched(model)
    tiny.steps(model, 3)
    with torch.inference_mode():
        expected = tiny.build("causal-llama")(**tiny.inputs()).logits
        assert torch.equal(off(**tiny.inputs()).logits, expected)
        assert not torch.equal(model(**tiny.inputs()).logits, expected)
