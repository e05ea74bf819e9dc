"""A base and its adapters: each answers as the training that made it did, and the base stays itself."""

import gc
import json
import pickle
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import danlu
from danlu.bundle.adapt import adapt
from danlu.bundle.manifest import sign
from danlu.bundle.signature import new_key
from danlu.bundle.verify import verify
from danlu.cli.main import main
from danlu.machine.door import content_digest
from danlu.machine.files import sha256
from danlu.refusal import Refusal
from danlu.stages.run import Run

LETTERS = "这家店的东西我昨天收到看了一下觉得真是喜欢失望"
TRAIN = {"rate": 2e-2, "batch_tokens": 128, "threads": 1, "precision": "float32", "evaluate": 4, "steps": 8}
TEXTS = ["这家店真是失望", "喜欢", "昨天收到的东西我觉得一下", "看了喜欢"]
ADAPTERS = ("liked", "length", "words")


@pytest.fixture
def folder(adapted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(adapted, tmp_path / "bundle"))


def close(one: Any, other: Any) -> bool:
    if isinstance(one, float):
        return one == pytest.approx(other, rel=2e-5, abs=2e-6)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    return bool(one == other)


def test_each_adapter_answers_as_the_merged_bundle_of_its_training(trained: Run, adapted: Path) -> None:
    bundle = danlu.load(adapted, "float32")
    for name in ADAPTERS:
        merged = danlu.load(trained[name], "float32").predict(TEXTS)
        asked = bundle.predict(TEXTS, adapter=name)
        assert close(asked, merged), name
        assert asked == merged or name != "length"  # bit by bit, where nothing is added to a product
        assert not close(asked, danlu.load(trained["base"], "float32").predict(TEXTS))
    assert bundle.predict(TEXTS, "liked")[0]["scores"].keys() == {"喜", "失"}
    assert bundle.predict(TEXTS, "length")[0]["scores"].keys() == {"3 long", "8 long", "13 long"}


def test_the_base_is_what_it_was_while_adapters_are_asked(trained: Run, adapted: Path) -> None:
    alone, bundle = danlu.load(trained["base"]), danlu.load(adapted)
    weights = {name: value.clone() for name, value in alone.model.named_parameters()}
    for name in ("base", *ADAPTERS, "base"):
        bundle.predict(TEXTS, name)
    assert bundle.predict(TEXTS) == bundle.predict(TEXTS, "base") == alone.predict(TEXTS)
    assert all(torch.equal(value, weights[name]) for name, value in bundle.model.named_parameters())
    assert (
        load_file(adapted / "model.safetensors").keys()
        == load_file(trained["base"] / "bundle/model.safetensors").keys()
    )


def test_threads_that_ask_different_adapters_at_once_get_the_right_answers(adapted: Path) -> None:
    with danlu.load(adapted) as one:
        expected = {name: one.predict(TEXTS, name) for name in ("base", *ADAPTERS)}
    before = set(threading.enumerate())
    with danlu.load(adapted) as bundle, ThreadPoolExecutor(8) as callers:
        names = ["base", *ADAPTERS] * 10
        found = list(callers.map(lambda name: bundle.predict(TEXTS, name), names))
        answering = {thread for thread in set(threading.enumerate()) - before if thread.name.startswith("danlu-")}
        assert len(answering) == bundle.network.cores  # one queue for all of them
    assert all(close(answers, expected[name]) for name, answers in zip(names, found, strict=True))
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_beside_the_base_lies_only_what_was_added(adapted: Path, precision: str) -> None:
    bundle = danlu.load(adapted, precision)
    bundle.predict(TEXTS)
    base = {parameter.data_ptr() for parameter in bundle.model.parameters()}
    packed = {id(pair[1]) for pair in bundle.network._packed.values()}
    for name in ADAPTERS:
        bundle.predict(TEXTS, name)
        network = bundle.predictor_of(name).network
        held = sum(p.numel() for p in network.model.parameters() if p.data_ptr() not in base)
        (file,) = (adapted / "adapters" / name).glob("*.safetensors")
        added = sum(value.numel() for value in load_file(file).values())
        heads = added if name == "liked" else 0  # peft keeps a head as it was beside the trained one
        assert added <= held <= added + heads
        again = [weight for weight, laid in network._packed.values() if id(laid) not in packed]
        assert not [weight for weight in again if weight.data_ptr() in base]
    answers = [danlu.load(adapted, precision).predict(TEXTS, name) for name in ADAPTERS]
    assert [bundle.predict(TEXTS, name) for name in ADAPTERS] == answers


