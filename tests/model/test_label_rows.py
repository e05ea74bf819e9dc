"""A head that is trained on with other labels: every row follows its label's name, and what is fresh is said."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import BertConfig, GPT2Config, LlamaConfig, PreTrainedModel, RobertaConfig

from danlu.bundle.bundle import load, save
from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.model.sources.pretrained import Pretrained
from danlu.recipe.part import find, kinds
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece
from danlu.tuning.method import Method

LETTERS = "这本书写得很好值读一遍物流太慢"
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
TEXTS = [{"text": LETTERS[start : start + 1 + start % 5]} for start in range(14)]
LABELS = {"classify": ("bad", "fair", "good"), "tag": ("city", "person")}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return WordPiece(size=60, min_frequency=1).build(lambda: iter([LETTERS]))


def task(kind: str, labels: tuple[str, ...]) -> Task:
    return Task.model_validate({"kind": kind, "labels": labels})


def trained(asked: Task, tokenizer: Tokenizer, family: str = "bert", **fields: Any) -> PreTrainedModel:
    """A network with a head that has made up its mind."""
    torch.manual_seed(4)
    named: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    named |= asked.config() | fields
    configs = {
        "bert": lambda: BertConfig(**SIZES, **named),
        "roberta": lambda: RobertaConfig(**SIZES, **named),
        "llama": lambda: LlamaConfig(**SIZES, **named),
        "gpt2": lambda: GPT2Config(n_embd=16, n_layer=1, n_head=2, **named),
    }
    network: PreTrainedModel = getattr(transformers, asked.auto_class).from_config(configs[family]())
    for name, parameter in network.named_parameters():
        parameter.data.mul_(20 if name.startswith(("classifier", "score")) else 1 if "pooler" in name else 6)
    return network.eval()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> dict[str, Path]:
    found = {}
    for kind, labels in LABELS.items():
        asked = task(kind, labels)
        found[kind] = tmp_path_factory.mktemp("bundles") / kind
        told: dict[str, Any] = {"precision": "float32", "provenance": {}, "examples": TEXTS[:2]}
        save(found[kind], trained(asked, tokenizer), tokenizer, asked, **told)
    return found


def answers(network: PreTrainedModel, asked: Task, tokenizer: Tokenizer) -> list[Any]:
    """The answer to each text; where every label has a score, which label is the likeliest, and which the next."""
    with Predictor(TorchNetwork(network.eval(), threads=1), asked, tokenizer) as predictor:
        found = predictor.predict(TEXTS)
    scores = [prediction.get("scores", {}) for prediction in found]
    ranked = [sorted(score, key=lambda label: -score[label]) for score in scores]
    return [(asked.form.value(prediction), order) for prediction, order in zip(found, ranked, strict=True)]


FORMS = ("bundle", "plain folder")
MERGED = [name for name in kinds(Method) if find(Method, name).mergeable]


@pytest.mark.parametrize(
    ("kind", "method", "form"),  # every two of them meet
    [(kind, name, FORMS[(n + m) % 2]) for n, kind in enumerate(LABELS) for m, name in enumerate(MERGED)],
)
def test_labels_in_another_order_answer_as_before(
    bundles: dict[str, Path], tmp_path: Path, tokenizer: Tokenizer, kind: str, method: str, form: str
) -> None:
    folder = bundles[kind]
    if form == "plain folder":
        folder = tmp_path / "plain"
        trained(task(kind, LABELS[kind]), tokenizer).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    before = answers(trained(task(kind, LABELS[kind]), tokenizer), task(kind, LABELS[kind]), tokenizer)
    assert len(set(map(str, before))) > 1
    turned = task(kind, LABELS[kind][::-1])
    said: list[str] = []
    torch.manual_seed(0)
    network = Pretrained(path=str(folder)).build(turned.auto_class, tokenizer, turned.config(), said.append)
    tuning = Method.model_validate({"kind": method} | ({"top": 1} if method == "layers" else {}))
    network = tuning.merge(tuning.apply(network))
    assert answers(network, turned, tokenizer) == before
    assert len(said) == 1
    assert re.search(r"its head was trained for the labels 'O|'bad', 'fair', 'good'; each row goes on under", said[0])


@pytest.mark.parametrize("family", ["bert", "roberta", "llama", "gpt2"])
@pytest.mark.parametrize("kind", LABELS)
def test_new_labels_get_new_rows_and_gone_ones_go(tmp_path: Path, tokenizer: Tokenizer, kind: str, family: str) -> None:
    before, after = task(kind, LABELS[kind]), task(kind, ("brand", LABELS[kind][1], "new", LABELS[kind][0]))
    old = trained(before, tokenizer, family)
    old.save_pretrained(tmp_path)
    said: list[str] = []
    new = Pretrained(path=str(tmp_path)).build(after.auto_class, tokenizer, after.config(), said.append)
    names = {place: name for name, place in before.config()["label2id"].items()}
    wanted = {name: place for place, name in after.config()["id2label"].items()}
    inputs = torch.tensor([[5, 6, 7, 8, 9]])
    with torch.no_grad():
        logits, expected = new.eval()(inputs).logits, old(inputs).logits
    for place, name in names.items():
        if name in wanted:
            torch.testing.assert_close(logits[..., wanted[name]], expected[..., place])
    assert logits.shape[-1] == len(wanted) == new.config.num_labels
    assert new.config.id2label == after.config()["id2label"]
    fresh = wanted["brand" if kind == "classify" else "B-brand"]
    assert 0 < float(logits[..., fresh].abs().max()) < float(expected.abs().max())
    if kind == "classify":
        assert "new and fresh: 'brand', 'new'; gone: 'good'" in said[0]
    else:
        assert "new and fresh: 'B-brand', 'I-brand', 'B-new', 'I-new'" in said[0]


@pytest.mark.parametrize("labels", [("gut", "mittel", "schlecht"), ("gut", "schlecht")])
def test_a_head_of_other_labels_begins_fresh_and_says_so(
    bundles: dict[str, Path], tokenizer: Tokenizer, labels: tuple[str, ...]
) -> None:
    """As many labels as before are no reason to take the rows over."""
    asked = task("classify", labels)
    said: list[str] = []
    network = Pretrained(path=str(bundles["classify"])).build(asked.auto_class, tokenizer, asked.config(), said.append)
    old = load(bundles["classify"], "float32").model
    assert network.classifier.weight.std().item() < 0.05 < old.classifier.weight.std().item()
    assert not network.classifier.bias.any()
    assert "none of the labels ('gut', " in said[0]
    assert said[0].endswith("so the head begins fresh")


@pytest.mark.parametrize(("labels", "kept"), [(("1", "0"), True), (("yes", "no"), False)])
def test_rows_without_names_are_the_labels_that_are_their_numbers(
    tmp_path: Path, tokenizer: Tokenizer, labels: tuple[str, ...], kept: bool
) -> None:
    unnamed = {"id2label": {0: "LABEL_0", 1: "LABEL_1"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}
    trained(task("classify", ("0", "1")), tokenizer, **unnamed).save_pretrained(tmp_path)
    expected = answers(trained(task("classify", ("0", "1")), tokenizer), task("classify", ("0", "1")), tokenizer)
    asked, said = task("classify", labels), list[str]()
    network = Pretrained(path=str(tmp_path)).build(asked.auto_class, tokenizer, asked.config(), said.append)
    assert (answers(network, asked, tokenizer) == expected) is kept
    assert said[0].endswith("each row goes on under its name" if kept else "so the head begins fresh")


@pytest.mark.parametrize("kind", ["classify", "tag", "masked_lm"])
def test_a_head_that_is_not_there_is_said_and_one_that_fits_is_not(
    tmp_path: Path, tokenizer: Tokenizer, kind: str
) -> None:
    asked = Task.model_validate({"kind": kind} | ({"labels": LABELS[kind]} if kind in LABELS else {}))
    network = trained(asked, tokenizer)
    network.save_pretrained(tmp_path / "whole")
    network.base_model.save_pretrained(tmp_path / "trunk")
    said: list[str] = []
    Pretrained(path=str(tmp_path / "whole")).build(asked.auto_class, tokenizer, asked.config(), said.append)
    assert said == []
    Pretrained(path=str(tmp_path / "trunk")).build(asked.auto_class, tokenizer, asked.config(), said.append)
    assert len(said) == 1
    assert re.search(r"trunk: holds no weights that fit '(classifier|cls)\..*, so these begin fresh", said[0])
