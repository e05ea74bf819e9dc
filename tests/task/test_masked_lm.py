import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForMaskedLM

from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.refusal import Refusal
from danlu.task.tasks.masked_lm import MaskedLm
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TEXTS = ["北京是中国的首都。", "今天的天气很好，我们去公园散步。"] * 30


@pytest.fixture(scope="module")
def tokenizer():
    return WordPiece(size=64, min_frequency=1).build(lambda: iter(TEXTS))


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
    )
    return BertForMaskedLM(config).eval()


def batch_of(task, tokenizer, seed=0):
    rows = task.encode([{"text": text} for text in TEXTS], tokenizer, 64, labelled=True)
    return rows, task.collate(rows, 24, tokenizer, np.random.default_rng(seed))


def test_the_share_the_split_and_the_special_tokens_are_as_told(tokenizer):
    task = MaskedLm(share=0.3)
    fates = np.zeros(3)
    for seed in range(20):
        rows, batch = batch_of(task, tokenizer, seed)
        ordinary = sum(len(row) - 2 for row in rows)
        assert batch.counts["tokens"] == round(0.3 * ordinary / 16) * 16
        hidden = batch.targets["tokens"] >= 0
        shown, truth = batch.inputs["input_ids"][hidden], batch.targets["tokens"][hidden]
        assert not np.isin(truth.numpy(), tokenizer.all_special_ids).any()
        masked = shown == tokenizer.mask_token_id
        same = shown == truth
        assert not np.isin(shown[~masked].numpy(), tokenizer.all_special_ids).any()
        fates += [int(masked.sum()), int(same.sum()), int((~masked & ~same).sum())]
    assert fates / fates.sum() == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


def test_what_is_not_hidden_stays_and_what_is_hidden_is_the_truth(tokenizer):
    rows, batch = batch_of(MaskedLm(), tokenizer)
    for row, item in enumerate(rows):
        hidden = batch.targets["tokens"][row, : len(item)] >= 0
        ids = torch.from_numpy(item.row.input_ids).long()
        assert torch.equal(batch.inputs["input_ids"][row, : len(item)][~hidden], ids[~hidden])
        assert torch.equal(batch.targets["tokens"][row, : len(item)][hidden], ids[hidden])


def test_masks_come_from_the_generator_alone(tokenizer):
    task = MaskedLm()
    assert torch.equal(
        batch_of(task, tokenizer, 5)[1].targets["tokens"], batch_of(task, tokenizer, 5)[1].targets["tokens"]
    )
    assert not torch.equal(
        batch_of(task, tokenizer, 5)[1].targets["tokens"], batch_of(task, tokenizer, 6)[1].targets["tokens"]
    )


def test_batches_of_one_shape_hide_the_same_number(tokenizer):
    assert len({batch_of(MaskedLm(), tokenizer, seed)[1].counts["tokens"] for seed in range(5)}) == 1


def test_the_loss_is_the_cross_entropy_of_the_whole_head(tokenizer, model):
    task = MaskedLm()
    _, batch = batch_of(task, tokenizer)
    logits = model(**batch.inputs).logits
    expected = cross_entropy(logits.flatten(0, 1), batch.targets["tokens"].flatten(), reduction="sum")
    torch.testing.assert_close(task.loss(model, batch)["tokens"], expected)


def test_likelihoods_of_a_prediction_are_those_of_the_model(tokenizer, model):
    task = MaskedLm()
    rows = task.encode([{"text": TEXTS[1]}], tokenizer, 64, labelled=False)
    batch = task.collate(rows, 20, tokenizer, np.random.default_rng(0))
    with torch.no_grad():
        logits = model(**batch.inputs).logits
    expected = float(cross_entropy(logits.flatten(0, 1), batch.targets["tokens"].flatten(), reduction="sum"))
    [prediction] = Predictor(TorchNetwork(model, threads=1), task, tokenizer).predict([{"text": TEXTS[1]}])
    assert prediction["tokens"] == batch.counts["tokens"] == round(0.15 * 16)
    assert prediction["negative_log_likelihood"] == pytest.approx(expected, rel=1e-4)
    assert prediction["perplexity"] == pytest.approx(np.exp(expected / batch.counts["tokens"]), rel=1e-3)
    assert task.form.value(prediction) == (prediction["negative_log_likelihood"], batch.counts["tokens"])


def test_masks_of_the_text_itself_are_filled_with_the_models_likeliest_words(tokenizer, model):
    text = "北京是[MASK]国的首[MASK]。"
    with torch.no_grad():
        inputs = tokenizer(text, return_tensors="pt")
        best = torch.softmax(model(**inputs).logits[0], -1).topk(5)
    [prediction] = Predictor(TorchNetwork(model, threads=1), MaskedLm(), tokenizer).predict([{"text": text}])
    assert (prediction["tokens"], prediction["perplexity"]) == (0, None)
    places = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero()[:, 0]
    assert len(prediction["fills"]) == len(places) == 2
    for fills, place in zip(prediction["fills"], places, strict=True):
        assert [word["text"] for word in fills] == [tokenizer.decode([token]) for token in best.indices[place]]
        assert [word["score"] for word in fills] == pytest.approx(best.values[place].tolist(), rel=1e-3)


def test_windows_of_a_long_text_count_every_token_once(tokenizer):
    task = MaskedLm(too_long="split")
    text = "".join(TEXTS[:10])
    rows = task.encode([{"text": text}], tokenizer, 32, labelled=True)
    assert sum(int((row.targets["tokens"] >= 0).sum()) for row in rows) == len(text)


def test_a_tokenizer_without_mask_token_is_refused():
    tokenizer = Bpe(size=264).build(lambda: iter(["abc"]))
    with pytest.raises(Refusal, match="the tokenizer has no mask token"):
        MaskedLm().encode([{"text": "a"}], tokenizer, 64, labelled=True)


def test_shares_beyond_the_whole_are_refused():
    with pytest.raises(ValueError, match="together they may be 1 at most"):
        MaskedLm(masked=0.8, replaced=0.3)
