"""What is taken out is gone, and what is left says what the whole says without it."""

import copy
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel

from danlu.bundle import manifest
from danlu.compress.anatomy import FAMILIES, blocks, rows_first
from danlu.compress.prune import prune
from danlu.compress.pruning import Pruned, Pruning, Subject
from danlu.recipe.part import kinds
from danlu.refusal import Refusal
from danlu.sentences import in_language
from danlu.task.task import Task

IDS = torch.tensor([[5, 9, 23, 41, 7, 30], [11, 4, 8, 50, 19, 3]])
SIZES = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 60}


def network(kind):
    """A tiny one of random weights, of any family."""
    more = {"num_key_value_heads": 2, "head_dim": 8} if FAMILIES[kind].query else {}
    between = {"hidden_dim": 24} if kind == "distilbert" else {"n_inner": 24} if kind == "gpt2" else {}
    config = AutoConfig.for_model(
        kind, **SIZES, **more, **(between or {"intermediate_size": 24}), max_position_embeddings=40, pad_token_id=0
    )
    torch.manual_seed(1)
    model = AutoModel.from_config(config).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def alone(model):
    return Subject(model, None, Task.model_validate("classify"))


def hidden(model):
    with torch.no_grad():
        return model(input_ids=IDS).last_hidden_state


def reopened(model, folder):
    model.save_pretrained(folder)
    found, told = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    assert not told["mismatched_keys"]
    return found.eval()


def size(model):
    return sum(parameter.numel() for parameter in model.parameters())


def gone_rows(before, after):
    """Which rows of a matrix of random numbers another one lacks."""
    left = [next(i for i, row in enumerate(before) if torch.equal(row, other)) for other in after]
    assert left == sorted(set(left))
    return sorted(set(range(len(before))) - set(left))


@pytest.mark.parametrize("kind", FAMILIES)
def test_pruned_neurons_are_masked_neurons_in_every_family(kind, tmp_path):
    model, family = network(kind), FAMILIES[kind]
    pruning = Pruning.model_validate({"kind": "neurons", "share": 0.4, "importance": "magnitude", "multiple": 1})
    made = pruning.pruned(alone(model)).model
    masked = copy.deepcopy(model)
    lost = 0
    for old, new, mask in zip(blocks(model), blocks(made), blocks(masked), strict=True):
        linear, other = old.linear(family.into[0]), new.linear(family.into[0])
        sides = [each.weight if rows_first(each) else each.weight.T for each in (linear, other)]
        gone = gone_rows(*sides)
        assert len(gone) == 10  # of 24
        reads = mask.linear(family.out_of)
        with torch.no_grad():
            (reads.weight.T if rows_first(reads) else reads.weight)[gone] = 0
        biases = sum(getattr(old.linear(name), "bias", None) is not None for name in family.into)
        lost += 10 * (16 * (len(family.into) + 1) + biases)
    assert size(made) == size(model) - lost
    assert getattr(made.config, family.between) == 14
    assert torch.allclose(hidden(made), hidden(masked), atol=1e-5)
    assert not torch.allclose(hidden(made), hidden(model), atol=1e-2)
    assert torch.equal(hidden(reopened(made, tmp_path)), hidden(made))


@pytest.mark.parametrize("kind", FAMILIES)
def test_pruned_layers_are_layers_that_are_left_out(kind, tmp_path):
    model = network(kind)
    before = hidden(model)
    pruned = Pruning.model_validate({"kind": "layers", "share": 0.34, "importance": "top"}).pruned(alone(model))
    assert pruned.told["gone"] == [2]
    assert len(blocks(pruned.model)) == 2
    assert size(pruned.model) == size(model) - sum(p.numel() for p in blocks(model)[2].module.parameters())
    shorter, last = copy.deepcopy(model), blocks(model)[2].name
    parent, _, _ = last.rpartition(".")
    holder, _, name = parent.rpartition(".")
    setattr(shorter.get_submodule(holder), name, shorter.get_submodule(parent)[:2])
    shorter.config.num_hidden_layers = 2
    assert torch.allclose(hidden(pruned.model), hidden(shorter), atol=1e-5)
    assert torch.equal(hidden(reopened(pruned.model, tmp_path)), hidden(pruned.model))
    assert torch.equal(hidden(model), before)


