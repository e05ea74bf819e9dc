"""An encoder and a decoder write with their graphs what they write with torch; a source is read once."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
import transformers
from transformers import BertConfig, EncoderDecoderConfig

import danlu
from danlu.bundle.bundle import load, save
from danlu.bundle.verify import verify
from danlu.engine.two_graphs import TwoSidedReader
from danlu.export.export import export
from danlu.export.graphs import write_graphs
from danlu.export.target import Original, Target
from danlu.model.policy import Policy, changed
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizers.bpe import Bpe

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

TEXTS = ["我门明天去公圆玩。", "he go to school by bus", "雨", "这件事情我已经知道的了，这件事情我已经知道的了。"]
HEADS = {
    f"{side}_{name}": value
    for side in ("encoder", "decoder")
    for name, value in {"layers": 2, "attention_heads": 2, "ffn_dim": 24}.items()
}
MADE = {"d_model": 16, "max_position_embeddings": 64} | HEADS
SMALL = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
WIDE = MADE | {"d_model": 64, "encoder_ffn_dim": 512, "decoder_ffn_dim": 512}
FAMILIES = {
    "bart": MADE, "marian": MADE, "mbart": MADE, "m2m_100": MADE, "pegasus": MADE, "blenderbot-small": MADE,
    "t5": SMALL, "mt5": SMALL, "encoder-decoder": {},
}  # fmt: skip
ENGINES = {"marian": "openvino", "t5": "openvino"}
"""By which engine a family is tried, where that is another than onnx; both compute the same graphs."""


@pytest.fixture(scope="module")
def bundle_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that gives a bundle of a family with random weights, which writes."""
    tokenizer = Bpe(size=280).build(lambda: iter(TEXTS))
    told = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}

    @cache
    def made(family: str) -> Path:
        begun = "pad" if family in ("marian", "t5", "mt5") else "eos"  # as those that are published
        told["decoder_start_token_id"] = getattr(tokenizer, f"{begun}_token_id")
        if family == "encoder-decoder":
            sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
            sides = [BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **sizes) for _ in range(2)]
            config = EncoderDecoderConfig.from_encoder_decoder_configs(*sides)
            config.pad_token_id, config.decoder_start_token_id = told["pad_token_id"], told["decoder_start_token_id"]
        else:
            name = {"wide": "marian"}.get(family, family)
            config = transformers.AutoConfig.for_model(name, **(WIDE if family == "wide" else FAMILIES[family]), **told)
        config.eos_token_id = tokenizer.eos_token_id
        torch.manual_seed(5)
        model = transformers.AutoModelForSeq2SeqLM.from_config(config).eval()
        with torch.no_grad():  # fresh weights of deviation 0.02 look at all alike, and write one token over and over
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
        task = Task.model_validate("rewrite").shaped("encoder_decoder").suited(model, tokenizer, print)
        task = task.model_copy(update={"policy": changed(task.policy, None, {"max_new_tokens": 12})})
        given = {"precision": "float32", "provenance": {}, "examples": list(task.sample[:1])}
        save(folder := tmp_path_factory.mktemp(family) / "bundle", model, tokenizer, task, **given)
        return folder

    return made


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_are_those_of_torch_by_each_policy_side_by_side_and_alone(
    bundle_of: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    target = Target.model_validate(ENGINES.get(family, "onnx"))
    found = export(bundle_of(family), tmp_path / "out", target)
    assert found.agreeing == found.asked
    with load(bundle_of(family), threads=1) as right, load(found.path, threads=1) as bundle:
        for policy in ({"kind": "greedy"}, {"kind": "beam", "beams": 3}, {"kind": "sample", "seed": 3}):
            chosen = Policy.model_validate(policy | {"max_new_tokens": 10}).to_plain()
            wanted = [[each.text for each in texts] for texts in right.generate(TEXTS, chosen)]
            assert [[each.text for each in texts] for texts in bundle.generate(TEXTS, chosen)] == wanted
            alone = [bundle.generate([text], chosen)[0][0].text for text in TEXTS[:2]]
            assert policy["kind"] == "sample" or alone == [texts[0] for texts in wanted[:2]]
        streamed = "".join(bundle.generate_stream(TEXTS[0], "greedy", max_new_tokens=12))
        assert streamed == right.generate(TEXTS[:1], "greedy", max_new_tokens=12)[0][0].text
    assert all(check.passed for check in verify(found.path))


def test_a_source_is_read_once_whatever_is_written_of_it(
    bundle_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = export(bundle_of("bart"), tmp_path / "out", Target.model_validate("onnx"))
    rows: list[int] = []
    with load(found.path, threads=1) as bundle:
        graph = bundle.network._writing
        read = graph.read
        monkeypatch.setattr(graph, "read", lambda ids, mask: rows.append(len(ids)) or read(ids, mask))
        bundle.generate(TEXTS, "beam", beams=3, max_new_tokens=8)
    assert sum(rows) == len(TEXTS)


def test_likelihoods_of_what_is_there_are_those_of_torch(tiny_bundle: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tiny_bundle("denoise")
    for kind in ("onnx", "openvino"):
        found = export(folder, tmp_path / kind, Target.model_validate(kind))
        with load(folder) as right, load(found.path) as bundle:
            records = [{"text": text} for text in TEXTS]
            wanted, said = right.predict(records), bundle.predict(records)
            key = "negative_log_likelihood"
            assert [each[key] for each in said] == pytest.approx([each[key] for each in wanted], rel=1e-4)


def test_few_bits_are_smaller_on_both_sides_and_scales_of_two_graphs_are_refused(
    bundle_of: Callable[[str], Path], tmp_path: Path
) -> None:
    sides = {"onnx": ("encoder.onnx", "model.onnx"), "openvino": ("encoder.weights", "openvino.weights")}
    records = [{"text": text, "target": text} for text in TEXTS]
    for kind, few in (("onnx", "int8_dynamic"), ("onnx", "int8_weights"), ("openvino", "int8_weights")):
        sizes = []
        for precision in ("float32", few):
            target = Target.model_validate({"kind": kind, "precision": precision})
            found = export(bundle_of("wide"), tmp_path / f"{kind}-{few}-{precision}", target)
            sizes.append([(found.path / name).stat().st_size for name in sides[kind]])
            with load(found.path) as bundle:
                assert len(bundle.predict(records)) == len(records)
        assert all(after < 0.7 * before for before, after in zip(*sizes, strict=True)), (kind, few, sizes)
    for kind in ("onnx", "openvino"):
        target = Target.model_validate({"kind": kind, "precision": "int8_static"})
        with pytest.raises(danlu.Refusal, match="learns scales of a single pass; choose int8_weights"):
            export(bundle_of("marian"), tmp_path / f"{kind}-static", target, records=records)
        assert not (tmp_path / f"{kind}-static").exists()


def test_each_side_is_traced_in_a_folder_of_its_own(bundle_of: Callable[[str], Path], tmp_path: Path) -> None:
    """Beyond 2 GB the tracer writes each weight to a file, under names that are the same on both sides."""
    with load(bundle_of("bart"), "float32") as bundle:
        _, paths = write_graphs(Original(bundle, []), tmp_path, "model.onnx", "encoder.onnx")
    assert [path.name for path in paths] == ["model.onnx", "encoder.onnx"]
    assert len({path.parent for path in paths}) == 2
    assert all(path.is_file() for path in paths)


def test_a_graph_of_one_side_alone_is_no_bundle(bundle_of: Callable[[str], Path], tmp_path: Path) -> None:
    found = export(bundle_of("bart"), tmp_path / "out", Target.model_validate("onnx"))
    (found.path / "encoder.onnx").unlink()
    with pytest.raises(danlu.Refusal, match=r"encoder\.onnx"):
        load(found.path)


def test_rows_join_and_leave_with_what_was_read_for_them(bundle_of: Callable[[str], Path], tmp_path: Path) -> None:
    """Sources of unlike lengths; one row leaves, and another begins while the others are under way."""
    from danlu.model.reader import Prompt, Whole

    folder = bundle_of("bart")
    found = export(folder, tmp_path / "out", Target.model_validate("onnx"))
    prompts = [Prompt((1,), tuple(range(5, 5 + length))) for length in (3, 9, 6)]
    with load(folder, "float32") as right, load(found.path) as bundle, torch.inference_mode():
        whole, tried = Whole(right.model, 0), TwoSidedReader(bundle.network.model, 0)
        for reader in (said := {}, other := {}):
            chosen = whole if reader is said else tried
            reader["first"] = chosen.enter(prompts[:2])
            reader["second"] = chosen.step([7, 8])
            reader["late"] = chosen.enter(prompts[2:])
            chosen.select([2, 1, 1])
            reader["turned"] = chosen.step([9, 10, 11])
            chosen.select([0])
            reader["alone"] = chosen.step([12])
        assert tried.beside["source_mask"].shape == (1, 6)  # what is left of three sources
        for name, logits in said.items():
            assert torch.allclose(other[name], logits, atol=1e-4), name
