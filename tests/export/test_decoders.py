"""Decoders write with an exported graph what they write with torch, and read each token once."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import danlu
from danlu.bundle.bundle import load, save
from danlu.export.export import Exported, export
from danlu.export.target import Target
from danlu.model.policy import Policy
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizers.bpe import Bpe

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

PROMPTS = ["这本书", "物流太慢物流太慢", "", "读"]


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_texts_are_those_of_torch_by_each_policy_side_by_side_and_alone(
    exported: Callable[..., Exported], tiny_bundle: Callable[[str], Path], engine: str
) -> None:
    folder = exported("causal_lm", engine).path
    with load(tiny_bundle("causal_lm"), threads=1) as right, load(folder, threads=1) as found:
        for policy in ("greedy", "beam", {"kind": "sample", "seed": 3}):
            chosen = {"kind": policy} if isinstance(policy, str) else policy
            chosen = Policy.model_validate(chosen | {"max_new_tokens": 8}).to_plain()
            wanted = [[each.text for each in texts] for texts in right.generate(PROMPTS, chosen)]
            assert [[each.text for each in texts] for texts in found.generate(PROMPTS, chosen)] == wanted
            alone = [found.generate([prompt], chosen)[0][0].text for prompt in PROMPTS[1:2]]
            assert chosen["kind"] == "sample" or alone == [wanted[1][0]]
        streamed = "".join(found.generate_stream(PROMPTS[0], "greedy", max_new_tokens=12))
        assert streamed == right.generate(PROMPTS[:1], "greedy", max_new_tokens=12)[0][0].text


@pytest.mark.parametrize("precision", ["int4_weights"])
def test_weights_of_few_bits_write_too_and_their_drift_is_kept_in_the_bundle(
    exported: Callable[..., Exported], precision: str
) -> None:
    found = exported("causal_lm", "onnx", precision)
    assert found.after < exported("causal_lm", "onnx").after
    with danlu.load(found.path) as bundle:
        told = bundle.facts["provenance"]["exported"]
        assert told["precision"] == precision
        assert (told["agreeing"], told["asked"], told["furthest"]) == (found.agreeing, found.asked, found.furthest)
        assert len(bundle.generate(["这本书"], max_new_tokens=5)[0][0].text) > 0


def test_products_that_no_group_of_weights_divides_are_exported_too(tmp_path: Path) -> None:
    """As those of stories260k, whose layers of 64 have 172 neurons."""
    pytest.importorskip("nncf")
    tokenizer = Bpe(size=270).build(lambda: iter(PROMPTS))
    sizes = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 172}
    torch.manual_seed(0)
    network = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **sizes))
    given = {"precision": "float32", "provenance": {}, "examples": [{"text": PROMPTS[0]}]}
    save(tmp_path / "bundle", network, tokenizer, Task.model_validate("causal_lm"), **given)
    target = Target.model_validate({"kind": "openvino", "precision": "int4_weights"})
    found = export(tmp_path / "bundle", tmp_path / "out", target)
    assert found.after < 0.6 * found.before
    with load(found.path) as bundle:
        assert bundle.generate(["这本书"], max_new_tokens=3)[0][0].ids.size == 3
