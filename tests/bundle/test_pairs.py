"""Bundles that read two texts, give several labels or say a number: plain transformers opens them and says the same."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from danlu.bundle.bundle import load
from danlu.bundle.verify import verify
from danlu.model.padding import types_alike
from danlu.task.task import Task

PAIRS = [("这本书写得很好", "物流太慢"), ("好", "值得再读一遍。"), ("江泽民在北京", "The screen broke")]
TASKS = {
    "classify": {"labels": ["negative", "positive"]},
    "multilabel": {"labels": ["price", "fuel", "seat"], "threshold": 0.3},
    "regress": {"mean": 3.0, "deviation": 1.5},
}


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
@pytest.mark.parametrize("kind", TASKS)
def test_plain_transformers_opens_the_bundle_with_equal_logits(
    tiny: SimpleNamespace, tmp_path: Path, kind: str, architecture: str, pairs: bool
) -> None:
    task = Task.model_validate({"kind": kind, **TASKS[kind], "pairs": pairs})
    model, tokenizer, _ = tiny.parts(architecture, "classify")
    config = model.config
    config.update(task.config())
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_config(config)
    types_alike(model, tokenizer)
    records = [{"text": one, "text_pair": two} if pairs else {"text": one} for one, two in PAIRS]
    tiny.save(tmp_path / "b", model, tokenizer, task, examples=records)
    assert verify(tmp_path / "b") == []
    with load(tmp_path / "b", "float32") as bundle:
        predictions = bundle.predict(records)
        said = [outputs for outputs, _ in bundle.predictor.outputs(records)]
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "b").eval()
    words = AutoTokenizer.from_pretrained(tmp_path / "b")
    assert ("token_type_ids" in words("好", "好")) == (architecture == "bert")
    for (one, two), (output,), prediction in zip(PAIRS, said, predictions, strict=True):
        with torch.inference_mode():
            logits = plain(**words(one, two if pairs else None, return_tensors="pt")).logits[0]
        expected = {
            "classify": torch.log_softmax(logits, -1),
            "multilabel": torch.nn.functional.logsigmoid(logits),
            "regress": logits,
        }[kind]
        torch.testing.assert_close(torch.from_numpy(output), expected, rtol=1e-4, atol=1e-5)
        if kind == "regress":
            assert prediction["number"] == pytest.approx(3.0 + 1.5 * float(logits), rel=1e-4)


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_plain_transformers_says_the_same_of_a_row_with_marked_entities(
    tiny: SimpleNamespace, tmp_path: Path, architecture: str
) -> None:
    task = Task.model_validate({"kind": "relate", "labels": ["born-in(e1,e2)", "born-in(e2,e1)", "Other"]})
    model, tokenizer, _ = tiny.parts(architecture, "classify")
    config = model.config
    config.update(task.config())
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_config(config)
    texts = ["<e1>这本书</e1>写得<e2>很好</e2>", "The <e2>screen</e2> of [MASK] <e1>broke</e1>"]
    records = [{"text": text} for text in texts]
    tiny.save(tmp_path / "b", model, tokenizer, task, examples=records)
    assert verify(tmp_path / "b") == []
    with load(tmp_path / "b", "float32") as bundle:
        said = [*bundle.predictor.outputs(records)]
        assert [each["label"] in task.label_names() for each in bundle.predict(texts)] == [True, True]
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "b").eval()
    for (output,), (item,) in said:
        with torch.inference_mode():
            logits = plain(input_ids=torch.from_numpy(item.row.input_ids)[None].long()).logits[0]
        torch.testing.assert_close(torch.from_numpy(output), torch.log_softmax(logits, -1), rtol=1e-4, atol=1e-5)
