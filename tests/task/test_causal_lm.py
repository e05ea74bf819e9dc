import math
import string

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.model.attention import NAME
from danlu.model.policies.greedy import Greedy
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.task.tasks.causal_lm import CausalLm
from danlu.text.batching.flat import FlatTokens, write_tokens
from danlu.text.batching.middles import SENTINELS
from danlu.text.batching.shards import Manifest
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.extended import Extended

TEXTS = ["床前明月光，疑是地上霜。", "a b", "All that glisters is not gold.", "", "举头望明月"]
RECORDS = [{"text": text} for text in TEXTS]


@pytest.fixture(scope="module")
def tokenizer():
    return Bpe(size=300).build(lambda: iter(TEXTS))


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def model(request, tokenizer):
    torch.manual_seed(0)
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    if request.param == "gpt2":
        config = GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=128, **ends)
        return GPT2LMHeadModel(config).eval()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        **ends,
    )
    return LlamaForCausalLM(config).eval()


def collate(task, rows, tokenizer, width):
    return task.collate(rows, width, tokenizer, np.random.default_rng(0))


def one_by_one(model, tokenizer, texts):
    """The plain loss of transformers, each document in a row of its own between its end tokens."""
    total = 0.0
    for text in texts:
        ids = torch.tensor([[0, *tokenizer(text)["input_ids"], 0]])
        total += cross_entropy(model(input_ids=ids).logits[0, :-1], ids[0, 1:], reduction="sum")
    return total


