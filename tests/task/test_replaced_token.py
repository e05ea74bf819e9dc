"""The task `replaced_token`: a generator makes tokens up, and the network that serves tells which."""

import math

import numpy as np
import pytest
import torch

from danlu.model.beside import beside, put_beside, share_tables, taken_apart
from danlu.model.sources.pretrained import Pretrained
from danlu.model.sources.scratch import Scratch
from danlu.refusal import Refusal
from danlu.task.readable import readable
from danlu.task.tasks.replaced_token import ReplacedToken, drawn
from danlu.text.batching.flat import FlatTokens, write_tokens
from danlu.text.batching.shards import Manifest
from danlu.text.batching.windows import documents
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece
from danlu.tuning.method import Method

TEXTS = ["床前明月光，疑是地上霜。举头望明月，低头思故乡。", "The train leaves at nine, and nobody waits.", "明月"]
WORDS = WordPiece(size=200, min_frequency=1).build(lambda: iter(TEXTS))
SOURCE = Scratch(architecture="electra", layers=2, width=32, heads=4, positions=64, dropout=0.0)
TASK = ReplacedToken(share=0.3)


def networks(tuning="full"):
    torch.manual_seed(0)
    model = Method.model_validate(tuning).apply(SOURCE.build(TASK.auto_class, WORDS, {})).eval()
    generator = TASK.learner("generator", SOURCE).build("AutoModelForMaskedLM", WORDS, {}).eval()
    assert share_tables(model, generator) == (3, 3)
    return put_beside(model, {"generator": generator}), generator


def batch_of(texts, seed=0):
    rows = TASK.encode([{"text": text} for text in texts], WORDS, 64, labelled=True)
    return TASK.collate(rows, max(map(len, rows)), WORDS, np.random.default_rng(seed))


def test_the_loss_is_what_a_computation_by_hand_gives_for_the_same_samples():
    model, generator = networks()
    batch = batch_of(TEXTS)
    ids, mask, hidden = batch.inputs["input_ids"], batch.inputs["attention_mask"], batch.targets["tokens"]
    guesses, told = 0.0, 0.0
    with torch.no_grad():
        logits = generator(input_ids=ids, attention_mask=mask).logits.double()
        corrupted = ids.clone()
        for row, place in (hidden >= 0).nonzero().tolist():
            shares = torch.softmax(logits[row, place], -1)
            guesses -= math.log(shares[hidden[row, place]])
            corrupted[row, place] = int((shares.cumsum(-1) <= batch.targets["draw"][row, place]).sum())
        scores = model(input_ids=corrupted, attention_mask=mask).logits.double()
    original = torch.where(hidden >= 0, hidden, ids)
    for row, place in mask.nonzero().tolist():
        chance = 1 / (1 + math.exp(-scores[row, place]))
        told -= math.log(chance if corrupted[row, place] != original[row, place] else 1 - chance)
    assert (corrupted != original).any()
    found = TASK.loss(model, batch)
    assert found["tokens"].item() == pytest.approx(guesses, rel=1e-5)
    assert found["replaced"].item() == pytest.approx(50 * told, rel=1e-5)
    assert batch.counts == {"tokens": int((hidden >= 0).sum()), "replaced": int(mask.sum())}


def test_no_gradient_goes_through_what_was_drawn():
    model, generator = networks()
    head = generator.generator_predictions.dense.weight
    TASK.loss(model, batch_of(TEXTS))["replaced"].backward()
    assert head.grad is None
    assert model.discriminator_predictions.dense.weight.grad.abs().sum() > 0
    TASK.loss(model, batch_of(TEXTS))["tokens"].backward()
    assert head.grad.abs().sum() > 0


def test_tokens_are_drawn_as_often_as_their_logits_say_and_never_at_chance_zero():
    logits = torch.tensor([[2.0, -math.inf, 0.0, 1.0]]).expand(4000, 4)
    tokens = drawn(logits, torch.from_numpy(np.random.default_rng(0).random(4000, np.float32)))
    shares = np.bincount(tokens.numpy(), minlength=4) / 4000
    assert shares == pytest.approx(torch.softmax(logits[0], -1).numpy(), abs=0.02)
    assert shares[1] == 0
    ends = torch.tensor([0.0, 1 - 2**-24])
    assert drawn(torch.tensor([[-math.inf, 0.0, 0.0, -math.inf]]).expand(2, 4), ends).tolist() == [1, 2]


