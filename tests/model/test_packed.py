import copy

import pytest
import torch
from torch import nn
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertIntermediate

import danlu.model.packed
from danlu.model.packed import PackedLinear, packed


@pytest.fixture(autouse=True)
def _small_layers_too(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "small" not in request.node.name:
        monkeypatch.setattr("danlu.model.packed._SMALLEST", 1)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(48, 96), nn.GELU(), nn.Sequential(nn.Linear(96, 32, bias=False)))


def test_packed_layers_compute_what_plain_ones_do_to_the_precision_of_bfloat16() -> None:
    model = network().bfloat16()
    hidden = torch.randn(3, 5, 48)
    with torch.inference_mode():
        expected = copy.deepcopy(model).double()(hidden.bfloat16().double())
        found = packed(model, {})(hidden.bfloat16())
    assert found.shape == (3, 5, 32)
    torch.testing.assert_close(found.double(), expected, atol=0.02, rtol=0.02)


def test_the_model_itself_stays_as_it_was_and_shares_its_weights() -> None:
    model = network().bfloat16()
    copied = packed(model, {})
    assert [type(module) for module in model.modules() if isinstance(module, nn.Linear)] == [nn.Linear, nn.Linear]
    shared = {parameter.data_ptr() for parameter in model.parameters()}
    assert {parameter.data_ptr() for parameter in copied.parameters()} == shared
    assert copied.state_dict().keys() == model.state_dict().keys()


@pytest.mark.parametrize("packed_rate", [0.9, 2.0])
def test_float32_is_packed_where_that_is_measured_to_be_faster(
    packed_rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {"linear, float32, plain": 1.0, "linear, float32, packed": packed_rate}
    monkeypatch.setattr("danlu.model.packed.best_ever", lambda _: rates)
    danlu.model.packed._pays_in_float32.cache_clear()
    model = network()
    copied = packed(model, {})
    danlu.model.packed._pays_in_float32.cache_clear()
    kinds = {type(module) for module in copied.modules() if hasattr(module, "in_features")}
    assert kinds == {PackedLinear if packed_rate > 1 else nn.Linear}
    for rows in (1, 3, 40):
        hidden = torch.randn(rows, 48)
        with torch.inference_mode():
            expected = copy.deepcopy(model).double()(hidden.double())
            torch.testing.assert_close(copied(hidden).double(), expected, atol=1e-5, rtol=1e-5)


def test_the_product_in_float32_is_measured_once_on_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, float]] = []

    def kept(rates: dict[str, float]) -> dict[str, float]:
        asked.append(dict(rates))
        return {name: rate for each in asked for name, rate in each.items()}

    monkeypatch.setattr("danlu.model.packed.best_ever", kept)
    for _ in range(2):
        danlu.model.packed._pays_in_float32.cache_clear()
        danlu.model.packed._pays_in_float32()
    danlu.model.packed._pays_in_float32.cache_clear()
    assert [len(each) for each in asked] == [0, 2, 0]
    assert all(rate > 1e6 for rate in asked[1].values())


def test_a_copy_that_does_not_fit_into_the_free_memory_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.model.packed._pays", lambda _: True)
    monkeypatch.setattr("danlu.model.packed.free_memory", lambda: 1000.0)
    assert not any(isinstance(module, PackedLinear) for module in packed(network(), {}).modules())


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="no bfloat16 in this processor")
def test_bfloat16_layers_are_packed_once_for_all_replicas() -> None:
    from danlu.model.replica import replica

    first = packed(network().bfloat16(), {})
    layers = [module for module in first.modules() if isinstance(module, PackedLinear)]
    again = [module for module in replica(first).modules() if isinstance(module, PackedLinear)]
    assert len(layers) == len(again) == 2
    assert all(one.packed is other.packed for one, other in zip(layers, again, strict=True))


def test_a_layer_that_a_hook_stands_at_stays_as_it_is() -> None:
    model = network().bfloat16()
    model[0].register_forward_hook(_doubled)
    hidden = torch.randn(2, 48).bfloat16()
    plain = copy.deepcopy(model)
    with torch.inference_mode():
        torch.testing.assert_close(packed(model, {})(hidden), plain(hidden), atol=0.02, rtol=0.02)


def _doubled(_module: nn.Module, _arguments: object, output: torch.Tensor) -> torch.Tensor:
    return 2 * output


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="no bfloat16 in this processor")
@pytest.mark.parametrize(("activation", "fused"), [("gelu", True), ("gelu_new", False), ("relu", False)])
def test_gelu_is_computed_within_the_product_and_other_activations_after_it(activation: str, fused: bool) -> None:
    torch.manual_seed(0)
    config = BertConfig(hidden_size=64, intermediate_size=256, hidden_act=activation)
    model = BertIntermediate(config).bfloat16()
    hidden = 2 * torch.randn(3, 5, 64).bfloat16()
    ready = packed(model, {})
    with torch.inference_mode():
        expected = copy.deepcopy(model).double()(hidden.double())
        found = ready(hidden)
    torch.testing.assert_close(found.double(), expected, atol=0.02, rtol=0.02)
    assert isinstance(ready.intermediate_act_fn, nn.Identity) == fused
    assert not isinstance(model.intermediate_act_fn, nn.Identity)


def test_a_small_layer_stays_plain_beside_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.model.packed._pays", lambda _: True)
    copied = packed(nn.Sequential(nn.Linear(48, 96), nn.Linear(96, 2048)), {})
    assert [type(module) for module in copied] == [nn.Linear, PackedLinear]