@pytest.mark.parametrize("kind", [kind for kind, family in FAMILIES.items() if family.query])
@pytest.mark.parametrize("memories", [1, 2, 4])
def test_pruned_heads_are_masked_heads_where_a_family_has_room_for_fewer(kind, memories, tmp_path):
    model, family = network(kind), FAMILIES[kind]
    config = copy.deepcopy(model.config)
    config.num_key_value_heads = memories
    model = type(model)(config).eval()
    made = Pruning.model_validate({"kind": "heads", "share": 0.5, "importance": "magnitude"}).pruned(alone(model)).model
    masked = copy.deepcopy(model)
    for old, new, mask in zip(blocks(model), blocks(made), blocks(masked), strict=True):
        gone = gone_rows(old.linear(family.query).weight, new.linear(family.query).weight)
        assert len(gone) == 16  # two heads of four, 8 values each
        with torch.no_grad():
            mask.linear(family.attended).weight[:, gone] = 0
    assert (made.config.num_attention_heads, made.config.num_key_value_heads) == (2, max(1, memories // 2))
    assert torch.allclose(hidden(made), hidden(masked), atol=1e-5)
    assert torch.equal(hidden(reopened(made, tmp_path)), hidden(made))


def test_single_weights_become_zero_and_nothing_gets_smaller():
    model = network("bert")
    pruned = Pruning.model_validate({"kind": "magnitude", "share": 0.3}).pruned(alone(model))
    names = [name for name, value in model.named_parameters() if ".layer." in name and value.dim() == 2]
    names = [name for name in names if name.endswith("weight")]
    after = dict(pruned.model.named_parameters())
    kept = torch.cat([dict(model.named_parameters())[name][after[name] != 0].abs() for name in names])
    lost = torch.cat([dict(model.named_parameters())[name][after[name] == 0].abs() for name in names])
    assert len(lost) == round(0.3 * (len(lost) + len(kept)))
    assert lost.max() <= kept.min()
    assert size(pruned.model) == size(model)


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"kind": "heads", "share": 0.5}, "bert", "take out neurons or layers"),
        ({"kind": "heads", "share": 0.1}, "llama", "the share of one is 0.5"),
        ({"kind": "layers", "share": 0.1}, "bert", "leaves all of them; the share of one is 0.33"),
        ({"kind": "layers", "share": 0.9}, "bert", "leaves none"),
        ({"kind": "magnitude", "share": 1e-7}, "bert", "leaves all of them; the share of one is 0.000"),
        ({"kind": "neurons", "share": 0.01}, "bert", "raise 'share', or lower 'multiple'"),
        ({"kind": "neurons", "share": 0.5}, "bert", "there are none; give data"),
        ({"kind": "vocabulary"}, "bert", "there are none; give data"),
    ],
)
def test_what_cannot_be_pruned_is_refused_in_a_sentence(settings, kind, words):
    with pytest.raises(Refusal, match=words):
        Pruning.model_validate(settings).pruned(alone(network(kind)))


@pytest.mark.parametrize(
    ("settings", "kind", "told"),
    [
        ({"kind": "magnitude", "share": 1e-7}, "bert", "个权重里去掉 1e-07 的比例，剩下的是全部"),
        ({"kind": "layers", "share": 0.9}, "bert", "从 3 个层里去掉 0.9 的比例，剩下的是零个"),
        ({"kind": "heads", "share": 0.1}, "llama", "从 2 个注意力头组里去掉"),
    ],
)
def test_what_a_share_is_of_is_told_in_chinese_too(settings, kind, told):
    with pytest.raises(Refusal) as refused:
        Pruning.model_validate(settings).pruned(alone(network(kind)))
    assert told in in_language(str(refused.value), "zh")


def test_a_family_that_is_not_known_is_refused_with_its_layers_and_those_that_are():
    config = AutoConfig.for_model("albert", **SIZES, intermediate_size=24, embedding_size=8)
    model = AutoModel.from_config(config)
    for kind in ("neurons", "layers", "heads"):
        with pytest.raises(Refusal, match=r"family 'albert' \(encoder.albert_layer_groups.*bert, roberta"):
            Pruning.model_validate({"kind": kind, "share": 0.5}).pruned(alone(model))


