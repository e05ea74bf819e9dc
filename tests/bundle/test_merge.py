"""Adapters of a bundle are made into one more, or folded into the weights of their base."""

import json
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import danlu
from danlu.bundle import adapter, golden, manifest
from danlu.bundle.adapt import room_for
from danlu.bundle.merge import combine, fold
from danlu.bundle.signature import new_key
from danlu.bundle.verify import verify
from danlu.cli.main import main
from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.model.sources.pretrained import Pretrained
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.tokenizing.folder import open_tokenizer
from danlu.tuning.method import Method

LORA = {"kind": "lora", "rank": 2}
LABELS = {"kind": "classify", "labels": ["negative", "positive"]}
ADAPTERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a": (LORA, LABELS),
    "b": (LORA | {"rank": 3, "alpha": 5}, LABELS),
    "words": (LORA, {"kind": "masked_lm"}),
    "more": (LORA, {"kind": "masked_lm"}),
    "others": (LORA, LABELS | {"labels": ["bad", "good"]}),
    "soft": ({"kind": "prompt", "size": 3}, LABELS),
    "biases": ({"kind": "bitfit"}, LABELS),
    "pooled": (LORA, LABELS | {"pooling": "mean", "head": [[1.0] * 33, [-1.0] * 33]}),
    "turned": (LORA, LABELS | {"pooling": "mean", "head": [[-2.0] * 33, [2.0] * 33]}),
    "last": (LORA, LABELS | {"pooling": "last", "head": [[1.0] * 33, [-1.0] * 33]}),
}


