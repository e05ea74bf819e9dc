"""Pairs of parts of documents: which there are, that they are what they say, and how two heads learn at once."""

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForPreTraining, RobertaConfig

from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.model.padding import types_alike
from danlu.refusal import Refusal
from danlu.task.parted import by_characters
from danlu.task.readable import readable
from danlu.task.tasks.next_sentence import NextSentence
from danlu.task.tasks.sentence_order import SentenceOrder
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TASKS = {"next_sentence": NextSentence, "sentence_order": SentenceOrder}
DOCUMENTS = [
    {"text": "".join(f"{place}的第{number}天下了{'大小'[number % 2]}雨。" for number in range(9))}
    for place in ("北京", "上海", "广州", "成都", "南京", "杭州", "苏州", "天津")
] + [
    {"text": " ".join(f"On day {n} the {who} went home." for n in range(7))} for who in ("cat", "dog", "king", "nurse")
]
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


@pytest.fixture(scope="module")
def tokenizer():
    return WordPiece(size=150, min_frequency=1).build(lambda: (record["text"] for record in DOCUMENTS))


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    made = BertForPreTraining(BertConfig(vocab_size=len(tokenizer), **SIZES)).eval()
    types_alike(made, tokenizer)
    return made


def text_of(ids, tokenizer):
    return "".join(tokenizer.decode(ids, skip_special_tokens=True).split()).casefold()


def pairs_of(task, tokenizer, **fields):
    """Number of the document, both texts without white space, and the label, of each row."""
    fitted = task(**fields).fitted(DOCUMENTS)
    found = []
    for item in fitted.encode(DOCUMENTS, tokenizer, 48, labelled=True):
        types = item.row.token_types
        first, second = (text_of(item.row.input_ids[types == side], tokenizer) for side in (0, 1))
        found.append((item.record, first, second, fitted.labels[item.targets["label"]]))
    return found


def plain(record):
    return "".join(record["text"].split()).casefold()


def test_next_parts_follow_and_others_are_of_another_document(tokenizer, model):
    found = pairs_of(NextSentence, tokenizer, copies=20)
    for record, first, second, label in found:
        own = plain(DOCUMENTS[record])
        assert first in own
        assert second
        assert (first + second in own) == (label == "next"), (first, second)
        if label == "other":
            assert any(second in plain(each) for number, each in enumerate(DOCUMENTS) if number != record)
    shares = np.mean([label == "other" for *_, label in found])
    assert len(found) > 500
    assert shares == pytest.approx(0.5, abs=0.08)


def test_parts_are_in_order_or_swapped(tokenizer, model):
    found = pairs_of(SentenceOrder, tokenizer, copies=20)
    for record, first, second, label in found:
        own = plain(DOCUMENTS[record])
        assert ((first + second) in own, (second + first) in own) == (
            (True, False) if label == "kept" else (False, True)
        )
    assert np.mean([label == "kept" for *_, label in found]) == pytest.approx(0.5, abs=0.08)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=12), st.integers(8, 60), st.integers(0, 99))
def test_every_sentence_of_a_document_is_read_and_no_pair_is_without_its_second_part(sizes, room, seed):
    text = "".join("abcdefghijkl"[number] * (size - 1) + "。" for number, size in enumerate(sizes))
    document, other = by_characters(text), by_characters("甲乙丙。丁戊。")
    for task in TASKS.values():
        read = ""
        for pair in task()._of(document, room, [other], np.random.default_rng(seed)):
            assert pair.first
            assert pair.second
            foreign = pair.second in other.text and task is NextSentence and pair.wrong
            assert foreign or pair.first + pair.second in text or pair.second + pair.first in text
            read += pair.first + ("" if foreign else pair.second)
        assert all(text[start:end] in read for start, end in document.borders)


def test_parts_differ_from_copy_to_copy_and_stay_from_run_to_run(tokenizer, model):
    assert pairs_of(NextSentence, tokenizer, copies=2) == pairs_of(NextSentence, tokenizer, copies=2)
    one, two = pairs_of(SentenceOrder, tokenizer), pairs_of(SentenceOrder, tokenizer, copies=2)
    assert set(one) < set(two)


def test_types_tell_the_second_part_and_rows_fit(tokenizer, model):
    for item in NextSentence(max_length=24).fitted(DOCUMENTS).encode(DOCUMENTS, tokenizer, 64, labelled=True):
        ids, types = item.row.input_ids, item.row.token_types
        assert len(ids) <= 24
        (first, last) = np.flatnonzero(ids == tokenizer.sep_token_id)
        assert types.tolist() == [0] * (first + 1) + [1] * (last - first)


@pytest.mark.parametrize("kind", TASKS)
def test_a_document_is_measured_by_the_same_pair_whoever_asks(kind, tokenizer, model):
    task = TASKS[kind]().fitted(DOCUMENTS)
    alone = [task.encode([record], tokenizer, 48, labelled=False)[0] for record in DOCUMENTS]
    together = task.encode(DOCUMENTS, tokenizer, 48, labelled=False)
    assert len(together) == len(DOCUMENTS)
    for number, (one, other) in enumerate(zip(alone, together, strict=True)):
        assert one.row.input_ids.tolist() == other.row.input_ids.tolist()
        first, second = (text_of(other.row.input_ids[other.row.token_types == side], tokenizer) for side in (0, 1))
        right = first + second in plain(DOCUMENTS[number])
        assert task.gold(DOCUMENTS[number]) == task.labels[0 if right else 1]
    assert {task.gold(record) for record in DOCUMENTS} == set(task.labels)


