"""Bundles that answer questions: plain transformers opens them and says the same, and the threshold goes with them."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from danlu.bundle.bundle import load
from danlu.bundle.verify import verify
from danlu.model.padding import types_alike
from danlu.task.task import Task

ASKED = [
    {"context": "江泽民在北京", "question": "谁"},
    {"context": "The screen broke \n" * 40, "question": "好"},
]


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_plain_transformers_opens_the_bundle_with_equal_logits(
    tiny: SimpleNamespace, tmp_path: Path, architecture: str
) -> None:
    task = Task.model_validate({"kind": "answer", "no_answer": True, "threshold": 0.25, "max_length": 32})
    model, tokenizer, _ = tiny.parts(architecture, "classify")
    config = model.config
    config.update(task.config())
    torch.manual_seed(1)
    model = AutoModelForQuestionAnswering.from_config(config)
    types_alike(model, tokenizer)
    tiny.save(tmp_path / "b", model, tokenizer, task, examples=ASKED)
    assert verify(tmp_path / "b") == []
    with load(tmp_path / "b", "float32") as bundle:
        assert bundle.task == task
        predictions = bundle.predict(ASKED)
        said = [*bundle.predictor.outputs(ASKED)]
    plain = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "b").eval()
    words = AutoTokenizer.from_pretrained(tmp_path / "b")
    _, (window,) = said[0]
    inputs = words(ASKED[0]["question"], ASKED[0]["context"], return_tensors="pt")
    assert inputs["input_ids"][0].tolist() == window.row.input_ids.tolist()
    assert len(said[1][0]) > 1
    for outputs, windows in said:
        for logits_T2, item in zip(outputs, windows, strict=True):
            types = item.row.token_types
            inputs = {"input_ids": item.row.input_ids, **({"token_type_ids": types} if architecture == "bert" else {})}
            with torch.inference_mode():
                found = plain(**{name: torch.from_numpy(value)[None].long() for name, value in inputs.items()})
            expected = torch.stack([found.start_logits[0], found.end_logits[0]], -1)
            torch.testing.assert_close(torch.from_numpy(logits_T2), expected, rtol=1e-4, atol=1e-5)
    for record, prediction in zip(ASKED, predictions, strict=True):
        for each in prediction["answers"]:
            assert each["start"] is None or each["text"] == record["context"][each["start"] : each["end"]]