@pytest.fixture(scope="module")
def whole(made: Callable[[str, str], Path], tiny: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with all of them, as trainings leave them, but of random numbers; only to be read."""
    root = tmp_path_factory.mktemp("merging")
    base = Path(shutil.copytree(made("bert", "masked_lm"), root / "bundle"))
    facts, tokenizer = manifest.read(base), open_tokenizer(base, "base")
    for number, (name, (section, plain)) in enumerate(ADAPTERS.items()):
        task, method = Task.model_validate(plain), Method.model_validate(section)
        torch.manual_seed(number)
        model = method.apply(Pretrained(path=str(base)).build(task.auto_class, tokenizer, task.config()))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.1 * torch.randn_like(parameter))
        (root / name).mkdir()
        told = adapter.save(root / name, model, method, tokenizer, task, provenance={"stage": name})
        with Predictor(TorchNetwork(model.eval(), threads=1), task, tokenizer) as predictor:
            golden.write(root / name, predictor, [{"text": text} for text in tiny.texts[: 3 + number % 2]])
        adapter.put(root / name, told, base, facts, name)
    manifest.write(base, facts)
    return base


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


def test_the_average_of_adapters_serves_beside_them(whole: Path, tiny: SimpleNamespace, tmp_path: Path) -> None:
    place = combine(whole, {"a": 2, "b": 1}, "both", tmp_path / "copy")
    before, after = danlu.load(whole, "float32"), danlu.load(place, "float32")
    assert list(after.adapters) == [*ADAPTERS, "both"]
    assert after.adapters["both"]["provenance"] == {"combined": {"a": 2, "b": 1}, "summed": False}
    for name in ("a", "b"):  # switched to and fro
        assert before.predict(tiny.texts, name) == after.predict(tiny.texts, name)
    assert len({json.dumps(after.predict(tiny.texts, name)) for name in ("a", "b", "both", "base")}) == 4
    (method,) = (after.adapters["both"]["method"],)
    assert (method["rank"], method["kind"]) == (5, "lora")
    weights = {name: load_file(whole / "adapters" / name / "adapter_model.safetensors") for name in "ab"}
    head = "base_model.model.classifier.weight"
    found = load_file(place / "adapters/both/adapter_model.safetensors")[head]
    torch.testing.assert_close(found, (2 * weights["a"][head] + weights["b"][head]) / 3)
    assert verify(place) == []


def test_heads_that_tasks_have_of_their_own_are_averaged(whole: Path, tmp_path: Path) -> None:
    place = combine(whole, {"pooled": 1, "turned": 3}, "both", tmp_path / "copy")
    task = manifest.read(place)["adapters"]["both"]["task"]
    assert task["head"] == [[-1.25] * 33, [1.25] * 33]
    assert verify(place) == []


@pytest.mark.parametrize("name", ["a", "biases", "words"])
def test_what_is_folded_answers_as_the_adapter_did(
    whole: Path, tiny: SimpleNamespace, tmp_path: Path, name: str
) -> None:
    made = fold(whole, name, tmp_path / "plain")
    served, folded = danlu.load(whole, "float32", adapter=name), danlu.load(made.folder, "float32")
    assert folded.adapters == {}
    assert (made.asked, made.agreeing) == (len(golden.read(whole / "adapters" / name)["records"]),) * 2
    assert made.furthest < 1e-5
    rows = served.tokenizer(tiny.texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        found, expected = folded.model(**rows).logits, served.model(**rows).logits
    assert (found - expected).abs().max() < 1e-5 * max(1.0, expected.abs().max())
    assert folded.task == served.task
    assert verify(made.folder) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain"]


def test_what_makes_no_sense_is_one_sentence_and_nothing_is_written(whole: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    refused: list[tuple[dict[str, float], dict[str, Any], str]] = [
        ({"a": 1, "others": 1}, {}, r"differ in 'labels' \(negative, positive and bad, good\)"),
        ({"a": 1, "words": 1}, {}, r"differ in 'task' \(classify and masked_lm\), so nothing lies between them"),
        ({"a": 1, "soft": 1}, {}, r"differ in 'method' \(lora and prompt\)"),
        ({"a": 1, "b": 1}, {"summed": True}, r"has more than updates that can be added up \('.*pooler"),
        ({"a": 1, "bb": 1}, {}, "has no adapter 'bb'"),
        ({"pooled": 1, "turned": 1}, {"summed": True}, r"has more than updates that can be added up \('head'\)"),
        ({"pooled": 1, "last": 1}, {}, r"differ in 'task\.pooling' \(mean and last\).*the same labels and settings"),
        ({"a": 1, "base": 1}, {}, "'base' is the model without any adapter"),
        ({"a": 1, "b": -1}, {}, "'b' has the weight -1; write a number above 0"),
        ({"words": 1, "more": float("nan")}, {"summed": True}, "'more' has the weight nan; write another number"),
        ({"a": 1}, {}, "fewer than two adapters"),
        ({"a": 1, "b": 1}, {"name": "A"}, "has an adapter 'A' already"),
        ({"a": 1, "b": 1}, {"name": "../up"}, "cannot be the name of an adapter"),
        ({"a": 1, "b": 1}, {"output": tmp_path}, "is there already"),
        ({"a": 1, "b": 1}, {"output": whole / "inside"}, "lies in the bundle"),
    ]
    for weights, how, sentence in refused:
        with pytest.raises(Refusal, match=sentence) as told:
            combine(whole, weights, **{"name": "new", "output": new} | how)
        assert "\n" not in str(told.value)
    for name, sentence in (("soft", "cannot be folded into the weights"), ("base", "without any"), ("x", "no adapter")):
        with pytest.raises(Refusal, match=sentence):
            fold(whole, name, new)
    assert list(tmp_path.iterdir()) == []
    assert verify(whole) == []


def test_the_command_adds_up_folds_and_lets_the_signature_go(
    folder: Path, tiny: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*words: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["merge", str(folder), *words])
        told = capsys.readouterr()
        assert ended.value.code == code, told.err
        return told.out if code == 0 else told.err

    private, _ = new_key(str(tmp_path / "me"))
    manifest.sign(folder, private)
    said = call("words=1", "more=-0.5", "--sum", "--name", "sum")
    assert f"ask it with: danlu predict {folder} --adapter sum" in said
    assert "is not signed any more" in said
    assert verify(folder) == []
    base, parts = danlu.load(folder).model, [fold(folder, name, tmp_path / name).folder for name in ("words", "more")]
    whole = danlu.load(fold(folder, "sum", tmp_path / "sum").folder).model
    weights = [dict(danlu.load(part).model.named_parameters()) for part in parts]
    for name, value in whole.named_parameters():
        start = base.get_parameter(name)
        expected = start + (weights[0][name] - start) - 0.5 * (weights[1][name] - start)
        torch.testing.assert_close(value, expected, atol=1e-5, rtol=1e-5)
    said = call("a", "--output", str(tmp_path / "plain"))
    assert "on its 3 golden records numbers moved by at most" in said
    assert "and 3 of 3 answers agree" in said
    for words, sentence in (
        (["a"], "say where the bundle with the adapter in its weights is to be: --output FOLDER"),
        (["a", "b", "--output", "x"], "become one that needs a name: --name NAME"),
        (["a", "a=2", "--name", "x"], "'a' is named twice"),
        (["a=much", "b", "--name", "x"], "'a=much': expected the name of an adapter and a number"),
    ):
        assert sentence in call(*words, code=2)


def test_what_another_process_has_added_meanwhile_is_not_lost(folder: Path) -> None:
    facts, first = manifest.read(folder), ExitStack()
    begun = first.enter_context(room_for("one", folder, dict(facts), folder))
    with room_for("two", folder, dict(facts), folder) as second:
        manifest.write(second, facts | {"provenance": {"of": "two"}})
    manifest.write(begun, facts | {"provenance": {"of": "one"}})
    with pytest.raises(Refusal, match="another process has changed this bundle meanwhile"):
        first.close()
    assert manifest.read(folder)["provenance"] == {"of": "two"}
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]