def test_danlu_json_names_base_and_adapters_and_every_file(trained: Run, adapted: Path) -> None:
    facts = json.loads((adapted / "danlu.json").read_text("utf-8"))
    assert facts["format"] == 3
    assert facts["base"] == danlu.load(trained["base"]).facts["base"]
    assert list(facts["adapters"]) == list(danlu.load(adapted).adapters) == list(ADAPTERS)
    for name in ADAPTERS:
        told = facts["adapters"][name]
        assert told.keys() == {"danlu", "task", "method", "cleaners", "tokenizer", "base", "provenance", "hash"}
        assert told["provenance"]["stage"] == name
        inside = {path.relative_to(adapted).as_posix() for path in (adapted / "adapters" / name).iterdir()}
        assert inside == {file for file in facts["files"] if file.startswith(f"adapters/{name}/")}
        assert f"adapters/{name}/golden.json" in inside
    assert len({told["hash"] for told in facts["adapters"].values()}) == 3


def test_a_file_of_an_adapter_that_changed_is_named(folder: Path) -> None:
    path = folder / "adapters" / "length" / "added.safetensors"
    opened = danlu.load(folder)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(Refusal, match=r"added\.safetensors: the file has changed since"):
        danlu.load(folder)
    with pytest.raises(Refusal, match=r"added\.safetensors: the file has changed since"):
        opened.predict(TEXTS, "length")  # which was not opened before the change
    assert opened.predict(TEXTS, "liked")
    path.write_bytes(data)
    (folder / "adapters" / "length" / "more.safetensors").write_bytes(data)
    with pytest.raises(Refusal, match="is not part of the bundle as it was saved"):
        danlu.load(folder)


def rewrite(folder: Path, change: Any, file: str = "danlu.json") -> None:
    """Other facts in `danlu.json`, or `adapter.json`, with hashes that agree with what lies there."""
    facts = json.loads((folder / file).read_text("utf-8"))
    change(facts)
    for name, told in facts["files"].items():
        told |= {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)}
    (folder / file).write_text(json.dumps(facts | {"digest": content_digest(facts)}), "utf-8")


def test_verify_replays_the_golden_outputs_of_each_adapter(folder: Path) -> None:
    assert verify(folder) == []
    path = folder / "adapters" / "liked" / "golden.json"
    golden = json.loads(path.read_text("utf-8"))
    golden["predictions"][1]["scores"]["喜"] += 0.01
    path.write_text(json.dumps(golden), "utf-8")
    rewrite(folder, lambda facts: None)
    (difference,) = verify(folder)
    assert difference.startswith("adapter liked, example 2, scores, 喜: was ")