@pytest.mark.parametrize("tuning", ["full", "lora", "layers", "bitfit"])
def test_both_learn_by_any_method_and_share_one_table(tuning):
    model, generator = networks({"kind": tuning} | ({"top": 1} if tuning == "layers" else {}))
    sum(TASK.loss(model, batch_of(TEXTS)).values()).backward()
    names = [name for name, p in model.named_parameters() if p.grad is not None]
    assert any(name.startswith("learners.generator") for name in names)
    assert any(not name.startswith("learners.") for name in names)
    assert generator.generator_lm_head.weight is generator.electra.embeddings.word_embeddings.weight
    assert sum("word_embeddings" in name for name, _ in model.named_parameters()) == 1
    assert list(taken_apart(model)) == ["generator"]
    assert not beside(model)


def test_tables_of_other_shapes_are_not_shared():
    other = Scratch(architecture="electra", layers=1, width=16, heads=2, positions=64).build(
        "AutoModelForMaskedLM", WORDS, {}
    )
    model = SOURCE.build(TASK.auto_class, WORDS, {})
    assert share_tables(model, other) == (0, 3)
    assert (TASK.learner("generator", SOURCE).width, TASK.learner("generator", SOURCE).embedding) == (8, 32)
    with pytest.raises(Refusal, match="comes with its own width; name the smaller one beside it under 'roles'"):
        TASK.learner("generator", Pretrained(path="x"))


def test_what_is_asked_of_a_text_is_which_of_its_tokens_look_replaced():
    records = [{"text": text} for text in TEXTS]
    rows = TASK.encode(records, WORDS, 64, labelled=False)
    batch = TASK.collate(rows, 64, WORDS, np.random.default_rng(0))
    given, copied = batch.inputs["input_ids"][::2], batch.inputs["input_ids"][1::2]
    truth = batch.targets["replaced"][1::2]
    assert torch.equal((given != copied).long(), truth.clamp(min=0))
    logits = torch.full(batch.inputs["input_ids"].shape, -3.0)
    logits[1::2][truth > 0] = 3.0
    logits[0, 2] = 1.0
    outputs = TASK.outputs({"logits": logits}, batch)
    (first, *others) = [
        TASK.decode([output], [row], record) for output, row, record in zip(outputs, rows, records, strict=True)
    ]
    assert first["replaced"] == [{"text": "前", "score": pytest.approx(1 / (1 + math.exp(-1)))}]
    assert not any(other["replaced"] for other in others)
    assert first["negative_log_likelihood"] / first["tokens"] == pytest.approx(math.log(1 + math.exp(-3)), rel=1e-4)
    again = TASK.collate(rows[:1], 40, WORDS, np.random.default_rng(9))
    assert torch.equal(again.inputs["input_ids"][1, : len(rows[0])], copied[0, : len(rows[0])])


def test_documents_of_flat_files_are_learnt_as_records_are(tmp_path):
    records = [{"text": text * 9} for text in TEXTS]
    shards = write_tokens(tmp_path, [documents([record["text"] for record in records], WORDS)], len(WORDS))
    flat = FlatTokens(tmp_path, Manifest("tokens", "", tuple(shards), {"vocabulary": len(WORDS)}))
    rows, expected = TASK.rows(flat, WORDS, 64, 0), TASK.encode(records, WORDS, 64, labelled=True)
    assert [row.targets["tokens"].tolist() for row in rows] == [row.targets["tokens"].tolist() for row in expected]


def test_a_person_sees_what_the_generator_is_to_guess():
    batch = batch_of(TEXTS)
    (row, *_) = readable(batch, TASK, WORDS)
    guessed = [piece.truth for piece in row.pieces if piece.role == "learnt"]
    assert len(guessed) == int((batch.targets["tokens"][0] >= 0).sum())
    assert all(word in TEXTS[0] for word in guessed)


def test_networks_and_tokenizers_that_cannot_are_refused():
    with pytest.raises(Refusal, match="which a decoder cannot; give an electra"):
        TASK.shaped("decoder")
    bert = Scratch(architecture="bert", layers=1, width=16, heads=2).build(TASK.auto_class, WORDS, {})
    with pytest.raises(Refusal, match="'bert' have no head that tells which tokens were replaced"):
        TASK.suited(bert, WORDS, print)
    with pytest.raises(Refusal, match="no mask token, which hides what the generator guesses"):
        TASK.encode([{"text": "好"}], Bpe(size=300).build(lambda: iter(TEXTS)), 64, labelled=True)
