"""The task `permuted_lm`: tokens guessed in any order, each from those before it in that order."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.model.fast import prepare_for_inference, prepare_for_training
from danlu.model.replica import replica
from danlu.model.sources.scratch import Scratch
from danlu.refusal import Refusal
from danlu.task.readable import readable
from danlu.task.tasks.permuted_lm import PermutedLm, unseen
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.batching.flat import FlatTokens, write_tokens
from danlu.text.batching.shards import Manifest
from danlu.text.batching.windows import documents
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TEXTS = ["床前明月光，疑是地上霜。举头望明月，低头思故乡。", "The train leaves at nine, and nobody waits.", "明月"]
WORDS = WordPiece(size=200, min_frequency=1).build(lambda: iter(TEXTS))
SIZES = {"layers": 2, "width": 32, "heads": 4, "positions": 64, "dropout": 0.0}
TASK = PermutedLm()
SPECIAL = set(WORDS.all_special_ids)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Scratch(architecture="xlnet", **SIZES).build(TASK.auto_class, WORDS, {}).eval()


def batch_of(texts, seed=0, width=None, task=TASK):
    rows = task.encode([{"text": text} for text in texts], WORDS, 64, labelled=True)
    return task.collate(rows, width or max(map(len, rows)), WORDS, np.random.default_rng(seed))


def test_the_loss_is_that_of_transformers_given_the_same_permutation(model):
    for seed in range(3):
        batch = batch_of(TEXTS, seed, width=40)
        order = batch.inputs["order"]
        wide = len(order[0])
        mapping = torch.eye(wide).expand(len(order), wide, wide)  # as the collator of transformers has it
        given = {"input_ids": batch.inputs["input_ids"], "attention_mask": batch.inputs["attention_mask"]}
        perm = torch.zeros(len(order), wide, wide)
        for row, places in enumerate(order.tolist()):
            for one, mine in enumerate(places):
                for other, theirs in enumerate(places):
                    perm[row, one, other] = theirs >= 0 and mine <= theirs
        expected = model(**given, perm_mask=perm, target_mapping=mapping, labels=batch.targets["tokens"]).loss
        found = TASK.loss(model, batch)["tokens"] / batch.counts["tokens"]
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def guesses(model, ids, order):
    """Log-probabilities of each guessed token of one row, by its place in the order."""
    inputs = {"input_ids": torch.tensor([ids]), "order": torch.tensor([order])}
    with torch.no_grad():
        logits = TASK.forward(model, inputs)["logits"].log_softmax(-1)
    places = [place for place in order if place >= 0]
    return {place: logits[number] for number, place in enumerate(places)}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_a_guess_depends_on_what_is_shown_and_guessed_before_and_on_nothing_else(model, seed):
    rng = np.random.default_rng(seed)
    ids = rng.integers(5, len(WORDS), 12).tolist()
    order = TASK.model_copy(update={"share": 0.4})._order(np.ones(12, bool), rng).tolist()
    before = guesses(model, ids, order)
    changed = int(rng.integers(12))
    after = guesses(model, [ids[n] if n != changed else 5 + (ids[n] - 4) % (len(WORDS) - 5) for n in range(12)], order)
    for place in before:
        same = torch.allclose(before[place], after[place], atol=1e-6)
        assert same == (order[changed] >= place)  # itself, and those that come later; shown ones are at -1


def test_what_is_unseen_stands_in_the_order():
    seen = ~unseen(torch.tensor([[-1, 1, 0, -1]]))[0]
    assert seen.tolist() == [
        [True, False, False, True],
        [True, False, True, True],
        [True, False, False, True],
        [True, False, False, True],
    ]


def test_padding_and_company_change_nothing(model):
    batch = batch_of(TEXTS, width=64)
    whole = TASK.loss(model, batch)["tokens"]
    alone = []
    for row, text in enumerate(TEXTS):
        length = len(TASK.encode([{"text": text}], WORDS, 64, labelled=True)[0])
        inputs = {name: value[row : row + 1, :length] for name, value in batch.inputs.items()}
        one = batch_of([text])
        one.inputs, one.targets = inputs, {"tokens": batch.targets["tokens"][row : row + 1, :length]}
        alone.append(TASK.loss(model, one)["tokens"])
    torch.testing.assert_close(whole, sum(alone), rtol=1e-5, atol=1e-5)


def test_a_share_is_guessed_in_spans_of_any_length_and_in_any_order():
    orders = [TASK._order(np.ones(600, bool), np.random.default_rng(seed)) for seed in range(60)]
    guessed = np.stack(orders) >= 0
    assert guessed.mean() == pytest.approx(1 / 6, rel=0.05)
    spans = (guessed & ~np.pad(guessed, ((0, 0), (1, 0)))[:, :-1]).sum()
    assert guessed.sum() / spans == pytest.approx(3, rel=0.1)  # 1 to 5, some of them neighbours
    for order in orders[:5]:
        assert sorted(order[order >= 0].tolist()) == list(range(int((order >= 0).sum())))
    assert np.mean([np.corrcoef(np.flatnonzero(o >= 0), o[o >= 0])[0, 1] for o in orders]) == pytest.approx(0, abs=0.05)


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 2**32))
def test_one_token_at_least_is_guessed_and_one_is_shown(ordinary, seed):
    order = TASK._order(np.array(ordinary, bool), np.random.default_rng(seed))
    assert len(order) == len(ordinary)
    assert ((order >= 0) <= np.array(ordinary, bool)).all()
    assert (order >= 0).any() == (any(ordinary) and len(ordinary) > 1)
    assert (order < 0).any() == bool(ordinary)


def test_weights_that_no_guess_reaches_are_left_as_they_are(model):
    assert TASK.suited(model, WORDS, print) == TASK
    frozen = {name.rpartition(".")[2] for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {"r_s_bias", "seg_embed"}
    model.zero_grad()
    sum(TASK.loss(model, batch_of(TEXTS)).values()).backward()
    assert all((p.grad is not None) == p.requires_grad for p in model.parameters())
    model.zero_grad()


def test_documents_of_flat_files_are_learnt_as_records_are(tmp_path):
    records = [{"text": text * 9} for text in TEXTS]
    shards = write_tokens(tmp_path, [documents([record["text"] for record in records], WORDS)], len(WORDS))
    flat = FlatTokens(tmp_path, Manifest("tokens", "", tuple(shards), {"vocabulary": len(WORDS)}))
    rows, expected = TASK.rows(flat, WORDS, 64, 0), TASK.learnable(records, WORDS, 64, 0)
    assert [row.targets["tokens"].tolist() for row in rows] == [row.targets["tokens"].tolist() for row in expected]


def test_a_person_sees_the_order():
    (row, *_) = readable(batch_of(TEXTS), TASK, WORDS)
    order = [int(piece.truth) for piece in row.pieces if piece.role == "learnt"]
    assert sorted(order) == list(range(1, len(order) + 1))


def test_families_without_a_second_stream_are_refused():
    for shape in ("decoder", "encoder_decoder"):
        with pytest.raises(Refusal, match=r"guesses tokens in any order, which a .* cannot; give an xlnet"):
            TASK.shaped(shape)
    bert = Scratch(architecture="bert", **SIZES).build("AutoModelForMaskedLM", WORDS, {})
    with pytest.raises(Refusal, match="'bert' have no second stream"):
        TASK.suited(bert, WORDS, print)


def test_a_row_of_one_token_is_not_guessed_from_itself(model):
    row = Encoded(0, (Row(np.array([7], np.int32)),), {"tokens": np.array([7], np.int32)})
    batch = TASK.collate([row], 1, WORDS, np.random.default_rng(0))
    assert batch.counts == {"tokens": 0}
    assert TASK.loss(model, batch)["tokens"].item() == 0


@pytest.mark.parametrize("ready", [prepare_for_training, prepare_for_inference])
def test_both_streams_are_computed_in_bfloat16(model, ready):
    made = ready(copy.deepcopy(model), "bfloat16").eval()
    batch = batch_of(TEXTS)
    expected = TASK.loss(model, batch)["tokens"]
    for each in (made, replica(made)):
        loss = TASK.loss(each, batch)["tokens"]
        loss.backward()
        assert loss.item() == pytest.approx(expected.item(), rel=0.02)
        assert each.transformer.layer[0].rel_attn.r.grad.abs().sum() > 0
