"""What cannot be exported is refused in a sentence, and leaves nothing; what differs is no export."""

import copy
import json
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from servers import serving

import danlu
from danlu.bundle.bundle import load
from danlu.cli.main import main
from danlu.export import compare
from danlu.export.export import FEW_BITS, TOLERANCES, Exported, _tolerance, export
from danlu.export.feeds import SAMPLES, _shown
from danlu.export.target import Original, Target
from danlu.serve.limits import Limits
from danlu.serve.shelf import Place, Shelf

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def target(kind: str, precision: str | None = None) -> Target:
    return Target.model_validate({"kind": kind} | ({} if precision is None else {"precision": precision}))


@pytest.fixture
def classify(tiny_bundle: Callable[[str], Path]) -> Path:
    return tiny_bundle("classify")


def refused(folder: Path, to: Path, chosen: Target, words: str, **settings: Any) -> None:
    before = sorted(path.name for path in to.parent.iterdir())
    with pytest.raises(danlu.Refusal, match=words):
        export(folder, to, chosen, **settings)
    assert sorted(path.name for path in to.parent.iterdir()) == before


def test_a_difference_is_a_failure_and_leaves_nothing(
    classify: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a tracer makes that leaves something out."""
    from danlu.export import graph_file

    def slightly_other(model: Any) -> Any:
        other = copy.deepcopy(model)
        with torch.no_grad():
            other.classifier.bias += 0.01
        return other

    monkeypatch.setattr(graph_file, "copy", SimpleNamespace(deepcopy=slightly_other))
    refused(classify, tmp_path / "out", target("onnx"), "differs from the original by 0.01 .* so nothing was exported")


def test_each_size_of_batch_is_compared(classify: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = []
    said = compare._said

    def look(model: Any, inputs: Any, call: Any) -> Any:
        seen.append(tuple(inputs["input_ids"].shape))
        return said(model, inputs, call)

    monkeypatch.setattr(compare, "_said", look)
    export(classify, tmp_path / "out", target("onnx"))
    assert sorted({*seen}) == [(rows, tokens) for rows in (1, 3, 8) for tokens in (7, 32, 128)]


def test_places_that_are_taken_and_exports_of_exports_are_refused(
    classify: Path, tmp_path: Path, exported: Callable[..., Exported]
) -> None:
    (tmp_path / "there").mkdir()
    refused(classify, tmp_path / "there", target("onnx"), "there: is there already; name a folder that is not")
    again = exported("classify", "onnx").path
    refused(again, tmp_path / "out", target("onnx"), "is an export already, for the engine onnx")


def test_scales_without_records_are_refused(classify: Path, tmp_path: Path) -> None:
    refused(classify, tmp_path / "out", target("onnx", "int8_static"), "give some: --calibration DATA")


@pytest.mark.parametrize(("package", "extra"), [("onnxruntime", "onnx"), ("openvino", "openvino")])
def test_an_engine_that_is_not_installed_is_named_with_its_extra(
    exported: Callable[..., Exported], classify: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str,
    extra: str
) -> None:  # fmt: skip
    pytest.importorskip(package)
    folder = exported("classify", extra).path
    monkeypatch.setitem(sys.modules, package, None)
    remedy = rf"needs the package '{package}'; run: pip install 'danlu\[{extra}\]'"
    refused(classify, tmp_path / "out", target(extra), remedy)
    with pytest.raises(danlu.Refusal, match=remedy):
        danlu.load(folder)


def test_an_export_computes_in_its_own_precision_alone(exported: Callable[..., Exported]) -> None:
    folder = exported("classify", "onnx").path
    with danlu.load(folder, "float32"):
        pass
    with pytest.raises(danlu.Refusal, match="for the engine onnx in float32, and computes in nothing else"):
        danlu.load(folder, "bfloat16")


def test_labels_that_were_changed_and_graphs_of_others_are_refused(
    exported: Callable[..., Exported], tmp_path: Path
) -> None:
    from danlu.bundle import manifest

    folder = tmp_path / "other"
    shutil.copytree(exported("classify", "onnx").path, folder)
    shutil.copyfile(exported("regress", "onnx").path / "model.onnx", folder / "model.onnx")
    manifest.write(folder, manifest.facts_in(folder, manifest.NAME, "bundle", ""))
    with pytest.raises(danlu.Refusal, match="the model does not answer"):
        danlu.load(folder)


def test_weights_beside_the_graph_lie_in_its_folder_alone(exported: Callable[..., Exported], tmp_path: Path) -> None:
    import onnx

    from danlu.bundle import manifest

    folder = tmp_path / "outside"
    shutil.copytree(exported("classify", "onnx").path, folder)
    onnx.save_model(
        onnx.load(folder / "model.onnx"), str(tmp_path / "m.onnx"), save_as_external_data=True, location="w.data",
        size_threshold=0,
    )  # fmt: skip
    graph = (tmp_path / "m.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(graph.replace(b"w.data", b"../w.d", 1))
    shutil.copyfile(tmp_path / "w.data", tmp_path / "w.d")
    manifest.write(folder, manifest.facts_in(folder, manifest.NAME, "bundle", ""))
    with pytest.raises(danlu.Refusal, match="no graph that ONNX Runtime opens"):
        danlu.load(folder)


@pytest.mark.parametrize("precision", ["int8_dynamic", "int8_static"])
def test_eight_bits_are_smaller_and_say_how_many_answers_agree(
    exported: Callable[..., Exported], precision: str
) -> None:
    found = exported("classify", "onnx", precision, tuple(range(12)))
    assert found.asked == 12
    assert 0 < found.furthest < 0.1
    assert found.agreeing >= 10
    with danlu.load(found.path) as bundle:
        assert bundle.network.number_format == "int8"
        assert bundle.facts["provenance"]["exported"]["agreeing"] == found.agreeing


def test_answers_that_are_numbers_alone_agree_in_few_bits_only_where_they_are_near() -> None:
    numbers, labels = [{"value": 1.0}, {"vector": [0.5, 0.1]}], [{"label": "good", "scores": {"good": 0.9}}]
    assert _tolerance("int8_static", numbers) == FEW_BITS["int8"]
    assert _tolerance("int4_weights", numbers) == FEW_BITS["int4_weights"]
    assert _tolerance("int4_weights", labels) == float("inf")
    assert _tolerance("bfloat16", labels) == _tolerance("bfloat16", numbers) == TOLERANCES["bfloat16"]


def test_what_is_shown_is_drawn_from_all_records() -> None:
    records = [{"text": str(number)} for number in range(5000)]
    shown = _shown(Original(None, records))  # type: ignore[arg-type]
    assert len(shown) == SAMPLES
    assert int(shown[-1]["text"]) > 4500


def test_what_is_served_is_what_an_export_answers_in_process(exported: Callable[..., Exported]) -> None:
    folder = exported("classify", "onnx").path
    texts = ["这本书写得很好", "慢", "物流太慢" * 5]
    with load(folder, threads=1) as bundle:
        expected = json.loads(json.dumps(bundle.predict(texts)))
    shelf = Shelf([Place("reviews", str(folder), threads=1)])
    shelf.open()
    try:
        with serving(shelf, Limits(patience=120)) as live:
            found = live.post("/v1/predict", {"model": "reviews", "records": [{"text": text} for text in texts]})
    finally:
        shelf.close()
    for one, other in zip(found.json()["predictions"], expected, strict=True):
        assert one["label"] == other["label"]
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16"])
def test_a_plain_folder_is_opened_by_transformers_and_holds_nothing_of_ours(
    classify: Path, tmp_path: Path, precision: str
) -> None:
    import transformers
    from safetensors import safe_open

    found = export(classify, tmp_path / "out", target("safetensors", precision))
    assert not found.opens
    assert not {"danlu.json", "golden.json"} & {path.name for path in found.path.iterdir()}
    with safe_open(found.path / "model.safetensors", "pt") as stored:
        kinds = {stored.get_slice(name).get_dtype() for name in stored.keys()}  # noqa: SIM118
    assert kinds == {{"float32": "F32", "float16": "F16", "bfloat16": "BF16"}[precision]}
    ids = transformers.AutoTokenizer.from_pretrained(found.path)("这本书", return_tensors="pt")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(found.path, dtype=torch.float32)
    with danlu.load(classify) as bundle:
        assert (bundle.model(**ids).logits - model(**ids).logits).abs().max() < 0.02


def test_an_export_that_learns_scales_asks_nobody_and_prints_one_line(
    classify: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nncf")

    def refuse(*given: Any, **settings: Any) -> None:
        raise AssertionError("the network was asked for")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    data = tmp_path / "data.jsonl"
    data.write_text(
        "".join(json.dumps({"text": text}) + "\n" for text in ("这本书", "太慢", "物流太慢值得") * 4), "utf-8"
    )
    words = ["export", str(classify), str(tmp_path / "out"), "--to", "openvino", "--precision", "int8_static"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--calibration", str(data)])
    assert ended.value.code == 0
    told = capfd.readouterr()
    assert (told.out + told.err).count("\n") == 1
    assert "on 12 records numbers moved by at most" in told.out
    assert not (tmp_path / "home").exists()
    with danlu.load(tmp_path / "out") as bundle:
        assert len(bundle.predict(["这本书"])) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--to", "onxx"], "there is no target 'onxx'; did you mean 'onnx'?"),
        (
            ["--to", "openvino", "--precision", "int8_dynamic"],
            "--precision 'int8_dynamic': openvino has 'float32', 'bfloat16', 'int8_static', 'int8_weights' or",
        ),
        (["--calibration", "nowhere.jsonl"], "nowhere.jsonl"),
        (
            ["--calibration", "data.csv"],
            "record 1 has no column 'text', which the task classify reads; there are: body",
        ),
    ],
)
def test_wrong_words_are_refused_in_a_sentence(
    words: list[str], sentence: str, classify: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text("body,label\nfine,good\n")
    with pytest.raises(SystemExit) as ended:
        main(["export", str(classify), "out", *words])
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err
    assert not Path("out").exists()


def test_where_weights_are_wanted_an_export_is_told_as_one(exported: Callable[..., Exported]) -> None:
    from transformers import AutoTokenizer

    from danlu.bundle.adapt import adapt
    from danlu.model.sources.pretrained import Pretrained

    folder = exported("classify", "onnx").path
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with pytest.raises(danlu.Refusal, match=r"holds a graph for another engine .*exported from"):
        Pretrained(path=str(folder)).build("AutoModelForSequenceClassification", tokenizer, {})
    with pytest.raises(danlu.Refusal, match="is computed by 'onnx', without adapters"):
        adapt(folder, folder.parent / "adapter", name="a")


def test_an_export_of_few_bits_is_explained_by_what_needs_no_gradient(exported: Callable[..., Exported]) -> None:
    folder = exported("classify", "onnx", "int8_dynamic", tuple(range(12))).path
    (told,) = danlu.explained(folder, ["这本书写得很好"], "occlusion", checked=False)
    assert told.words
    with pytest.raises(danlu.Refusal, match="gradient"):
        danlu.explained(folder, ["这本书写得很好"], "integrated_gradients")
