"""The task `embed`: vectors of texts."""

import copy
import math

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from danlu.bundle.bundle import load, save
from danlu.evaluate.scoring.score import score, values
from danlu.model.dropout import seed_dropout
from danlu.model.fast import use_our_dropout
from danlu.refusal import Refusal
from danlu.task.contrast import nearest_labels
from danlu.task.retrieved import rankings
from danlu.task.tasks.embed import Embed
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

SAMPLE = Embed.sample
SCORED = [
    {"text": "怎么泡茶？", "text_pair": "水烧开。", "score": 5},
    {"text": "一个人在弹吉他。", "text_pair": "今天下雨。", "score": 0},
    {"text": "A dog runs.", "text_pair": "A dog is running.", "score": 4},
]
HARD = [
    {"text": "甲", "text_pair": "东", "negatives": ["西", "南"]},
    {"text": "乙", "text_pair": "西"},
    {"text": "甲", "text_pair": "南", "negatives": ["东", "北"]},
    {"text": "丙", "text_pair": "东"},
]


@pytest.fixture(scope="module")
def tokenizer():
    texts = [text for each in [*SAMPLE, *SCORED, *HARD] for text in (each["text"], each["text_pair"])]
    return WordPiece(size=150, min_frequency=1).build(lambda: iter([*texts, "北"]))


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    return BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).eval()


def loss_of(task, model, tokenizer, records, width=None):
    rows = task.encode(records, tokenizer, 128, labelled=True)
    batch = task.collate(rows, width or max(map(len, rows)), tokenizer, np.random.default_rng(0))
    with torch.inference_mode():
        (loss,) = task.loss(model, batch).values()
    return loss.item()


def vector(text, model, tokenizer, size=None, pooling="mean"):
    """By plain transformers, one text at a time."""
    with torch.inference_mode():
        hidden_TE = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].double()
    found = (hidden_TE.mean(0) if pooling == "mean" else hidden_TE[0])[:size]
    return found / found.norm()


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("widths", [(), (8, 16)])
def test_the_loss_is_that_of_its_formula_and_no_text_that_fits_is_a_negative(symmetric, widths, model, tokenizer):
    task = Embed(temperature=0.1, symmetric=symmetric, widths=widths).fitted(HARD)
    fits = {"甲": {"东", "南"}, "乙": {"西"}, "丙": {"东"}}
    asks = {"东": {"甲", "丙"}, "西": {"乙"}, "南": {"甲"}}
    documents = ["东", "西", "南", "东", "西", "南", "东", "北"]
    expected = 0.0
    for size in (*widths, 32):
        of = {text: vector(text, model, tokenizer, size) for text in "甲乙丙东西南北"}
        for place, record in enumerate(HARD):
            query, positive = record["text"], record["text_pair"]
            own = math.exp(of[query] @ of[positive] / 0.1)
            others = [math.exp(of[query] @ of[text] / 0.1) for text in documents if text not in fits[query]]
            forth = -math.log(own / (own + sum(others)))
            rest = [other["text"] for n, other in enumerate(HARD) if n != place and other["text"] not in asks[positive]]
            back = -math.log(own / (own + sum(math.exp(of[positive] @ of[text] / 0.1) for text in rest)))
            expected += (forth + back) / 2 if symmetric else forth
    assert loss_of(task, model, tokenizer, HARD) == pytest.approx(expected / (len(widths) + 1), rel=1e-4)


def gradients_of(task, model, tokenizer, records, rows=None):
    """Loss and gradients of a step in training; `rows`: passes of so many, all of which are kept."""
    batch = task.collate(task.encode(records, tokenizer, 128, labelled=True), 16, tokenizer, np.random.default_rng(0))
    seed_dropout(3)
    torch.manual_seed(3)  # from which the attention of transformers draws
    if rows is None:
        (loss,) = task.loss(model, batch).values()
    else:
        pieces = zip(*(value.split(rows) for value in batch.inputs.values()), strict=True)
        vectors = [task.forward(model, dict(zip(batch.inputs, piece, strict=True)))["vectors"] for piece in pieces]
        (loss,) = task.losses({"vectors": torch.cat(vectors)}, batch).values()
    learnt = [parameter for name, parameter in model.named_parameters() if "pooler" not in name]
    return loss.detach(), torch.autograd.grad(loss, learnt)


