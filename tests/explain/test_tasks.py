"""What is explained of each task, by bundles of random weights, and what is refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tiny_tasks
import torch

from danlu.bundle.bundle import Bundle, load
from danlu.engine.engine import Network
from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.explain.explain import explain
from danlu.explain.wording import warnings
from danlu.explain.words import in_order
from danlu.language import translator
from danlu.model.policy import Policy
from danlu.recipe.part import kinds
from danlu.refusal import Refusal
from danlu.task.task import Task

EXPLAINED = {
    "classify": {"text": "这本书写得很好"},
    "multilabel": {"text": "价格便宜，这本书好"},
    "regress": {"text": "这本书写得很好"},
    "relate": {"text": "李白生于碎叶城。", "head": {"start": 0, "end": 2}, "tail": {"start": 4, "end": 7}},
    "answer": {"context": "这本书写得很好，物流太慢", "question": "书好么？"},
    "masked_lm": {"text": "这本书[MASK]很好"},
    "causal_lm": {"text": "这本书"},
    "chat": {"messages": [{"role": "user", "content": "这本书好么"}]},
    "translate": {"text": "这本书写得很好"},
    "summarise": {"text": "这本书写得很好"},
    "rewrite": {"text": "这本书写得很好"},
}
WITH_PLACE = {"tag": {"text": "这本书写得很好"}, "tag_words": {"words": ["这", "本", "书"]}}
FAST = "gradient_input"


@pytest.fixture(scope="module")
def opened(tiny_bundle):
    made = {}

    def open_bundle(kind):
        if kind not in made:
            made[kind] = load(tiny_bundle(kind), "float32", threads=1)
        return made[kind]

    yield open_bundle
    for bundle in made.values():
        bundle.close()


def record_for(bundle, kind):
    record = dict(EXPLAINED.get(kind) or WITH_PLACE[kind])
    if kind == "masked_lm":
        record["text"] = record["text"].replace("[MASK]", bundle.tokenizer.mask_token)
    return record


@pytest.mark.parametrize("kind", [*EXPLAINED, *WITH_PLACE])
def test_sums_are_kept_and_the_text_reassembles(opened, kind):
    bundle = opened(kind)
    record = record_for(bundle, kind)
    place = {"at": "书", "target": bundle.task.labels[0]} if kind in WITH_PLACE else {}
    for told in explain(bundle, [record], FAST, checked=False, written=3, **place):
        of_special = sum(score for _, score in told.special)
        assert told.total + of_special == pytest.approx(sum(told.token_scores), abs=1e-6)
        assert np.isfinite(told.scores).all()
        assert told.words
        for word in told.words:
            assert told.texts[word.column][word.start : word.end].strip()


@pytest.mark.parametrize("kind", sorted({"embed", "rank", "choose", "prefer"} & set(kinds(Task))))
def test_tasks_without_one_number_of_one_row_are_refused_in_a_sentence(opened, kind):
    bundle = opened(kind)
    with pytest.raises(Refusal, match=f"the task {kind}"):
        explain(bundle, [bundle.task.sample[0]], FAST)


def test_a_written_token_has_the_log_odds_that_the_model_gives_it(opened):
    bundle = opened("causal_lm")
    told = explain(bundle, ["这本书"], FAST, checked=False, written=3)
    (written,) = bundle.generate(["这本书"], "greedy", max_new_tokens=3)
    ids = bundle.predictor.prompts([{"text": "这本书"}], bundle.predictor.policy)[0].row.input_ids.tolist()
    for each, token in zip(told, written[0].ids.tolist(), strict=True):
        with torch.no_grad():
            logits = bundle.model(torch.tensor([ids]), use_cache=False).logits[0, -1]
        log = torch.log_softmax(logits, -1)[token]
        assert each.value == pytest.approx(float(log - torch.log1p(-log.exp())), abs=1e-3)
        assert each.texts == {"text": "这本书"}
        ids.append(token)


@pytest.mark.parametrize("kind", ["causal_lm", "translate"])
def test_rows_without_words_are_left_out_whatever_the_task(opened, kind):
    told = explain(opened(kind), ["这本书", "", "\n", "书很好"], FAST, checked=False, written=1)
    assert {each.record for each in told} == {0, 3}
    with pytest.raises(Refusal, match="record 2: there is no column 'text'"):
        explain(opened(kind), ["这本书", {"txt": "书"}], FAST, checked=False, written=1)


def test_an_answer_is_read_at_its_ends(opened):
    bundle = opened("answer")
    record = EXPLAINED["answer"]
    (both,) = explain(bundle, [record], FAST, checked=False)
    (start,) = explain(bundle, [record], FAST, checked=False, target="start")
    (end,) = explain(bundle, [record], FAST, checked=False, target="end")
    assert both.value == pytest.approx((start.value + end.value) / 2, abs=1e-4)
    assert {word.column for word in both.words} == {"question", "context"}
    with pytest.raises(Refusal, match="did you mean 'start'"):
        explain(bundle, [record], FAST, target="stat")


def test_pairs_are_explained_in_both_texts(planted, bright):
    pairs = dataclasses.replace(planted, task=planted.task.model_copy(update={"pairs": True}))
    record = {"text": bright[0], "text_pair": "the river & it"}
    (told,) = explain(pairs, [record], "occlusion")
    (answer,) = pairs.predict([record])
    assert told.shown == pytest.approx(answer["scores"][told.target], abs=1e-4)
    for column, text in record.items():
        words = [word for word in told.words if word.column == column]
        assert "".join(piece for piece, _ in in_order(told.texts[column], words)) == text
        assert len(words) >= 3
    pairs.close()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_of_a_text_in_pieces_the_one_that_speaks_most_is_explained_and_the_whole_told(planted, language):
    task = planted.task.model_copy(update={"too_long": "split", "max_length": 12})
    pieces = dataclasses.replace(planted, task=task)
    text = "the river was cold and we walked along it until evening came with spark"
    (answer,) = pieces.predict([text])
    (told,) = explain(pieces, [text], FAST, checked=False, target="bright")
    assert "spark" in dict(told.ranked())
    assert told.whole == pytest.approx(answer["scores"]["bright"], abs=1e-4)
    assert told.shown > told.whole + 0.05
    assert any(f"{told.whole:.1%}" in sentence for sentence in warnings(told, translator(language)))
    (short,) = explain(pieces, ["the spark"], FAST, checked=False)
    assert short.whole is None
    pieces.close()


def test_a_number_is_in_the_unit_of_the_data(opened):
    bundle = opened("regress")
    record = {"text": "这本书写得很好"} | ({"text_pair": "物流太慢"} if bundle.task.pairs else {})
    (told,) = explain(bundle, [record], FAST, checked=False)
    assert told.value == pytest.approx(bundle.predict([record])[0]["number"], abs=1e-3)
    assert told.unit == "number"


def test_what_an_encoder_decoder_writes_goes_back_to_what_its_encoder_reads():
    policy = Policy.model_validate({"kind": "greedy", "min_new_tokens": 2})
    task = tiny_tasks.task_for("translate").model_copy(update={"policy": policy})
    tokenizer = tiny_tasks.tokenizer_for("translate")
    model = tiny_tasks.model_for("translate")
    facts = {"task": task.to_plain(), "engine": {"kind": "torch"}}
    with Bundle(Path(), facts, task, tokenizer, TorchNetwork(model, 1)) as bundle:
        record = {"text": task.sample[0]["text"]}
        ((written,),) = bundle.generate([record], max_new_tokens=3)
        told = explain(bundle, [record], "integrated_gradients", written=3, checked=False)
        assert len(told) == len(written.ids) >= 1
        (prompt,) = task.prompts([record], tokenizer, 64)
        read = [task.start, *([] if prompt.target_ids is None else prompt.target_ids.tolist())]
        for each, token in zip(told, written.ids.tolist(), strict=True):
            source = torch.from_numpy(prompt.row.input_ids)[None].long()
            with torch.no_grad():
                logits = model(input_ids=source, decoder_input_ids=torch.tensor([read])).logits[0, -1]
            log = torch.log_softmax(logits, -1)[token]
            assert each.value == pytest.approx(float(log - torch.log1p(-log.exp())), abs=1e-3)
            assert each.gap <= 0.01 or each.unreliable
            read.append(token)
        with pytest.raises(Refusal, match="an encoder and a decoder; use another"):
            explain(bundle, [record], "attention")


class AnswersAlone(Network):
    """An engine without gradients, as those of compressed bundles are."""

    def __init__(self, network):
        self.inner, self.asked = network, 0
        self.limit, self.cores, self.device = network.limit, network.cores, network.device
        self.rounding, self.number_format = network.rounding, network.number_format

    def forward(self, task, batch):
        self.asked += 1
        return self.inner.forward(task, batch)


def test_an_engine_without_gradients_explains_by_its_answers_and_says_what_it_cannot(planted, bright):
    network = AnswersAlone(planted.network)
    predictor = planted.predictor
    alone = type(planted)(planted.folder, planted.facts, planted.task, planted.tokenizer, network)
    alone._predictors["base"] = Predictor(network, predictor.task, predictor.tokenizer)
    for kind in ("occlusion", "shap"):
        (ours,), (theirs,) = (explain(bundle, bright[:1], kind) for bundle in (alone, planted))
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-4)
    assert network.asked
    for kind in ("integrated_gradients", "gradient_input", "attention", "rollout"):
        with pytest.raises(Refusal, match="without gradients; explain it with --method occlusion or shap"):
            explain(alone, bright[:1], kind)
    alone.close()


def test_a_text_that_is_longer_than_the_model_tells_which_part_is_not_explained(planted, bright):
    text = " ".join(bright[:8])
    (told,) = explain(planted, [text], "gradient_input", checked=False)
    ((start, end),) = told.unread["text"]
    assert end == len(text)
    assert max(word.end for word in told.words) <= start < end
    assert told.limit == 32


@pytest.mark.parametrize(
    ("text", "wanted", "said"),
    [
        ("", {}, "no word"),
        ("   ", {}, "no word"),
        ("the river", {"target": "brigth"}, "did you mean 'bright'"),
        ("the river", {"at": "river"}, "leave --at out"),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(planted, text, wanted, said):
    with pytest.raises(Refusal, match=said):
        explain(planted, [text], "gradient_input", **wanted)


def test_a_piece_that_is_not_there_and_a_text_in_which_nothing_was_found(opened):
    bundle = opened("tag")
    with pytest.raises(Refusal, match="does not stand in the text"):
        explain(bundle, ["这本书"], FAST, at="火车")
    with pytest.raises(Refusal, match=r"write \S+ into the text"):
        explain(opened("masked_lm"), ["这本书"], FAST)
