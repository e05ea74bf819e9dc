"""Documents that share a row: the task learns the same of them, whatever its network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import DebertaV2Config, DebertaV2ForMaskedLM, PreTrainedModel

from danlu.model.fast import use_our_attention
from danlu.model.source import Source
from danlu.model.weightless import weightless
from danlu.refusal import Refusal
from danlu.task.corruptions.ul2 import MODES
from danlu.task.packing import DOCUMENTS, packed_rows
from danlu.task.task import Task
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.batching.flat import FlatTokens
from danlu.text.batching.rows import Rows, write_rows
from danlu.text.batching.shards import Manifest
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.extended import Extended

TEXTS = ["举头望明月，低头思故乡，床前明月光。", "All that glisters is not gold", "明月几时有？", "a cat"]
PAIRS = [{"text": text, "target": other} for text, other in zip(TEXTS, reversed(TEXTS), strict=True)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    source = TokenizerSource.model_validate({"kind": "wordpiece", "size": 200, "min_frequency": 1})
    return source.build(lambda: iter(TEXTS))


def network(architecture: str, task: Task, tokenizer: Tokenizer) -> tuple[Task, PreTrainedModel]:
    fields = {"layers": 2, "width": 16, "heads": 2, "positions": 240}
    source = Source.model_validate({"kind": "scratch", "architecture": architecture} | fields)
    task = task.shaped(source.shape())
    model = source.build(task.auto_class, tokenizer, task.config()).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)), alpha=0.1)
    use_our_attention(model)
    return task.suited(model, tokenizer, pytest.fail), model


def learnt(task: Task, model: nn.Module, rows: list[Encoded], width: int, tokenizer: Tokenizer) -> list[Tensor]:
    batch = task.collate(rows, width, tokenizer, np.random.default_rng(3))
    value = task.loss(model, batch)["tokens"]
    weights = [each for each in model.parameters() if each.requires_grad]
    found = torch.autograd.grad(value, weights, allow_unused=True)
    return [value / batch.counts["tokens"], *(each for each in found if each is not None)]


def same(found: list[Tensor], right: list[Tensor]) -> None:
    """To 1e-5 of the loss, and of the largest gradient."""
    torch.testing.assert_close(found[0], right[0], rtol=1e-5, atol=0)
    most = max(each.abs().max().item() for each in right[1:])
    assert len(found) == len(right) > 10
    for one, other in zip(found[1:], right[1:], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * most)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "electra"])
def test_masked_tokens_have_the_loss_that_they_have_in_rows_of_their_own(
    architecture: str, tokenizer: Tokenizer
) -> None:
    """Documents stand in rows in the order in which they are packed, so the same tokens are drawn."""
    records = [{"text": text} for text in TEXTS]
    task, model = network(architecture, Task.model_validate({"kind": "masked_lm", "pack": True}), tokenizer)
    alone = task.model_copy(update={"pack": False}).encode(records, tokenizer, 120, labelled=True)
    alone.sort(key=len, reverse=True)
    (together,) = task.encode(records, tokenizer, 120, labelled=True)
    assert [len(together)] == [sum(map(len, alone))]
    right = learnt(task, model, alone, len(alone[0]) + 2, tokenizer)
    same(learnt(task, model, [together], len(together) + 5, tokenizer), right)


@pytest.mark.parametrize("architecture", ["bart", "t5", "marian", "gpt2", "llama"])
def test_what_is_written_has_the_loss_that_it_has_in_rows_of_its_own(architecture: str, tokenizer: Tokenizer) -> None:
    fields = {"kind": "rewrite", "pack": True, "label_smoothing": 0.1}
    task, model = network(architecture, Task.model_validate(fields), tokenizer)
    alone = task.model_copy(update={"pack": False}).encode(PAIRS, tokenizer, 120, labelled=True)
    rows = list(task.learnable(PAIRS, tokenizer, 120, 60))
    assert len(rows) < len(alone)
    right = learnt(task, model, alone, max(map(len, alone)) + 2, tokenizer)
    same(learnt(task, model, rows, max(map(len, rows)) + 4, tokenizer), right)


@pytest.mark.parametrize(
    ("architecture", "corruption"),
    [("bart", "bart"), ("t5", "t5"), ("marian", "ul2"), ("llama", "t5"), ("gpt2", "ul2")],
)
def test_what_is_mended_has_the_loss_that_it_has_in_rows_of_its_own(architecture: str, corruption: str) -> None:
    """Documents stand in the row in the order in which they are packed, so each is corrupted alike."""
    words = Extended(base=Bpe(size=300, mask="<mask>"), sentinels=60, special=tuple(MODES.values())).build(
        lambda: iter(TEXTS)
    )
    fields = {"kind": "denoise", "pack": True, "corruption": {"kind": corruption}}
    task, model = network(architecture, Task.model_validate(fields), words)
    records = [{"text": text} for text in TEXTS]
    alone = task.model_copy(update={"pack": False}).encode(records, words, 240, labelled=True)
    alone.sort(key=len, reverse=True)
    (together,) = task.encode(records, words, 240, labelled=True)
    sizes, apart = task.sizes([together], words), task.model_copy(update={"pack": False}).sizes(alone, words)
    assert (len(sizes), sizes.tokens) == (1, apart.tokens)
    right = learnt(task, model, alone, int(apart.widths.max()) + 2, words)
    same(learnt(task, model, [together], int(sizes.widths[0]) + 5, words), right)


@pytest.mark.parametrize("room", [60, 0])
@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "masked_lm", "too_long": "stop"},
        {"kind": "rewrite"},
        {"kind": "denoise", "too_long": "stop"},
        {"kind": "chat"},
    ],
)
def test_a_document_that_is_longer_than_a_row_makes_no_other_row_longer(
    fields: dict[str, Any], room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.task.packing.USUAL_ROW", 60)
    words = Bpe(size=300, mask="<mask>").build(lambda: iter(TEXTS))
    more = {"chat": {"template": "plain"}, "masked_lm": {}}.get(
        fields["kind"], {"start": 1, "shape": "encoder_decoder"}
    )
    task = Task.model_validate({"pack": True} | more | fields)
    texts = ["a cat"] * 20 + [" ".join(TEXTS * 3)]
    messages = [[{"role": "user", "content": text}, {"role": "assistant", "content": "b"}] for text in texts]
    records = [{"text": text, "target": "b", "messages": each} for text, each in zip(texts, messages, strict=True)]
    rows = task.learnable(records, words, 1 << 20, room)
    widths = sorted(task.sizes(rows, words).widths.tolist())
    assert widths[-1] > 120
    assert widths[-2] <= 60
    assert len(rows) < len(texts) or (fields["kind"] == "chat" and room == 0)
    if room == 0 and fields["kind"] != "chat":  # as long as the recipe says where it says so
        longer = task.model_copy(update={"max_length": 100, "too_long": "truncate"})
        longest = sorted(longer.sizes(longer.learnable(records[:-1], words, 1 << 20, room), words).widths.tolist())
        assert 60 < longest[-1] <= 100


@pytest.mark.parametrize("architecture", ["bart", "t5", "bert"])
def test_an_outline_is_taken_to_keep_documents_apart(architecture: str, tokenizer: Tokenizer) -> None:
    kind = "masked_lm" if architecture == "bert" else "rewrite"
    fields = {"layers": 2, "width": 16, "heads": 2, "positions": 60}
    source = Source.model_validate({"kind": "scratch", "architecture": architecture} | fields)
    task = Task.model_validate({"kind": kind, "pack": True}).shaped(source.shape())
    outline = weightless(source.outline(task.auto_class, tokenizer, task.config()))
    use_our_attention(outline)
    assert task.suited(outline, tokenizer, pytest.fail).pack  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", [24, 60])
@pytest.mark.parametrize("shape", ["decoder", "encoder_decoder"])
def test_no_side_of_documents_to_be_mended_gets_longer_than_was_planned(shape: str, size: int) -> None:
    words = Extended(base=Bpe(size=300, mask="<mask>"), sentinels=60).build(lambda: iter(TEXTS))
    fields = {"kind": "denoise", "pack": True, "corruption": {"kind": "t5", "density": 0.4}, "shape": shape}
    task = Task.model_validate(fields | ({"start": 1} if shape == "encoder_decoder" else {}))
    records = [{"text": text[:end]} for text in TEXTS for end in range(1, 12)]
    rows = list(task.learnable(records, words, 120, size))
    assert len(rows) < len(records)
    sizes = task.sizes(rows, words)
    assert sizes.widths.max() <= size
    assert sizes.targets is None or sizes.targets.max() <= size
    assert len(task.sizes([], words)) == 0
    for seed in range(3):
        batch = task.collate(rows, int(sizes.widths.max()), words, np.random.default_rng(seed))
        planned = sizes.widths if sizes.targets is None else sizes.targets
        assert ((batch.targets["tokens"] >= 0).sum(1).numpy() <= planned).all()
        assert batch.tokens <= sizes.tokens
        assert {"segments", "input_ids"} <= batch.inputs.keys()


def test_families_that_would_let_them_see_each_other_are_refused(tokenizer: Tokenizer) -> None:
    """DeBERTa has an attention of its own, which goes by nothing that a caller can give."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    model: Any = DebertaV2ForMaskedLM(DebertaV2Config(vocab_size=len(tokenizer), pad_token_id=0, **sizes))
    use_our_attention(model)
    task = Task.model_validate({"kind": "masked_lm", "pack": True})
    with pytest.raises(Refusal, match=r"task.pack: documents that share a row .* 'deberta-v2'; set 'pack' to false"):
        task.suited(model, tokenizer, pytest.fail)