@pytest.mark.parametrize("rows", [1, 3, 100])
@pytest.mark.parametrize("records", [HARD, SCORED])
def test_a_few_rows_at_a_time_give_loss_and_gradients_of_the_whole_batch(records, rows, model, tokenizer):
    learning = copy.deepcopy(model).train()
    for module in learning.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    passed = []
    learning.register_forward_pre_hook(lambda _, args, given: passed.append(len(given["input_ids"])), with_kwargs=True)
    expected, ours = (
        gradients_of(Embed(rows_at_once=each).fitted(records), learning, tokenizer, records) for each in (None, rows)
    )
    torch.testing.assert_close(ours[0], expected[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours[1], expected[1], rtol=1e-5, atol=1e-5)
    assert max(passed[1:]) == min(rows, passed[0])


def test_what_is_computed_anew_drops_the_same_values(model, tokenizer):
    learning = copy.deepcopy(model).train()
    use_our_dropout(learning)
    task = Embed(rows_at_once=3).fitted(HARD)
    expected = gradients_of(Embed().fitted(HARD), learning, tokenizer, HARD, rows=3)
    torch.testing.assert_close(gradients_of(task, learning, tokenizer, HARD), expected, rtol=1e-5, atol=1e-6)
    other = gradients_of(Embed().fitted(HARD), learning, tokenizer, HARD)
    assert abs(float(other[0] - expected[0])) > 1e-4  # dropout does something here


def test_scores_are_learnt_by_order_or_as_they_are(model, tokenizer):
    cosines = [
        float(vector(each["text"], model, tokenizer) @ vector(each["text_pair"], model, tokenizer)) for each in SCORED
    ]
    task = Embed().fitted(SCORED)
    assert (task.objective, task.highest, task.metrics[0], task.examined_as) == ("cosent", None, "spearman", "number")
    wrong = [(1, 0), (1, 2), (2, 0)]  # the lower score first
    expected = math.log(1 + sum(math.exp((cosines[low] - cosines[high]) / 0.05) for low, high in wrong))
    assert loss_of(task, model, tokenizer, SCORED) == pytest.approx(3 * expected, rel=1e-4)
    expected = sum((cosine - each["score"] / 5) ** 2 for cosine, each in zip(cosines, SCORED, strict=True))
    assert loss_of(Embed(objective="cosine").fitted(SCORED), model, tokenizer, SCORED) == pytest.approx(
        expected, rel=1e-4
    )


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_the_bundle_gives_the_vectors_of_plain_transformers_and_of_sentence_transformers(
    pooling, model, tokenizer, tmp_path
):
    task = Embed(pooling=pooling, max_length=16).fitted(SAMPLE)
    told = {"precision": "float32", "provenance": {}, "examples": list(SAMPLE)}
    save(tmp_path / "bundle", model, tokenizer, task, **told)
    texts = [each["text"] for each in SAMPLE] + ["长" * 40]
    with load(tmp_path / "bundle") as bundle:
        found = bundle.predict(texts)
        (pair,) = bundle.predict([SAMPLE[0]])
    plain, own = (
        AutoModel.from_pretrained(tmp_path / "bundle").eval(),
        AutoTokenizer.from_pretrained(tmp_path / "bundle"),
    )
    expected = [vector(text, plain, own, pooling=pooling).tolist() for text in texts[:3]]
    assert [each["vector"] for each in found[:3]] == [pytest.approx(each, abs=1e-5) for each in expected]
    assert pair["vector"] == pytest.approx(found[0]["vector"], abs=1e-5)
    assert pair["cosine"] == pytest.approx(np.dot(pair["vector"], pair["pair_vector"]), abs=1e-6)
    with_library = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    other = with_library.SentenceTransformer(str(tmp_path / "bundle"), device="cpu").encode(texts)
    assert np.allclose(other, [each["vector"] for each in found], atol=1e-5)


def test_padding_changes_nothing_and_what_is_cut_is_counted(model, tokenizer):
    for records in (HARD, SCORED):
        task = Embed().fitted(records)
        assert loss_of(task, model, tokenizer, records, 60) == pytest.approx(
            loss_of(task, model, tokenizer, records), rel=1e-4
        )
    (row,) = Embed(max_length=8).encode([{"text": "甲" * 20, "text_pair": "甲"}], tokenizer, 64, labelled=True)
    assert row.cut == 22 - 8
    with pytest.raises(Refusal, match="record 1: the text has 22 tokens and a row takes 8"):
        Embed(max_length=8, too_long="stop").encode([{"text": "甲" * 20}], tokenizer, 64, labelled=False)


def test_a_ranking_leaves_out_what_fits_a_query_by_another_record():
    records = [{"text": "a", "text_pair": "x"}, {"text": "a", "text_pair": "y"}, {"text": "b", "text_pair": "x"}]
    alike = np.array([[0.9, 0.8], [0.9, 0.8], [0.1, 0.2]])
    found = list(rankings(records, lambda start, stop: alike[start:stop]))
    assert [each["ranking"] for each in found] == [["x"], ["y"], ["y", "x"]]
    assert found[2]["scores"] == pytest.approx([0.2, 0.1])


def test_a_query_is_no_mistake_of_its_own_ranking():
    records = [{"text": "a", "text_pair": "b"}, {"text": "b", "text_pair": "a"}, {"text": "c", "text_pair": "c"}]
    alike = np.array([[0.5, 1.0, 0.1], [1.0, 0.5, 0.1], [0.2, 0.1, 1.0]])  # documents b, a, c
    found = list(rankings(records, lambda start, stop: alike[start:stop]))
    assert [each["ranking"] for each in found] == [["b", "c"], ["a", "c"], ["c", "b", "a"]]


@pytest.mark.parametrize(
    ("fields", "records", "sentence"),
    [
        ({}, [*SAMPLE, {"text": "a"}], r"record 4: there is no column 'text_pair' \(text\)"),
        ({}, SCORED[:1], "column 'score': there must be two different scores or more"),
        ({}, [*SCORED, SAMPLE[0]], r"record 4: there is no column 'score' \(a number\)"),
        ({"objective": "cosent"}, SAMPLE, "'cosent' does not suit the records, which have no 'score'"),
        ({"objective": "contrastive"}, SCORED, "'contrastive' does not suit the records, which have a 'score'"),
        ({"symmetric": True}, SCORED, "task.symmetric has no effect under the objective 'cosent'; leave it out"),
        ({"highest": 5.0}, SCORED, "task.highest has no effect under the objective 'cosent'; leave it out"),
        ({"highest": 5.0}, SAMPLE, "task.highest has no effect under the objective 'contrastive'; leave it out"),
        (
            {},
            [SCORED[0], {**SCORED[1], "negatives": ["a"]}],
            "record 2: has 'negatives' beside a 'score', .*; leave one of the two columns out",
        ),
        ({}, [SAMPLE[0], SCORED[0]], "record 2: has a 'score', and the first record has none"),
        ({"objective": "cosine", "temperature": 0.1}, SCORED, "task.temperature has no effect under the objective"),
    ],
)
def test_what_does_not_suit_is_refused(fields, records, sentence):
    with pytest.raises(Refusal, match=sentence):
        Embed(**fields).fitted(records)


def test_models_that_do_not_suit_are_refused(model, tokenizer):
    with pytest.raises(Refusal, match="needs an encoder or a decoder alone"):
        Embed().shaped("encoder_decoder")
    with pytest.raises(Refusal, match="the first token of a decoder has seen no other; write 'mean'"):
        Embed(pooling="first").shaped("decoder")
    with pytest.raises(Refusal, match=r"task\.widths: 32 is not between 1 and 31; vectors have 32 numbers"):
        Embed(widths=(8, 32)).suited(model, tokenizer, print)


def test_a_cosine_has_a_highest_score_and_every_score_two_texts():
    records = [{"text": "a", "text_pair": "b", "score": score} for score in (5, 1)]
    with pytest.raises(Refusal, match="5 is beyond the task's 'highest', 1"):
        Embed(objective="cosine", highest=1).fitted(records)
    below = [{**each, "score": -each["score"]} for each in records]
    assert Embed(objective="cosine").fitted(below).highest == 5
    with pytest.raises(Refusal, match="record 1: there is no column 'text_pair'"):
        Embed().fitted(records).gold({"text": "a", "score": 1})


LABELLED = [
    {"text": "好书", "label": "good"},
    {"text": "好看的书", "label": "good"},
    {"text": "A dog runs.", "label": "BAD"},
    {"text": "今天下雨。", "label": "bad"},
    {"text": "东西", "label": "bad"},
]


@pytest.mark.parametrize("objective", [None, "cosine"])
def test_texts_of_a_label_are_learnt_from_all_pairs_of_a_batch(model, tokenizer, objective):
    task = Embed(objective=objective, **({} if objective else {"temperature": 0.2})).fitted(LABELLED)
    assert (task.labels, task.examined_as, task.metrics[0]) == (("bad", "good"), "label", "accuracy")
    vectors = torch.stack([vector(each["text"], model, tokenizer) for each in LABELLED])
    cosines = (vectors @ vectors.T).numpy()
    labels = ["good", "good", "bad", "bad", "bad"]
    total = 0.0
    for one in range(5):
        others = [other for other in range(5) if other != one]
        mates = [other for other in others if labels[other] == labels[one]]
        if objective == "cosine":
            total += sum((cosines[one, other] - (other in mates)) ** 2 for other in others) / 20 * 5
        else:
            whole = math.log(sum(math.exp(cosines[one, other] / 0.2) for other in others))
            total += sum(whole - cosines[one, other] / 0.2 for other in mates) / len(mates)
    assert loss_of(task, model, tokenizer, LABELLED) == pytest.approx(total, rel=1e-4)
    assert loss_of(task, model, tokenizer, LABELLED, width=64) == pytest.approx(total, rel=1e-4)


def test_vectors_that_were_learnt_from_labels_are_scored_by_them():
    records = [{"text": f"{label} {number}", "label": label} for label in ("bad", "good") for number in range(4)]
    task = Embed().fitted(records)
    assert task.label_names() == ("bad", "good")
    vectors = [
        {"vector": [1.0, 0.1 * number] if each["label"] == "good" else [-1.0, 0.1 * number]}
        for number, each in enumerate(records)
    ]
    found = score(task, records, vectors, resamples=100)
    assert found.metrics["accuracy"].interval.value == 1
    assert values(task, records, vectors)["macro_f1"] == 1


def test_pairs_with_labels_that_are_not_read_are_refused():
    pairs = [{"text": "a", "text_pair": "b", "label": 1}, {"text": "c", "text_pair": "d", "label": 0}]
    with pytest.raises(Refusal, match=r"record 2: has another 'label' than the first record.* call the column 'score'"):
        Embed().fitted(pairs)
    assert Embed().fitted(pairs[:1] * 2).scored is False  # all of them fit


def test_texts_of_a_label_are_examined_by_the_nearest_other_text():
    task = Embed().fitted(LABELLED)
    given = [{"vector": each} for each in ([1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8], [-1.0, 0.0])]
    found = [each["label"] for each in task.examined(given, LABELLED)]
    assert found == ["good", "bad", "bad", "good", "bad"]
    assert [task.gold(record) for record in LABELLED] == ["good", "good", "bad", "bad", "bad"]


@pytest.mark.parametrize(
    ("fields", "records", "says"),
    [
        ({}, LABELLED[:2], "all texts have one label"),
        ({"symmetric": True}, LABELLED, "task.symmetric has no effect where texts have a label"),
        ({"objective": "cosent"}, LABELLED, "'cosent' needs a score, and the texts have a label"),
        ({"objective": "cosine", "temperature": 0.1}, LABELLED, "task.temperature has no effect"),
        ({"labels": ["good", "bad"]}, [*LABELLED, {"text": "x", "label": "so"}], "record 6: the label 'so' is not"),
    ],
)
def test_labels_that_cannot_teach_vectors_are_refused(fields, records, says):
    with pytest.raises(Refusal, match=says):
        Embed(**fields).fitted(records)


def test_a_text_alone_has_no_nearest_other() -> None:
    assert list(nearest_labels([], [])) == []
    with pytest.raises(Refusal, match="a text alone has none that could be nearest to it; give two records or more"):
        list(nearest_labels([{"vector": [1.0, 0.0]}], ["a"]))
