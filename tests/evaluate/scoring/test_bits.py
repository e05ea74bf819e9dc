"""Bits per byte against the likelihood that transformers tells, and the bytes of what is scored, by hand."""

import math
from types import SimpleNamespace

import pytest
import torch

from danlu.bundle.bundle import load
from danlu.evaluate.scoring.bits import bits_per_byte, scored_bytes
from danlu.evaluate.scoring.examine import examine
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizers.bpe import Bpe

RECORDS = [{"text": text} for text in ("这本书写得很好，值得再读一遍。", "It broke after a week.", "物流 é slow")]


def test_bits_are_those_of_the_whole_text_by_its_bytes(tiny_bundle):
    bundle = load(tiny_bundle("causal_lm"))
    side = examine(bundle.task, bundle.stream, RECORDS, resamples=100, slices=None).side
    found = bits_per_byte(bundle.predictor, RECORDS, side, resamples=100)
    nats = 0.0
    for record in RECORDS:
        (item,) = bundle.task.encode([record], bundle.tokenizer, 128, labelled=False)
        ids = torch.from_numpy(item.row.input_ids.astype("int64"))[None]
        with torch.no_grad():
            nats += float(bundle.model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
    size = sum(len(record["text"].encode()) for record in RECORDS)
    assert found.bytes == size
    assert found.interval.value == pytest.approx(nats / math.log(2) / size, rel=1e-3)
    assert found.interval.low <= found.interval.value <= found.interval.high
    masked = load(tiny_bundle("masked_lm"))
    assert bits_per_byte(masked.predictor, RECORDS, side, resamples=100) is None


@pytest.mark.parametrize("begins", [True, False])
@pytest.mark.parametrize(("too_long", "limit"), [("stop", 128), ("truncate", 9), ("split", 9)])
def test_only_the_bytes_of_tokens_that_are_predicted_count(begins, too_long, limit):
    tokenizer = Bpe(size=300).build(lambda: iter(["a book is a book", "a week"]))
    if not begins:
        tokenizer.bos_token = None
    task = Task.model_validate({"kind": "causal_lm", "too_long": too_long})
    predictor = SimpleNamespace(task=task, tokenizer=tokenizer, network=SimpleNamespace(limit=limit), rewriters=[])
    text = "xyzé书 and more"
    (found,) = scored_bytes(predictor, [{"text": text}])
    first = task.encode([{"text": text}], tokenizer, limit, labelled=False)[0].row.input_ids.tolist()
    ordinary = [number for number in first if number not in tokenizer.all_special_ids]
    scored = ordinary if begins else ordinary[1:]
    told = tokenizer.decode(scored) if too_long == "truncate" else text if begins else text[1:]
    assert begins == (first[0] in tokenizer.all_special_ids)
    assert found == pytest.approx(
        len(told.encode()), abs=4 * (too_long == "truncate")
    )  # the last may be half a character
