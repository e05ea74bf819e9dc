"""What single methods do beyond the contract."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForCausalLM, GPT2Config

from danlu.model.replica import replica
from danlu.refusal import Refusal
from danlu.train.run import TrainingRun
from danlu.tuning.method import Method


def trained(model: torch.nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_head_trains_the_classifier_and_the_pooler(tiny: SimpleNamespace) -> None:
    model = Method.model_validate("head").apply(tiny.build("classify-bert"))
    assert trained(model) == {
        "classifier.weight",
        "classifier.bias",
        "bert.pooler.dense.weight",
        "bert.pooler.dense.bias",
    }


def test_head_leaves_the_embeddings_alone_that_a_language_model_shares(tiny: SimpleNamespace) -> None:
    model = Method.model_validate("head").apply(tiny.build("masked-bert"))
    assert "bert.embeddings.word_embeddings.weight" not in trained(model)
    assert "cls.predictions.transform.dense.weight" in trained(model)


def test_head_refuses_where_nothing_is_left_to_train() -> None:
    config = GPT2Config(vocab_size=60, n_embd=32, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=2)
    model = AutoModelForCausalLM.from_config(config)
    with pytest.raises(Refusal, match="use full or lora"):
        Method.model_validate("head").apply(model)


def test_lora_adds_as_many_numbers_as_the_formula_says(tiny: SimpleNamespace) -> None:
    model = Method.model_validate({"kind": "lora", "rank": 4, "targets": ["query"]}).apply(tiny.build("tag-bert"))
    added = sum(p.numel() for name, p in model.named_parameters() if "lora_" in name)
    assert added == 2 * 4 * (32 + 32)  # layers * rank * (inputs + outputs)


@pytest.mark.parametrize(("rslora", "scale"), [(True, 16 / 16**0.5), (False, 16 / 16)])
def test_lora_scales_by_its_rank(tiny: SimpleNamespace, rslora: bool, scale: float) -> None:
    method = Method.model_validate({"kind": "lora", "rank": 16, "targets": ["key"], "rslora": rslora})
    model = method.apply(tiny.build("tag-bert")).eval()
    layer = model.base_model.model.bert.encoder.layer[0].attention.self.key
    torch.nn.init.normal_(layer.lora_B["default"].weight)
    update = scale * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    before = layer.base_layer.weight.detach().clone()
    merged = method.merge(model)
    after = merged.bert.encoder.layer[0].attention.self.key.weight
    torch.testing.assert_close(after, before + update, atol=1e-6, rtol=1e-5)


def test_lora_reaches_every_linear_layer_of_the_trunk_by_default(tiny: SimpleNamespace) -> None:
    model = Method.model_validate("lora").apply(tiny.build("causal-llama"))
    names = {name.split(".lora_A")[0].rpartition(".")[2] for name in trained(model) if "lora_A" in name}
    assert names == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert not [name for name in trained(model) if "lm_head" in name]


def test_lora_auto_takes_the_usual_layers_of_the_family(tiny: SimpleNamespace) -> None:
    model = Method.model_validate({"kind": "lora", "targets": "auto"}).apply(tiny.build("classify-bert"))
    names = {name.split(".lora_A")[0].rpartition(".")[2] for name in trained(model) if "lora_A" in name}
    assert names == {"query", "value"}


def test_lora_names_the_layers_there_are_when_a_target_is_misspelt(tiny: SimpleNamespace) -> None:
    with pytest.raises(Refusal, match=r"'querry'; did you mean 'query'\?; there are: dense, key, query, value"):
        Method.model_validate({"kind": "lora", "targets": ["querry"]}).apply(tiny.build("classify-bert"))


def test_a_misspelt_key_is_refused_with_the_nearest_spelling() -> None:
    with pytest.raises(ValidationError, match="did you mean 'rank'"):
        Method.model_validate({"kind": "lora", "rnak": 8})


def test_lora_trains_the_fresh_classifier_and_the_pooler_too(tiny: SimpleNamespace) -> None:
    names = trained(Method.model_validate("lora").apply(tiny.build("classify-bert")))
    whole = {name.split(".modules_to_save")[0].rpartition(".")[2] for name in names if "lora_" not in name}
    assert whole == {"classifier", "pooler"}


def test_replicas_of_a_lora_model_share_its_weights(tiny: SimpleNamespace) -> None:
    model = Method.model_validate("lora").apply(tiny.build("classify-bert")).eval()
    second = replica(model)
    tiny.steps(model, 3)
    with torch.inference_mode():
        assert torch.equal(second(**tiny.inputs()).logits, model(**tiny.inputs()).logits)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # a name that peft still uses
@pytest.mark.parametrize("shape", ["classify-bert", "classify-gpt2", "causal-llama"])
@pytest.mark.parametrize("rslora", [True, False])
def test_plain_peft_opens_what_lora_has_saved(tiny: SimpleNamespace, tmp_path: Path, shape: str, rslora: bool) -> None:
    from peft import PeftModel

    method = Method.model_validate({"kind": "lora", "rank": 4, "alpha": 5, "rslora": rslora})
    model = method.apply(tiny.build(shape)).eval()
    tiny.steps(model, 3)
    method.save(model, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    theirs = PeftModel.from_pretrained(tiny.build(shape), str(tmp_path)).eval()
    with torch.inference_mode():
        assert torch.equal(theirs(**tiny.inputs()).logits, model(**tiny.inputs()).logits)
        assert not torch.equal(tiny.build(shape)(**tiny.inputs()).logits, model(**tiny.inputs()).logits)


def test_an_adapter_of_other_settings_is_refused(tiny: SimpleNamespace, tmp_path: Path) -> None:
    """The scale is not seen in the weights, and would change every answer."""
    method = Method.model_validate({"kind": "lora", "alpha": 16})
    method.save(method.apply(tiny.build("tag-bert")), tmp_path)
    other = Method.model_validate({"kind": "lora", "alpha": 8})
    with pytest.raises(
        Refusal, match=r"adapter_config.json: 'lora_alpha' is 16.0 there and 8.0 here; give the settings"
    ):
        other.load(tiny.build("tag-bert"), tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"] is None


def test_lower_layers_move_at_lower_rates(tiny: SimpleNamespace) -> None:
    method = Method.model_validate({"kind": "full", "layer_decay": 0.5})
    groups = method.groups(method.apply(tiny.build("classify-bert")), 10)
    factors = {name: group.factor(0) for group in groups for name in group.names}
    assert factors["classifier.weight"] == factors["bert.pooler.dense.bias"] == 1.0
    assert factors["bert.encoder.layer.1.output.dense.weight"] == 0.5
    assert factors["bert.encoder.layer.0.attention.self.query.bias"] == 0.25
    assert factors["bert.embeddings.word_embeddings.weight"] == 0.125
    assert all(group.factor(9) == group.factor(0) for group in groups)


@pytest.mark.parametrize("unfreeze", [3, 0.25])
def test_layers_begin_to_move_from_the_top(
    tiny: SimpleNamespace, made_run: Callable[..., TrainingRun], tmp_path: Path, unfreeze: float
) -> None:
    """Of 12 steps a quarter is 3: the head from step 0, the embeddings from step 9."""
    ends: dict[int, dict[str, torch.Tensor]] = {}
    for stop in (3, 6, 9, 12):
        method = Method.model_validate({"kind": "full", "unfreeze": unfreeze})
        run = made_run(method.apply(tiny.build("classify-bert")), method, tmp_path / str(stop), steps=12, rate=1e-3)
        run.total = stop
        ends[stop] = run.train("run", None).weights
    start = dict(tiny.build("classify-bert").named_parameters())
    first = {"classifier": 3, "bert.pooler": 3, "bert.encoder.layer.1": 6, "bert.encoder.layer.0": 9, "bert.emb": 12}
    for name, value in start.items():
        (moves,) = (stop for part, stop in first.items() if name.startswith(part))
        assert [stop for stop in ends if torch.equal(ends[stop][name], value)] == [s for s in ends if s < moves], name


@pytest.mark.parametrize(
    ("unfreeze", "sentence"),
    [
        (4, "4 for each of the 3 layers below the head comes to 12 steps, and the training has 12; write less than 4"),
        (0.5, "comes to 18 steps, and the training has 12; write less than 0.333"),
    ],
)
def test_layers_that_would_never_move_are_refused(tiny: SimpleNamespace, unfreeze: float, sentence: str) -> None:
    method = Method.model_validate({"kind": "full", "unfreeze": unfreeze})
    with pytest.raises(Refusal, match=sentence):
        method.groups(method.apply(tiny.build("classify-bert")), 12)


def test_without_settings_full_has_no_groups(tiny: SimpleNamespace) -> None:
    assert not Method.model_validate("full").groups(tiny.build("classify-bert"), 12)


def test_a_parallel_adapter_adds_to_what_feed_forward_layers_say_what_it_makes_of_what_they_are_given(
    tiny: SimpleNamespace,
) -> None:
    """The formula of He et al. 2022, in the uppermost block, whose input is taken from the block below."""
    model = Method.model_validate({"kind": "adapter", "placement": "parallel", "size": 3}).apply(tiny.build("tag-bert"))
    tiny.steps(model.eval(), 2)
    said = model(tiny.inputs()["input_ids"], output_hidden_states=True).hidden_states
    block, plain = model.bert.encoder.layer[1], tiny.build("tag-bert").bert.encoder.layer[1]
    added, given = block.intermediate.dense.adapter, block.attention(said[1])[0]
    inner = plain.output.dense(torch.nn.functional.gelu(plain.intermediate.dense(given)))
    beside = added.up(torch.nn.functional.gelu(added.down(given)))
    torch.testing.assert_close(said[2], plain.output.LayerNorm(inner + beside + given))
    assert beside.abs().max() > 0.01