def test_a_pair_that_is_given_is_asked_as_it_stands(tokenizer, model):
    task = NextSentence().fitted(DOCUMENTS)
    record = {"text": "北京", "text_pair": "上海", "label": "other"}
    [asked], [learnt] = (task.encode([record], tokenizer, 48, labelled=labelled) for labelled in (False, True))
    assert text_of(asked.row.input_ids, tokenizer) == "北京上海"
    assert (task.gold(record), learnt.targets["label"]) == ("other", 1)
    with pytest.raises(Refusal, match=r"the label 'no' is not among"):
        task.encode([record | {"label": "no"}], tokenizer, 48, labelled=True)


@pytest.mark.parametrize("text", ["", " ", "a", "好", "没有标点的一句话", "one clause, another clause"])
def test_whatever_a_document_is_there_is_a_pair(text, tokenizer, model):
    for task in (NextSentence().fitted(DOCUMENTS), SentenceOrder()):
        [row] = task.encode([{"text": text}], tokenizer, 48, labelled=False)
        assert task.gold({"text": text}) in task.labels
        assert len(task.encode([{"text": text}, *DOCUMENTS], tokenizer, 48, labelled=True)) > len(DOCUMENTS)
        assert len(row) >= 3


def test_one_document_has_no_other():
    with pytest.raises(Refusal, match="the training data has 1 with text"):
        NextSentence().fitted(DOCUMENTS[:1])
    with pytest.raises(Refusal, match=r"finds no document with another text .*'dedup' of prepare"):
        NextSentence(others=("a",)).encode(
            [{"text": "好。" * 9}] * 20,
            WordPiece(size=60, min_frequency=1).build(lambda: iter(["好。"])),
            32,
            labelled=True,
        )
    with pytest.raises(ValueError, match="'labels' names what is as in the document"):
        SentenceOrder(labels=("one",))


def joined(tokenizer, task=NextSentence, **masking):
    made = task(masking=masking).fitted(DOCUMENTS)
    rows = made.encode(DOCUMENTS, tokenizer, 48, labelled=True)
    return made, rows, made.collate(rows, max(map(len, rows)), tokenizer, np.random.default_rng(0))


def test_the_joined_loss_is_that_of_bert_for_pretraining(tokenizer, model):
    task, _, batch = joined(tokenizer)
    assert task.auto_class == "AutoModelForPreTraining"
    assert task.suited(model, tokenizer, print) is task
    found = task.loss(model, batch)
    labels = {"labels": batch.targets["tokens"], "next_sentence_label": batch.targets["label"]}
    expected = model(**batch.inputs, **labels).loss
    means = [found[name] / batch.counts[name] for name in ("label", "tokens")]
    torch.testing.assert_close(sum(means), expected)
    given = model(**batch.inputs)
    torch.testing.assert_close(
        found["label"], cross_entropy(given.seq_relationship_logits, batch.targets["label"], reduction="sum")
    )
    assert batch.counts == {"label": len(batch.examples), "tokens": int((batch.targets["tokens"] >= 0).sum())}


def test_hidden_words_of_both_parts_are_whole(tokenizer, model):
    task, rows, batch = joined(tokenizer, units="words", segmenter={"kind": "jieba"}, share=0.4)
    hidden = batch.targets["tokens"].numpy() >= 0
    several = [0, 0]
    for row, item in enumerate(rows):
        ordinary = item.targets["tokens"] >= 0
        for word in set(item.targets["words"][ordinary].tolist()):
            own = (item.targets["words"] == word) & ordinary
            assert len(set(hidden[row, : len(item)][own].tolist())) == 1
            assert len(set(item.row.token_types[own].tolist())) == 1
            several[item.row.token_types[own][0]] += own.sum() > 1
    assert min(several) > 10
    assert readable(batch, task, tokenizer)[0].label in task.labels
    pieces = [piece for row in readable(batch, task, tokenizer) for piece in row.pieces]
    assert any(piece.role == "learnt" and piece.truth for piece in pieces)


def test_answers_of_a_joined_network_are_those_of_plain_transformers(tokenizer, model, tmp_path):
    task, _, _ = joined(tokenizer)
    predictions = Predictor(TorchNetwork(model, threads=1), task, tokenizer).predict(DOCUMENTS)
    model.save_pretrained(tmp_path)
    plainly = BertForPreTraining.from_pretrained(tmp_path).eval()
    for record, prediction in zip(DOCUMENTS, predictions, strict=True):
        [item] = task.encode([record], tokenizer, 512, labelled=False)
        ids, types = (torch.tensor(each[None]).long() for each in (item.row.input_ids, item.row.token_types))
        with torch.no_grad():
            shares = torch.softmax(plainly(input_ids=ids, token_type_ids=types).seq_relationship_logits[0], -1)
        assert prediction["scores"]["next"] == pytest.approx(float(shares[0]), rel=1e-3)


def test_a_family_without_both_heads_is_refused(tokenizer, model):
    task, _, _ = joined(tokenizer)
    network = transformers.AutoModelForPreTraining.from_config(RobertaConfig(vocab_size=len(tokenizer), **SIZES))
    with pytest.raises(Refusal, match=r"family 'roberta' have no heads for tokens and pairs at once; take 'bert'"):
        task.suited(network.eval(), tokenizer, print)


def test_the_share_of_hidden_tokens_may_change_along_the_training():
    task = SentenceOrder.model_validate({"masking": {"share": 0.1, "share_end": 0.3}})
    assert task.along(0.5).masking.share == pytest.approx(0.2)
    assert SentenceOrder().along(0.5) == SentenceOrder()
