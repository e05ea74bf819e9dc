"""The task `denoise`: what BART, T5 and UL2 learn to write of a corrupted text."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from danlu.model.sources.scratch import Scratch
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.corruption import Corruption
from danlu.task.corruptions.bart import ends_of_sentences
from danlu.task.corruptions.ul2 import MODES
from danlu.task.readable import readable
from danlu.task.task import Task
from danlu.text.batching.flat import FlatTokens, write_tokens
from danlu.text.batching.shards import Manifest
from danlu.text.batching.windows import documents
from danlu.text.tokenizing.special import SENTINEL
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.extended import Extended

GOLDEN = Path(__file__).parent / "denoised.json"
TEXTS = [
    "床前明月光，疑是地上霜。举头望明月，低头思故乡。",
    "The train leaves at nine. Nobody waits! Is it late?",
    "物流太慢，包装也破了。👍🏽 值得再读一遍。",
]
WORDS = Extended(base=Bpe(size=320, mask="<mask>"), sentinels=60, special=tuple(MODES.values())).build(
    lambda: iter(TEXTS)
)
PLAIN = Bpe(size=320, mask="<mask>").build(lambda: iter(TEXTS))
SIZES = {"layers": 1, "width": 16, "heads": 2, "positions": 64, "dropout": 0.0}
FIRST = [WORDS.convert_tokens_to_ids(SENTINEL.format(number)) for number in range(60)]


def corruption(kind, **fields):
    return find(Corruption, kind)(**fields)


def built(architecture, kind, tokenizer=WORDS, **fields):
    source = Scratch(architecture=architecture, **SIZES)
    task = Task.model_validate({"kind": "denoise", "corruption": kind, **fields}).shaped(source.shape())
    torch.manual_seed(0)
    model = source.build(task.auto_class, tokenizer, task.config()).eval()
    return task.suited(model, tokenizer, print), model


def mended(read, written):
    """The text, out of what was read and what is written, as a person would put it together."""
    marks, spans = set(FIRST), {}
    for token in written:
        if token in marks:
            spans[token] = []
        else:
            spans[[*spans][-1]].append(token)
    return [one for token in read for one in (spans[token] if token in marks else [token])]


@settings(max_examples=60)
@given(st.text(max_size=40), st.integers(0, 2**32), st.sampled_from(["t5", "ul2"]))
def test_what_is_read_and_what_is_written_give_back_any_text(text, seed, kind):
    ids = np.array(WORDS(text, add_special_tokens=False)["input_ids"], np.int32)
    fields = {"density": 0.4, "mean_span": 2.0} if kind == "t5" else {}
    read, written = corruption(kind, **fields).corrupted(ids, WORDS, np.random.default_rng(seed))
    assert mended(read.tolist(), written.tolist()) == ids.tolist()
    assert WORDS.decode(mended(read.tolist(), written.tolist())) == WORDS.decode(ids.tolist())


@settings(max_examples=60)
@given(st.text(max_size=40), st.integers(0, 2**32))
def test_bart_writes_the_text_whatever_became_of_it(text, seed):
    ids = np.array(WORDS(text, add_special_tokens=False)["input_ids"], np.int32)
    noisy = corruption("bart", mask=0.1, delete=0.1, rotate=0.5)
    read, written = noisy.corrupted(ids, WORDS, np.random.default_rng(seed))
    assert written.tolist() == ids.tolist()
    assert len(read) <= len(ids)
    assert not Counter(token for token in read.tolist() if token != WORDS.mask_token_id) - Counter(ids.tolist())


@pytest.mark.parametrize(
    ("fields", "shown", "masks"),
    [
        ({"infill": 0, "mask": 0.2}, 0.8, 0.2),
        ({"infill": 0, "delete": 0.2}, 0.8, 0.0),
        ({"infill": 0.3, "mean_span": 3.0}, 0.7, 0.1),
        ({"infill": 0}, 1.0, 0.0),
    ],
)
def test_as_much_of_a_text_is_hidden_as_the_shares_say(fields, shown, masks):
    ids = np.array(WORDS(" ".join(TEXTS), add_special_tokens=False)["input_ids"], np.int32)
    rng, found = np.random.default_rng(0), []
    for _ in range(200):
        read, _ = corruption("bart", **fields).corrupted(ids, WORDS, rng)
        found.append([(read != WORDS.mask_token_id).mean() * len(read), (read == WORDS.mask_token_id).sum()])
    assert np.mean(found, 0) / len(ids) == pytest.approx([shown, masks], abs=0.015)


def test_sentences_change_places_and_stay_whole():
    ids = np.array(WORDS("".join(TEXTS), add_special_tokens=False)["input_ids"], np.int32)
    read, _ = corruption("bart", infill=0).corrupted(ids, WORDS, np.random.default_rng(3))
    text = WORDS.decode(read.tolist())
    assert text != "".join(TEXTS)
    for sentence in (
        "床前明月光，疑是地上霜。",
        "举头望明月，低头思故乡。",
        " Nobody waits!",
        "物流太慢，包装也破了。",
    ):
        assert sentence in text
    assert ends_of_sentences(WORDS)[WORDS.convert_tokens_to_ids(".")]


def test_a_mixture_draws_its_denoisers_by_their_shares():
    ids, rng = np.arange(5, 105, dtype=np.int32), np.random.default_rng(0)
    of = {WORDS.convert_tokens_to_ids(name): mode for mode, name in MODES.items()}
    found = [corruption("ul2", r=0.5, s=0.25, x=0.25, modes=True).corrupted(ids, WORDS, rng) for _ in range(800)]
    counts = Counter(of[int(read[0])] for read, _ in found)
    assert [counts[mode] / 800 for mode in "rsx"] == pytest.approx([0.5, 0.25, 0.25], abs=0.05)
    ends = [written for read, written in found if of[int(read[0])] == "s"]
    assert all(written.tolist() == [FIRST[0], *ids[75:].tolist()] for written in ends)


@pytest.mark.parametrize(("architecture", "kind"), [("bart", "bart"), ("t5", "t5"), ("bart", "ul2"), ("llama", "t5")])
def test_the_loss_is_that_of_transformers_for_the_same_corrupted_rows(architecture, kind):
    task, model = built(architecture, kind)
    rows = task.encode([{"text": text} for text in TEXTS], WORDS, 64, labelled=True)
    batch = task.collate(rows, 64, WORDS, np.random.default_rng(1))
    labels = batch.targets["tokens"]
    if architecture == "llama":
        inputs = {**batch.inputs, "labels": torch.cat([torch.full((3, 1), -100), labels[:, :-1]], 1)}
    else:
        known = {name: value for name, value in batch.inputs.items() if name != "decoder_input_ids"}
        inputs = {**known, "labels": labels}
        shifted = model.prepare_decoder_input_ids_from_labels(labels=labels)
        assert torch.equal(shifted[labels >= 0], batch.inputs["decoder_input_ids"][labels >= 0])
    expected = model(**inputs).loss
    found = task.loss(model, batch)["tokens"] / batch.counts["tokens"]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["bart", "t5", "ul2"])
def test_decoder_inputs_and_labels_are_those_that_were_written_down(kind):
    task, _ = built("bart" if kind == "bart" else "t5", kind)
    rows = task.encode([{"text": text} for text in TEXTS], WORDS, 64, labelled=True)
    batch = task.collate(rows, 64, WORDS, np.random.default_rng(7))
    found = {name: tensor.tolist() for name, tensor in sorted({**batch.inputs, **batch.targets}.items())}
    assert found == json.loads(GOLDEN.read_text(encoding="utf-8"))[kind]


def test_windows_are_as_long_as_their_corrupted_sides_may_be():
    task, _ = built("t5", "t5")
    (first, *_) = task.encode([{"text": "月光" * 200}], WORDS, 64, labelled=True)
    batch = task.collate([first], 64, WORDS, np.random.default_rng(0))
    assert (batch.inputs["input_ids"].shape, "attention_mask" in batch.inputs) == ((1, 64), False)
    assert len(first.row) > 64
    sizes = task.sizes([first], WORDS)
    assert (sizes.widths.tolist(), sizes.targets.tolist()) == ([64], [int((batch.targets["tokens"] >= 0).sum())])


@pytest.mark.parametrize("kind", ["t5", "ul2"])
def test_sentinels_are_wanted_for_the_longest_text_that_is_there(kind, tmp_path):
    """Not for rows of a million tokens, which a model without a table of positions takes."""
    task, _ = built("t5", kind)
    for labelled in (True, False):
        assert len(task.encode([{"text": text} for text in TEXTS], WORDS, 1 << 20, labelled=labelled)) == len(TEXTS)
    shards = write_tokens(tmp_path, [documents(TEXTS, WORDS)], len(WORDS))
    flat = FlatTokens(tmp_path, Manifest("tokens", "", tuple(shards), {"vocabulary": len(WORDS)}))
    assert len(task.rows(flat, WORDS, 1 << 20, 0)) == len(TEXTS)
    long = [{"text": "月光" * 3000}]
    with pytest.raises(Refusal, match=r"has 60 sentinels .* and a text of 15,000 tokens needs"):
        task.encode(long, WORDS, 1 << 20, labelled=False)
    assert len(task.cut_at(64).encode(long, WORDS, 1 << 20, labelled=False)) > 15_000 / 80


def test_a_training_counts_what_is_written_beside_what_is_read():
    task, _ = built("bart", "bart")
    rows = task.encode([{"text": text} for text in TEXTS], WORDS, 64, labelled=True)
    sizes = task.sizes(rows, WORDS)
    for seed in range(20):
        for row, item in enumerate(rows):
            batch = task.collate([item], 64, WORDS, np.random.default_rng(seed))
            assert batch.counts["tokens"] == sizes.targets[row]
            assert batch.tokens - batch.counts["tokens"] <= sizes.widths[row]


@pytest.mark.parametrize(("architecture", "kind"), [("bart", "bart"), ("t5", "t5"), ("llama", "ul2")])
def test_documents_of_flat_files_are_learnt_as_records_are(architecture, kind, tmp_path):
    task, _ = built(architecture, kind)
    records = [{"text": text * 9} for text in TEXTS]
    shards = write_tokens(tmp_path, [documents([record["text"] for record in records], WORDS)], len(WORDS))
    flat = FlatTokens(tmp_path, Manifest("tokens", "", tuple(shards), {"vocabulary": len(WORDS)}))
    rows, expected = task.rows(flat, WORDS, 64, 0), task.learnable(records, WORDS, 64, 0)
    assert len(rows) == len(expected) > 3
    for read, right in zip(rows, expected, strict=True):
        assert read.row.input_ids.tolist() == right.row.input_ids.tolist()
        assert read.targets["text"].tolist() == right.targets["text"].tolist()
    one, other = task.sizes(rows, WORDS), task.sizes(expected, WORDS)
    assert (one.widths.tolist(), one.tokens) == (other.widths.tolist(), other.tokens)
    assert int(one.widths.max()) <= 64


def test_a_person_sees_what_goes_in_and_what_must_come_out():
    task, _ = built("t5", "t5")
    rows = task.encode([{"text": TEXTS[0]}], WORDS, 64, labelled=True)
    (row,) = readable(task.collate(rows, 64, WORDS, np.random.default_rng(0)), task, WORDS)
    assert next(piece.text for piece in row.pieces if piece.role == "special") == "<extra_id_0>"
    assert row.label.startswith("<extra_id_0>")
    assert row.label.endswith(WORDS.eos_token)


def test_what_a_text_leaves_open_is_read_as_what_the_corruption_hides_with():
    for kind, opened in (("bart", WORDS.mask_token_id), ("t5", FIRST[0])):
        (item,) = built("bart", kind)[0].prompts([{"text": "明月<mask>乡"}], WORDS, 64)
        assert item.row.input_ids.tolist().count(opened) == 1
        assert item.row.input_ids[-1] == WORDS.eos_token_id


@pytest.mark.parametrize(
    ("kind", "tokenizer", "message"),
    [
        ("t5", PLAIN, r"has 0 sentinels \(<extra_id_0> and so on\), and a text of \d+ tokens needs \d+; add them with"),
        ({"kind": "t5", "density": 0.9, "mean_span": 1}, PLAIN, "lower the task's 'max_length'"),
        ({"kind": "ul2", "modes": True, "x": 0}, Extended(base=Bpe(size=320), sentinels=9), r"has no token \[NLU\]"),
        ("bart", Bpe(size=320), "has no mask token, which hides what is to be written"),
    ],
)
def test_a_tokenizer_that_lacks_something_is_refused_with_the_remedy(kind, tokenizer, message):
    tokenizer = tokenizer.build(lambda: iter(TEXTS)) if hasattr(tokenizer, "build") else tokenizer
    task, _ = built("t5", kind, tokenizer)
    with pytest.raises(Refusal, match=message):
        task.encode([{"text": "好"}], tokenizer, 64, labelled=True)


def test_networks_that_cannot_mend_a_text_are_refused():
    with pytest.raises(Refusal, match="which an encoder alone cannot"):
        Task.model_validate("denoise").shaped("encoder")
    with pytest.raises(Refusal, match="nothing tells where the corrupted text ends; choose t5 or ul2"):
        Task.model_validate("denoise").shaped("decoder")
    with pytest.raises(Refusal, match=r"task\.start is for models with an encoder and a decoder"):
        Task.model_validate({"kind": "denoise", "corruption": "t5", "start": 0}).shaped("decoder")
    with pytest.raises(ValidationError, match="nothing is corrupted; give one of"):
        corruption("bart", permute=0, infill=0)
    with pytest.raises(ValidationError, match="the shares of 'r', 's' and 'x' are all 0"):
        corruption("ul2", r=0, s=0, x=0)


if __name__ == "__main__":
    written = {}
    for name in ("bart", "t5", "ul2"):
        task_, _ = built("bart" if name == "bart" else "t5", name)
        rows_ = task_.encode([{"text": text} for text in TEXTS], WORDS, 64, labelled=True)
        batch_ = task_.collate(rows_, 64, WORDS, np.random.default_rng(7))
        written[name] = {key: value.tolist() for key, value in sorted({**batch_.inputs, **batch_.targets}.items())}
    GOLDEN.write_text(json.dumps(written) + "\n", encoding="utf-8")