def test_an_adapter_is_refused_on_any_other_base(trained: Run, folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["bert.encoder.layer.0.output.dense.bias"][0] += 1e-6
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    rewrite(folder, lambda facts: None)
    with pytest.raises(Refusal, match="belongs to other base weights than these") as told:
        adapt(folder, trained["words"], "again")
    assert "\n" not in str(told.value)
    with pytest.raises(Refusal, match="belongs to other base weights than these"):
        danlu.load(folder).predict(TEXTS, "words")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_an_adapter_of_another_tokenizer_or_other_answers_is_refused(
    trained: Run, adapted: Path, tmp_path: Path
) -> None:
    other, drifted = (Path(shutil.copytree(trained["liked"] / "adapter", tmp_path / name)) for name in "ab")
    rewrite(other, lambda facts: facts.update(tokenizer="0"), "adapter.json")
    golden = json.loads((drifted / "golden.json").read_text("utf-8"))
    golden["predictions"][0]["label"] = "other"
    (drifted / "golden.json").write_text(json.dumps(golden), "utf-8")
    rewrite(drifted, lambda facts: None, "adapter.json")
    with pytest.raises(Refusal, match="was trained with another tokenizer than that of"):
        adapt(adapted, other, "again", tmp_path / "copy")
    with pytest.raises(Refusal, match=r"answers otherwise on .* than where it was trained \(example 1, label"):
        adapt(adapted, drifted, "again", tmp_path / "copy")
    (other / "weights.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(Refusal, match="expected safetensors"):
        adapt(adapted, other, "again", tmp_path / "copy")
    (drifted / "golden.json").unlink()
    with pytest.raises(Refusal, match=r"golden\.json: this file"):
        adapt(adapted, drifted, "again", tmp_path / "copy")
    with pytest.raises(Refusal, match=r"is no adapter, for there is no adapter\.json in it"):
        adapt(adapted, adapted, "again", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_names_that_are_taken_or_are_none_are_refused(trained: Run, folder: Path, tmp_path: Path) -> None:
    for name in ("base", "Base", "", "../up", "a b", "好", "x" * 65):
        with pytest.raises(Refusal, match="cannot be the name of an adapter"):
            adapt(folder, trained["liked"], name)
    with pytest.raises(Refusal, match="has an adapter 'LIKED' already"):
        adapt(folder, trained["liked"], "LIKED")
    with pytest.raises(Refusal, match="is there already"):
        adapt(folder, trained["liked"], "again", tmp_path)
    with pytest.raises(Refusal, match=r"has no adapter 'like'; did you mean 'liked'\?.*liked, length, words"):
        danlu.load(folder).predict(TEXTS, "like")
    with pytest.raises(Refusal, match=r"has no adapter 'x'; danlu adapt adds one"):
        danlu.load(trained["base"], adapter="x")
    rewrite(folder, lambda facts: facts["adapters"].update({"../up": facts["adapters"]["liked"]}))
    with pytest.raises(Refusal, match="cannot be the name of an adapter"):
        danlu.load(folder)


def test_a_signature_covers_adapters_and_goes_where_one_is_added(trained: Run, folder: Path, tmp_path: Path) -> None:
    private, public = new_key(str(tmp_path / "me"))
    sign(folder, private)
    assert danlu.load(folder, key=public).predict(TEXTS, "liked")
    adapt(folder, trained["words"], "again")
    with pytest.raises(Refusal, match="the bundle is not signed"):
        danlu.load(folder, key=public)
    sign(folder, private)
    rewrite(folder, lambda facts: facts["adapters"].pop("again"))
    with pytest.raises(Refusal, match="the signature does not fit"):
        danlu.load(folder, key=public)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_bundles_of_every_format_take_an_adapter(trained: Run, tmp_path: Path, number: int) -> None:
    folder = Path(shutil.copytree(trained["base"] / "bundle", tmp_path / "bundle"))

    def aged(facts: dict[str, Any]) -> None:
        facts["format"] = number
        for key in ("base", *(("engine", "tolerances") if number < 3 else ())):
            del facts[key]
        if number < 3:
            facts["precision"] = "float32"

    rewrite(folder, aged)
    assert danlu.load(folder).adapters == {}
    adapt(folder, trained["length"], "length")
    told, base = danlu.load(folder), danlu.load(trained["base"])
    assert told.predict(TEXTS, "length") == danlu.load(trained["length"]).predict(TEXTS)
    assert (told.facts["format"], told.facts["base"]) == (3, base.facts["base"])
    assert verify(folder) == []


def test_what_is_asked_of_a_bundle_that_is_let_go_of_or_sent_elsewhere_is_answered(adapted: Path) -> None:
    before = set(threading.enumerate())
    bundle = danlu.load(adapted)
    expected = bundle.predict(TEXTS, "liked")
    assert close(pickle.loads(pickle.dumps(bundle)).predict(TEXTS, "liked"), expected)
    stream = danlu.load(adapted).stream(iter(TEXTS), "liked")
    gc.collect()
    assert close(list(stream), expected)
    serving = danlu.load(adapted, adapter="liked")
    assert close(serving.predict(TEXTS), expected)
    assert set(serving.task.label_names()) == {"喜", "失"}
    assert serving.predict(TEXTS, "base") == bundle.predict(TEXTS)
    del bundle, serving, stream
    gc.collect()
    assert set(threading.enumerate()) == before


def test_the_commands_add_ask_and_score_an_adapter(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "copy")

    def call(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*words])
        told = capsys.readouterr()
        assert ended.value.code == 0, told.err
        return told.out

    said = call("adapt", str(trained["base"]), str(trained["liked"]), "--name", "liked", "--output", folder)
    assert f"ask it with: danlu predict {folder} --adapter liked" in said
    asked = json.loads(call("predict", folder, "--text", TEXTS[0], "--adapter", "liked"))["prediction"]
    assert close(asked, danlu.load(trained["liked"]).predict(TEXTS[:1])[0])
    words = ("evaluate", folder, str(trained["clean"]), "--split", "validation", "--adapter", "liked")
    assert "accuracy" in call(*words).lower()
    assert "the golden outputs are the same" in call("verify", folder)
