"""Bundles: what is saved opens again, here and in plain transformers, and nothing that was tampered with does."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from danlu.bundle.bundle import load
from danlu.machine import files
from danlu.machine.door import content_digest
from danlu.refusal import Refusal

Made = Callable[[str, str], Path]
KINDS = {
    "classify": ("AutoModelForSequenceClassification", "text-classification"),
    "tag": ("AutoModelForTokenClassification", "token-classification"),
    "masked_lm": ("AutoModelForMaskedLM", "fill-mask"),
    "causal_lm": ("AutoModelForCausalLM", "text-generation"),
}
PAIRS = [("bert", "classify"), ("bert", "tag"), ("bert", "masked_lm")]
PAIRS += [(architecture, kind) for architecture in ("gpt2", "llama") for kind in ("classify", "tag", "causal_lm")]
PAIRS += [("gru", "causal_lm")]
every_pair = pytest.mark.parametrize(("architecture", "kind"), PAIRS)


@pytest.fixture
def folder(made: Made, tmp_path: Path) -> Path:
    """A copy of a bundle that a test may damage."""
    return Path(shutil.copytree(made("bert", "classify"), tmp_path / "bundle"))


@every_pair
def test_plain_transformers_opens_it_with_equal_logits(
    made: Made, tiny: SimpleNamespace, architecture: str, kind: str
) -> None:
    model, tokenizer, task = tiny.parts(architecture, kind)
    assert task.auto_class == KINDS[kind][0]
    path = made(architecture, kind)
    opened, told = getattr(transformers, task.auto_class).from_pretrained(path, output_loading_info=True)
    assert not any(told[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert opened.dtype == torch.float32
    rows = tokenizer(tiny.texts, return_tensors="pt", padding=True)
    assert transformers.AutoTokenizer.from_pretrained(path)(tiny.texts, padding=True)["input_ids"] == (
        rows["input_ids"].tolist()
    )
    kept = rows["attention_mask"].bool()
    with torch.inference_mode():
        expected = model.eval()(**rows).logits
        plain = opened.eval()(**rows).logits
        ours = load(path).model(**rows).logits
    assert torch.equal(plain, expected)
    kept = kept if expected.dim() == 3 else slice(None)  # padding sees what it likes
    torch.testing.assert_close(ours[kept], expected[kept], atol=1e-4, rtol=1e-4)


@every_pair
def test_a_pipeline_of_transformers_works_on_it(made: Made, architecture: str, kind: str) -> None:
    pipeline = transformers.pipeline(KINDS[kind][1], str(made(architecture, kind)))
    if kind == "masked_lm":
        assert len(pipeline("这本[MASK]写得很好")) == 5
    elif kind == "causal_lm":
        assert pipeline("这本", max_new_tokens=3, do_sample=False)[0]["generated_text"].startswith("这本")
    elif kind == "classify":
        text = "物流太慢"
        answer = load(made(architecture, kind)).predict([text])[0]
        found = pipeline(text)[0]
        assert found["label"] == answer["label"]
        assert found["score"] == pytest.approx(answer["scores"][answer["label"]], abs=1e-4)
        assert pipeline("物流太慢" * 50, truncation=True)
    else:
        assert {item["entity"] for item in pipeline("江泽民在北京")} <= {
            "O",
            "B-person",
            "I-person",
            "B-place",
            "I-place",
        }


@every_pair
def test_what_is_loaded_answers_in_order_for_texts_and_records(
    made: Made, tiny: SimpleNamespace, architecture: str, kind: str
) -> None:
    bundle = load(made(architecture, kind))
    answers = bundle.predict(tiny.texts)
    assert len(answers) == len(tiny.texts)
    assert json.loads(json.dumps(answers)) == answers
    assert bundle.predict([{"text": text} for text in tiny.texts]) == answers
    assert list(bundle.stream(iter(tiny.texts))) == answers
    golden = json.loads((bundle.folder / "golden.json").read_text("utf-8"))
    assert golden["predictions"] == answers


def test_one_text_without_a_list_is_refused(made: Made) -> None:
    with pytest.raises(Refusal, match=r"predict\(\[text\]\)"):
        load(made("bert", "classify")).predict("物流太慢")


def test_weights_in_bfloat16_are_saved_as_they_are_and_opened_in_either_precision(
    tiny: SimpleNamespace, tmp_path: Path
) -> None:
    model, tokenizer, task = tiny.parts("bert", "tag")
    model = model.to(torch.bfloat16)
    from danlu.bundle.bundle import save

    save(tmp_path / "b", model, tokenizer, task, precision="bfloat16", provenance={}, examples=[])
    saved = load_file(tmp_path / "b" / "model.safetensors")
    assert {tensor.dtype for tensor in saved.values()} == {torch.bfloat16}
    assert torch.equal(saved["classifier.weight"], model.classifier.weight.detach())
    assert model.dtype == torch.bfloat16
    assert load(tmp_path / "b").model.dtype == torch.bfloat16
    assert load(tmp_path / "b", "float32").model.dtype == torch.float32
    assert json.loads((tmp_path / "b" / "config.json").read_text())["dtype"] == "bfloat16"


def test_danlu_json_says_what_the_bundle_is(made: Made, tiny: SimpleNamespace) -> None:
    folder = made("bert", "classify")
    facts = json.loads((folder / "danlu.json").read_text("utf-8"))
    assert facts["format"] == 3
    assert facts["engine"] == {"kind": "torch", "precision": "float32"}
    assert facts["task"]["kind"] == "classify"
    assert facts["provenance"] == tiny.provenance
    assert facts["max_length"] == 48
    assert facts["files"].keys() == {path.name for path in folder.iterdir()} - {"danlu.json", "README.md"}
    assert facts["files"]["config.json"]["sha256"] == files.sha256(folder / "config.json")


def test_the_folder_of_a_stage_stands_for_the_bundle_in_it(made: Made, tmp_path: Path) -> None:
    shutil.copytree(made("bert", "classify"), tmp_path / "finetune" / "bundle")
    assert load(tmp_path / "finetune").folder == tmp_path / "finetune" / "bundle"


def test_a_changed_weight_is_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Refusal, match=r"model\.safetensors: the file has changed .* copy or train"):
        load(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(Refusal, match=r"tokenizer\.json: this file of the bundle is missing"):
        load(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "deep/weights.pkl", "last.ckpt", "MODEL.BIN"])
def test_a_pickle_is_refused_even_beside_good_weights(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"\x80\x04.")
    with pytest.raises(Refusal, match="expected safetensors"):
        load(folder)


@pytest.mark.parametrize(
    "name",
    ["adapter_config.json", "adapter_model.safetensors", "chat_template.jinja", "chat_templates/tool.jinja",
     "vocab.txt", "spiece.model", "evil.py", "custom_generate/generate.py"],
)  # fmt: skip
def test_an_added_file_that_transformers_would_read_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}")
    with pytest.raises(Refusal, match=f"{name}: this file is not part of the bundle"):
        load(folder)


def test_the_card_may_be_edited_and_notes_may_lie_beside(folder: Path) -> None:
    (folder / "README.md").write_text("mine")
    (folder / "notes.md").write_text("mine")
    load(folder)


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / "danlu.json"
    facts = json.loads(path.read_text("utf-8")) | changes
    path.write_text(json.dumps(facts | {"digest": content_digest(facts)}), "utf-8")


def test_hidden_files_may_lie_beside_adapters_too(folder: Path) -> None:
    (folder / "adapters" / "mine" / ".cache").mkdir(parents=True)
    for place in (".DS_Store", "adapters/mine/.DS_Store", "adapters/mine/.cache/found"):
        (folder / place).write_bytes(b"\0")
    assert load(folder).predict(["好"])


def test_a_newer_format_is_refused(folder: Path) -> None:
    rewrite(folder, format=99)
    with pytest.raises(Refusal, match=r"format 99 is newer than 3.*upgrade"):
        load(folder)


def test_an_unknown_task_is_refused(folder: Path) -> None:
    rewrite(folder, task={"kind": "clasify"})
    with pytest.raises(Refusal, match="did you mean 'classify'"):
        load(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "x"}', '{"format": 1}'])
def test_a_broken_danlu_json_is_refused(folder: Path, text: str) -> None:
    (folder / "danlu.json").write_text(text)
    with pytest.raises(Refusal, match=r"danlu\.json: "):
        load(folder)


def test_a_file_outside_the_folder_is_refused(folder: Path) -> None:
    rewrite(folder, files={"../secret": {"bytes": 1, "sha256": "0"}})
    with pytest.raises(Refusal, match="names no file of this folder"):
        load(folder)


def test_weights_that_do_not_fit_the_configuration_are_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    del weights["classifier.bias"]
    save_file(weights, path, {"format": "pt"})
    known = json.loads((folder / "danlu.json").read_text("utf-8"))["files"]
    known["model.safetensors"] = {"bytes": path.stat().st_size, "sha256": files.sha256(path)}
    rewrite(folder, files=known)
    with pytest.raises(Refusal, match=r"missing keys: classifier\.bias"):
        load(folder)


def test_no_bundle_and_no_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"there is no danlu\.json in it"):
        load(tmp_path)
    with pytest.raises(Refusal, match="no such folder"):
        load(tmp_path / "nothing")


def test_nothing_is_left_when_saving_fails_and_the_older_bundle_stays(tiny: SimpleNamespace, tmp_path: Path) -> None:
    folder = tiny.write(tmp_path / "bundle")
    before = {path.name: files.sha256(path) for path in folder.iterdir()}
    with pytest.raises(Refusal, match="record 1"):
        tiny.write(folder, examples=[{"txt": "no such column"}])
    assert {path.name: files.sha256(path) for path in folder.iterdir()} == before
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("tolerances", [[], {"float32": "2e-3"}, {"float32": [1]}, {"float32": 1e9}, {"float32": True}])
def test_tolerances_that_are_no_numbers_are_refused(folder: Path, tolerances: object) -> None:
    rewrite(folder, tolerances=tolerances)
    with pytest.raises(Refusal, match=r"danlu\.json: 'tolerances' must be a number below 1"):
        load(folder)


def test_a_precision_that_nothing_knows_is_refused(folder: Path) -> None:
    rewrite(folder, engine={"kind": "torch", "precision": ["float32"]})
    with pytest.raises(Refusal, match=r"danlu\.json: 'engine\.\S*precision' cannot be read \(Input should be 'auto'"):
        load(folder)
    with pytest.raises(Refusal, match="expected auto, float32 or bfloat16"):
        load(folder, "float7")