@pytest.mark.parametrize("attention", [NAME, "sdpa", "eager"])
def test_packed_documents_have_the_loss_and_gradients_that_they_have_alone(model, tokenizer, attention):
    model.set_attn_implementation("sdpa")
    alone = one_by_one(model, tokenizer, TEXTS)
    expected = torch.autograd.grad(alone, list(model.parameters()))
    task = CausalLm(max_length=64)
    rows = task.encode(RECORDS, tokenizer, 128, labelled=True)
    assert len(rows) < len(TEXTS)
    model.set_attn_implementation(attention)
    together = task.loss(model, collate(task, rows, tokenizer, 72))["tokens"]
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-4)
    for one, other in zip(torch.autograd.grad(together, list(model.parameters())), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_predicted_perplexity_is_that_of_plain_transformers(model, tokenizer):
    predictions = Predictor(TorchNetwork(model, threads=2), CausalLm(), tokenizer).predict(RECORDS)
    for text, prediction in zip(TEXTS, predictions, strict=True):
        total = one_by_one(model, tokenizer, [text]).item()
        tokens = len(tokenizer(text)["input_ids"]) + 1
        assert prediction["tokens"] == tokens
        assert prediction["negative_log_likelihood"] == pytest.approx(total, rel=1e-3)
        assert prediction["perplexity"] == pytest.approx(math.exp(total / tokens), rel=1e-2)


@pytest.mark.parametrize("pack", [True, False])
def test_every_token_of_a_long_text_is_predicted_once(tokenizer, pack):
    text = TEXTS[0] * 30
    ids = [0, *tokenizer(text)["input_ids"], 0]
    rows = CausalLm(pack=pack).encode([{"text": text}], tokenizer, 32, labelled=True)
    predicted = [
        token for row in sorted(rows, key=lambda row: row.start) for token in row.targets["tokens"] if token >= 0
    ]
    assert all(len(row) <= 32 for row in rows)
    assert sorted(predicted) == sorted(ids[1:])
    if not pack:
        assert predicted == ids[1:]


@pytest.mark.parametrize("too_long", ["split", "stop", "truncate"])
@pytest.mark.parametrize("limit", [8192, 100])
def test_packed_rows_are_as_long_as_the_batch_and_the_model_allow(tokenizer, too_long, limit):
    """Whichever is less; a document between the two stays whole where it may not be split."""
    room, task = 64, CausalLm(too_long=too_long)
    records = [{"text": TEXTS[2]}] * 40 + [{"text": "a b " * 22}]
    documents = CausalLm(pack=False, too_long=too_long).encode(records, tokenizer, limit, labelled=True)
    assert max(map(len, documents)) > room
    rows = task.learnable(records, tokenizer, limit, room)
    assert sum(len(row) for row in rows) >= sum(map(len, documents))
    longer = [len(row) for row in rows if len(row) > room]
    assert longer == ([] if too_long == "split" else [max(map(len, documents))])
    assert len(rows) >= sum(map(len, documents)) / room - 1
    assert sum((row.targets["tokens"] >= 0).sum() for row in rows) == sum(
        (row.targets["tokens"] >= 0).sum() for row in documents
    )
    assert max(map(len, task.learnable(records, tokenizer, limit, 8192))) <= limit


def test_where_examples_are_counted_rows_are_not_as_long_as_a_model_of_a_million_tokens_allows(tokenizer):
    records = [{"text": TEXTS[2]}] * 400
    for task, longest in ((CausalLm(), CausalLm.usual_row), (CausalLm(max_length=100), 100)):
        found = max(map(len, task.learnable(records, tokenizer, 10**6, 0)))
        assert longest / 2 < found <= longest


def test_labels_are_the_next_tokens_within_a_document(tokenizer):
    [row] = CausalLm().encode([{"text": "a b"}, {"text": "c"}], tokenizer, 64, labelled=True)
    ids, segments = row.row.input_ids, row.row.segments
    for place, label in enumerate(row.targets["tokens"]):
        last = place + 1 == len(ids) or segments[place + 1] != segments[place]
        assert label == (-100 if last else ids[place + 1])
    batch = collate(CausalLm(), [row], tokenizer, 16)
    lengths = np.bincount(segments)
    expected = [*range(lengths[0]), *range(lengths[1])]
    assert batch.inputs["position_ids"][0, : len(row)].tolist() == expected


def test_rows_with_one_document_need_neither_positions_nor_segments(tokenizer):
    rows = CausalLm(pack=False).encode(RECORDS, tokenizer, 64, labelled=True)
    assert list(collate(CausalLm(), rows, tokenizer, 64).inputs) == ["input_ids"]


def test_a_tokenizer_that_puts_its_own_begin_token_is_not_given_a_second(tokenizer):
    from tokenizers.processors import TemplateProcessing

    again = Bpe(size=300, begin="<s>").build(lambda: iter(TEXTS))
    begin = again.bos_token_id
    again.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", begin)])
    [row] = CausalLm(pack=False).encode([{"text": "a"}], again, 64, labelled=True)
    assert row.row.input_ids.tolist() == [begin, *again("a", add_special_tokens=False)["input_ids"], again.eos_token_id]


@pytest.fixture(scope="module")
def marked():
    """A tokenizer that names prefix, suffix and middle."""
    return Extended(base=Bpe(size=300), special=SENTINELS[0]).build(lambda: iter(TEXTS))


@pytest.mark.parametrize("room", [64, 4096])
def test_documents_with_their_middle_last_are_packed_as_others(marked, room):
    task, records = CausalLm(fill_in_the_middle=0.5), RECORDS * 20
    middle = marked.convert_tokens_to_ids(SENTINELS[0][2])
    packed = task.learnable(records, marked, 256, room)
    apart = CausalLm(fill_in_the_middle=0.5, pack=False).encode(records, marked, 256, labelled=True)
    assert max(map(len, packed)) <= min(room, 256)
    for rows in (packed, apart):
        turned = sum((row.row.input_ids == middle).sum() for row in rows)
        assert turned == sum((row.row.input_ids == middle).sum() for row in apart) > 20
    documents = [
        row.row.input_ids[row.row.segments == segment].tolist()
        for row in packed
        for segment in range(row.row.segments[-1] + 1)
    ]
    assert sorted(documents) == sorted(row.row.input_ids.tolist() for row in apart)
    again = task.learnable(records, marked, 256, room)
    assert all(np.array_equal(a.row.input_ids, b.row.input_ids) for a, b in zip(packed, again, strict=True))


def test_what_is_measured_is_the_text_as_it_stands(marked):
    plain, filled = CausalLm(), CausalLm(fill_in_the_middle=1)
    for one, other in zip(*(task.encode(RECORDS, marked, 64, labelled=False) for task in (plain, filled)), strict=True):
        assert np.array_equal(one.row.input_ids, other.row.input_ids)


def test_flat_tokens_have_no_middle(marked, tmp_path):
    shards = write_tokens(tmp_path, [[np.arange(9, dtype=np.int32)]], len(marked))
    flat = FlatTokens(tmp_path, Manifest("tokens", "", tuple(shards), {"vocabulary": len(marked)}))
    with pytest.raises(Refusal, match=r"{kind: causal_lm, fill_in_the_middle: 0\.5}' in the stage of kind"):
        CausalLm(fill_in_the_middle=0.5).rows(flat, marked, 8, 8)


@pytest.mark.parametrize("kind", ["causal_lm", "masked_lm", "denoise", "permuted_lm", "replaced_token"])
@pytest.mark.parametrize("too_long", ["stop", "truncate"])
def test_flat_tokens_know_no_records_to_cut_or_to_stop_at(kind, too_long, marked, tmp_path):
    shards = write_tokens(tmp_path, [[np.arange(9, dtype=np.int32)]], len(marked))
    flat = FlatTokens(tmp_path, Manifest("tokens", "", tuple(shards), {"vocabulary": len(marked)}))
    task = Task.model_validate({"kind": kind, "too_long": too_long})
    with pytest.raises(Refusal, match=f"task.too_long: flat token files .* {{kind: {kind}, too_long: {too_long}}}"):
        task.rows(flat, marked, 8, 8)


def test_flat_tokens_between_ends_that_no_row_has_are_refused(marked, tmp_path):
    """The ends of a document stand around no text that such a model is asked about."""
    shards = write_tokens(tmp_path, [[np.arange(9, dtype=np.int32)]], len(marked))
    flat = FlatTokens(tmp_path, Manifest("tokens", "", tuple(shards), {"vocabulary": len(marked)}))
    for kind in ("masked_lm", "permuted_lm", "replaced_token"):
        with pytest.raises(
            Refusal, match=f"so {kind} would learn other rows than it is asked with; write 'task: {kind}'"
        ):
            Task.model_validate({"kind": kind}).rows(flat, marked, 8, 8)


def test_a_gap_between_text_and_suffix_is_filled_by_a_model_that_has_learnt_to(marked):
    """Texts that name a number twice, so that only the suffix tells which one is missing."""
    records = [{"text": f"{number}{letter}{number}"} for letter in string.ascii_letters for number in range(4)]
    torch.manual_seed(0)
    size = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(marked), max_position_embeddings=32, **size))
    task = CausalLm(pack=False, fill_in_the_middle=1)
    rows = task.encode(records, marked, 32, labelled=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    order = np.random.default_rng(0)
    for _ in range(120):
        batch = collate(task, [rows[place] for place in order.choice(len(rows), 32)], marked, 8)
        (task.loss(model, batch)["tokens"] / batch.counts["tokens"]).backward()
        optimizer.step()
        optimizer.zero_grad()
    asked = [{"text": "", "suffix": f"c{number}"} for number in range(4)]
    predictor = Predictor(TorchNetwork(model.eval(), threads=2), task, marked)
    written = [texts[0].text for texts in predictor.write(asked, Greedy(max_new_tokens=8))]
    assert written == [str(number) for number in range(4)]
    with pytest.raises(Refusal, match="record 1: column 'suffix' must be text"):
        next(predictor.write([{"text": "x", "suffix": 3}], Greedy()))