def test_a_neuron_that_tells_nothing_goes_first(subject):
    given = subject()
    silent = {0: 17, 1: 3, 2: 60, 3: 41}
    with torch.no_grad():
        for block in blocks(given.model):
            block.linear("output.dense").weight[:, silent[block.number]] = 0
    before = [block.linear("intermediate.dense").weight.clone() for block in blocks(given.model)]
    made = Pruning.model_validate({"kind": "neurons", "share": 0.015, "multiple": 1}).pruned(given).model
    for block, rows in zip(blocks(made), before, strict=True):
        assert gone_rows(rows, block.linear("intermediate.dense").weight) == [silent[block.number]]


def test_a_layer_that_changes_nothing_goes_first(subject):
    given = subject()
    with torch.no_grad():  # GELU and both norms of a post-norm block do not let it be the identity; its sum nearly is
        block = blocks(given.model)[1]
        for name in ("attention.output.dense", "output.dense"):
            block.linear(name).weight.zero_()
            block.linear(name).bias.zero_()
    pruned = Pruning.model_validate({"kind": "layers", "share": 0.25}).pruned(given)
    assert pruned.told["gone"] == [1]


def test_every_pruning_leaves_a_bundle_that_answers(trained, learnt, unseen, tmp_path):
    from danlu.bundle.bundle import load
    from danlu.bundle.verify import verify
    from danlu.compress.rung import pruning_of

    pieces = {
        "neurons": "neurons:0.5",
        "layers": "layers:0.5",
        "magnitude": "magnitude:0.2",
        "vocabulary": "vocabulary",
    }
    assert {*pieces, "heads"} == set(kinds(Pruning))
    made = prune(trained, [pruning_of(piece) for piece in pieces.values()], tmp_path / "made", learnt)
    assert made.after < made.before
    with load(made.folder) as bundle:
        assert len(bundle.predict(unseen)) == len(unseen)
        assert [told["kind"] for told in bundle.facts["provenance"]["pruned"]] == [*pieces]
    assert verify(made.folder) == []
    with pytest.raises(Refusal, match="is there already"):
        prune(trained, [], tmp_path / "made", learnt)


def test_marks_move_with_the_texts_that_are_cleaned(tiny_bundle, tmp_path):
    folder, seen = tmp_path / "bundle", []
    shutil.copytree(tiny_bundle("tag"), folder)
    manifest.write(folder, manifest.read(folder) | {"cleaners": ["whitespace"]})
    text = "这  本书  写得很好"
    record = {"text": text, "entities": [{"start": 7, "end": 9, "label": "LOC"}]}

    def looked_at(subject):
        seen.extend(subject.records)
        return Pruned(subject.model, subject.tokenizer)

    prune(folder, [SimpleNamespace(pruned=looked_at)], tmp_path / "out", [record])
    (mark,) = seen[0]["entities"]
    assert seen[0]["text"] != text
    assert seen[0]["text"][mark["start"] : mark["end"]] == text[7:9]


def test_the_records_decide_what_goes(subject, learnt):
    """Neurons that only rows of one label need are spared where only these rows are shown."""
    from danlu.compress.importance import by_gradient
    from danlu.compress.prunings.neurons import units_of_neurons

    given = subject()
    one, other = (
        by_gradient(replace(given, records=[r for r in learnt if r["label"] == label]), units_of_neurons(given))
        for label in ("good", "bad")
    )
    assert not torch.allclose(one[3] / one[3].sum(), other[3] / other[3].sum(), rtol=0.05)


SORRY = {
    **dict.fromkeys(["distil_lm", "prefer", "replaced_token"], "reads other networks beside this one"),
    "denoise": "family 'bart'",
    "permuted_lm": "family 'xlnet'",
}


@pytest.mark.parametrize("kind", kinds(Task))
def test_the_bundle_of_every_task_is_pruned_and_answers_or_the_reason_is_said(tiny_bundle, kind, tmp_path):
    from danlu.bundle.bundle import load
    from danlu.compress.rung import pruning_of

    folder = tiny_bundle(kind)
    with load(folder) as bundle:
        task = bundle.task
    neurons = [pruning_of("neurons:0.5")]
    if kind in SORRY:
        with pytest.raises(Refusal, match=SORRY[kind]):
            prune(folder, neurons, tmp_path / "made", task.sample)
        return
    made = prune(folder, neurons, tmp_path / "made", task.sample)
    assert made.after < made.before
    with load(made.folder) as bundle:
        assert bundle.model.config.intermediate_size == 16  # of 24; what is left is a multiple of 8
        assert len(bundle.predict([task.tried()])) == 1