@pytest.mark.parametrize("size", [8, 20, 60])
def test_every_document_is_in_one_row_whole_on_both_sides(size: int) -> None:
    rng = np.random.default_rng(size)
    windows = [
        Encoded(number, (Row(np.full(read, number, np.int32)),), target_ids=np.full(written, number, np.int32))
        for number, (read, written) in enumerate(rng.integers(1, 9, (40, 2)).tolist())
    ]
    rows = packed_rows(windows, size)
    assert all(len(row) <= size and row.target_ids is not None and len(row.target_ids) <= size for row in rows)
    found = {}
    for row in rows:
        assert row.row.segments is not None
        assert row.target_ids is not None
        assert row.teaches
        documents = -1 - row.targets[DOCUMENTS]
        for segment in range(int(row.row.segments[-1]) + 1):
            read, written = row.row.input_ids[row.row.segments == segment], row.target_ids[documents == segment]
            assert set(read) == set(written)
            found[int(read[0])] = (len(read), len(written))
    assert found == {item.record: (len(item), len(item.target_ids)) for item in windows if item.target_ids is not None}


def test_packed_rows_come_back_from_shards_and_flat_tokens_are_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    task = Task.model_validate({"kind": "rewrite", "pack": True, "shape": "encoder_decoder", "start": 1})
    rows = task.encode(PAIRS, tokenizer, 60, labelled=True)
    manifest = Manifest("rows", "", tuple(write_rows(tmp_path, [rows])))
    for one, other in zip(Rows(tmp_path, manifest), rows, strict=True):
        np.testing.assert_array_equal(one.targets[DOCUMENTS], other.targets[DOCUMENTS])
        np.testing.assert_array_equal(one.row.segments, other.row.segments)
    for kind in ("masked_lm", "denoise"):
        task = Task.model_validate({"kind": kind, "pack": True})
        with pytest.raises(Refusal, match=r"task.pack: documents of flat token files have rows of their own; write"):
            task.rows(FlatTokens.__new__(FlatTokens), tokenizer, 60, 60)
