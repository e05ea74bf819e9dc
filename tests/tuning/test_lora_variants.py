"""What `dora` and `init: pissa` add to lora, against their formulas and plain peft."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError

from danlu.tuning.method import Method

every_shape = pytest.mark.parametrize("shape", ["classify-bert", "classify-gpt2", "causal-llama"])
PISSA = {"kind": "lora", "rank": 3, "init": "pissa"}


@every_shape
def test_pissa_begins_as_the_base_with_the_best_approximation_of_each_weight(tiny: SimpleNamespace, shape: str) -> None:
    """Eckart and Young, 1936: what is left has the norm of the other singular values."""
    plain, model = tiny.build(shape), Method.model_validate(PISSA).apply(tiny.build(shape)).eval()
    with torch.inference_mode():
        torch.testing.assert_close(model(**tiny.inputs()).logits, plain(**tiny.inputs()).logits, atol=1e-5, rtol=1e-5)
    layers = [module for module in model.modules() if hasattr(module, "lora_A")]
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


def test_dora_and_pissa_are_refused_together() -> None:
    with pytest.raises(ValidationError, match="takes a second one off; leave out one of them"):
        Method.model_validate({"kind": "lora", "dora": True, "init": "pissa"})


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
