"""Every explainer beside formulas worked out with plain transformers, and on a word that decides."""

import numpy as np
import pytest
import torch
from transformers import RobertaConfig, RobertaForSequenceClassification

from danlu.bundle.bundle import load, save
from danlu.explain.asked import Asked
from danlu.explain.explain import aims_of, explain
from danlu.explain.explainer import Explainer
from danlu.explain.inside import Inside
from danlu.explain.rows import Wanted
from danlu.explain.words import words_of
from danlu.recipe.part import kinds
from danlu.refusal import Refusal

from .conftest import read

ALL = kinds(Explainer)
SIGNED = [kind for kind in ALL if Explainer.model_validate(kind).signed]
TRIGGER = "spark"


def asked_of(bundle, text, spare=0):
    predictor = bundle.predictor
    inside = Inside(predictor.network, predictor.task, predictor.tokenizer)
    (aim,) = aims_of(predictor, inside, {"text": text}, Wanted())
    return Asked(inside, aim, words_of(aim.texts, aim.tokens), spare)


def plain_parts(bundle, plain, text):
    """Ids, what BERT's layers read of them and of padding in the place of words, and log-odds of `bright` of such."""
    ids = torch.tensor(bundle.tokenizer.backend_tokenizer.encode(text).ids)
    padded = ids.clone()
    padded[1:-1] = bundle.tokenizer.pad_token_id
    label = bundle.task.labels.index("bright")

    def odds(hidden):
        logits = plain.classifier(plain.bert.pooler(plain.bert.encoder(hidden).last_hidden_state))
        return logits[:, label] - logits[:, 1 - label]

    with torch.no_grad():
        read, nothing = plain.bert.embeddings(torch.stack([ids, padded]))
    return ids, read, nothing, odds


def test_all_explainers_are_seen():
    assert len(ALL) >= 6
    assert {"attention", "rollout"} == set(ALL) - set(SIGNED)


@pytest.mark.parametrize("kind", SIGNED)
def test_the_word_that_decides_is_ranked_first(planted, kind, bright):
    found = explain(planted, bright[:20], kind, target="bright", checked=False)
    assert len(found) == 20
    first = sum(told.ranked()[0][0] == TRIGGER for told in found)
    assert first >= 0.95 * len(found), f"{kind}: {first} of {len(found)}"


@pytest.mark.parametrize("kind", sorted({*SIGNED} - {"gradient_input"}))
def test_it_is_ranked_first_by_a_network_that_is_sure_of_it_too(sure, kind, bright):
    found = explain(sure, bright[:20], kind, target="bright", checked=False)
    assert sum(told.ranked()[0][0] == TRIGGER for told in found) >= 19
    assert min(told.value for told in found) > 3


def test_a_gradient_that_says_little_says_so(planted, sure, bright):
    """A network that is sure of itself is flat where it is."""
    flat, sloping = (explain(bundle, bright[:5], "gradient_input", checked=False) for bundle in (sure, planted))
    assert all(told.unreliable for told in flat)
    assert np.mean([told.gap for told in flat]) > 0.97 > np.mean([told.gap for told in sloping])


@pytest.mark.parametrize("kind", ALL)
def test_several_are_explained_as_each_alone(planted, kind, bright):
    together = explain(planted, bright[:2], kind, checked=False)
    for text, told in zip(bright[:2], together, strict=True):
        (alone,) = explain(planted, [text], kind, checked=False)
        assert told.scores == alone.scores
        assert told.total == pytest.approx(sum(told.token_scores) - sum(score for _, score in told.special), abs=1e-9)


@pytest.mark.parametrize("kind", SIGNED)
def test_padding_changes_nothing_and_gets_nothing(planted, kind, bright):
    explainer = Explainer.model_validate(kind)
    alone = explainer.explain(asked_of(planted, bright[0])).scores
    padded = explainer.explain(asked_of(planted, bright[0], spare=3)).scores
    assert len(padded) == len(alone)
    np.testing.assert_allclose(padded, alone, atol=2e-4)


def test_integrated_gradients_are_the_integral_and_sum_to_the_difference(planted, plain, bright):
    for text in bright[:3]:
        (told,) = explain(planted, [text], "integrated_gradients", checked=False)
        _, read, padded, odds = plain_parts(planted, plain, text)
        shares = (torch.arange(1000) + 0.5) / 1000
        points = (padded + shares[:, None, None] * (read - padded)).requires_grad_()
        (slope,) = torch.autograd.grad(odds(points).sum(), points)
        right = (slope.mean(0) * (read - padded)).sum(-1)
        difference = float((odds(read[None]) - odds(padded[None])).detach())
        assert told.facts["difference"] == pytest.approx(difference, abs=1e-4)
        assert told.gap <= 0.01
        assert not told.unreliable
        assert told.total == pytest.approx(difference, rel=0.011)
        np.testing.assert_allclose(told.token_scores, right, atol=0.02 * abs(difference))


def test_integrated_gradients_that_miss_their_sum_say_so(planted, bright):
    (told,) = explain(
        planted, bright[:1], {"kind": "integrated_gradients", "steps": 1, "most_steps": 1, "tolerance": 1e-6}
    )
    assert told.unreliable
    assert told.gap > 1e-6


def test_steps_are_doubled_until_the_sum_is_met(planted, bright):
    few = {"kind": "integrated_gradients", "steps": 1, "tolerance": 0.01}
    told = explain(planted, bright[:5], few, checked=False)
    assert all(each.gap <= 0.01 for each in told)
    assert max(each.facts["steps"] for each in told) > 1


def test_gradient_times_input_is_that(planted, plain, bright):
    (told,) = explain(planted, bright[:1], "gradient_input", checked=False)
    _, read, padded, odds = plain_parts(planted, plain, bright[0])
    here = read[None].clone().requires_grad_()
    (slope,) = torch.autograd.grad(odds(here).sum(), here)
    np.testing.assert_allclose(told.token_scores, (slope[0] * (read - padded)).sum(-1), atol=1e-4)


@pytest.mark.parametrize("unit", ["word", "token"])
def test_occlusion_is_what_a_hidden_word_takes_away(planted, plain, unit, bright):
    (told,) = explain(planted, bright[:1], {"kind": "occlusion", "unit": unit}, checked=False)
    ids, read, _, odds = plain_parts(planted, plain, bright[0])
    whole = odds(read[None])
    for word, score in told.scored():
        hidden = ids.clone()
        hidden[list(word.tokens)] = planted.tokenizer.mask_token_id
        assert len(word.tokens) == 1  # the tokenizer has learnt all words, so both units are the same here
        assert score == pytest.approx(float((whole - odds(plain.bert.embeddings(hidden[None]))).detach()), abs=1e-4)


def test_values_of_words_sum_exactly_to_what_the_text_makes(planted, bright):
    for settings in ({"exact": 12}, {"exact": 0}, {"exact": 0, "evaluations": 6}):
        for told in explain(planted, bright[:2], {"kind": "shap"} | settings, checked=False):
            assert told.total == pytest.approx(told.facts["difference"], abs=1e-4)
            assert told.gap < 1e-4


def test_attention_is_that_of_transformers_and_the_answer_stays(planted, plain, bright):
    told = explain(planted, bright[:1], {"kind": "attention", "layer": 1, "head": 2}, checked=False)[0]
    ids = torch.tensor([planted.tokenizer.backend_tokenizer.encode(bright[0]).ids])
    with torch.no_grad():
        right = torch.cat(plain(input_ids=ids, output_attentions=True).attentions).numpy()
    np.testing.assert_allclose(told.attention, right, atol=1e-5)
    np.testing.assert_allclose(told.attention.sum(-1), 1, atol=1e-5)
    assert told.facts["kernel"] <= 1e-5 * max(1, abs(told.value))
    np.testing.assert_allclose(told.token_scores, right[0, 1, 0], atol=1e-5)  # read at the first token
    (mean,) = explain(planted, bright[:1], "attention", checked=False)
    np.testing.assert_allclose(mean.token_scores, right[1].mean(0)[0], atol=1e-5)
    (rolled,) = explain(planted, bright[:1], "rollout", checked=False)
    halves = (right.mean(1) + np.eye(right.shape[-1])) / 2
    np.testing.assert_allclose(rolled.token_scores, (halves[1] @ halves[0])[0], atol=1e-5)
    assert sum(rolled.token_scores) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("settings", "said"), [({"layer": 3}, "layer 3: the model has 2"), ({"head": 9}, "head 9")])
def test_a_layer_or_head_that_is_not_there_is_refused(planted, settings, said, bright):
    with pytest.raises(Refusal, match=said):
        explain(planted, bright[:1], {"kind": "attention"} | settings)


@pytest.mark.parametrize("kind", SIGNED)
def test_what_is_named_matters_more_than_words_at_random(planted, kind, bright):
    for told in explain(planted, bright[:3], kind, target="bright"):
        faith = told.faithfulness
        assert faith.comprehensiveness > faith.random_comprehensiveness
        assert faith.sufficiency < faith.random_sufficiency


def test_of_a_calibrated_bundle_the_probability_is_explained_that_is_told(planted, bright, monkeypatch):
    cooler = planted.predictor.task.model_copy(update={"temperature": 3.0})
    monkeypatch.setattr(planted.predictor, "task", cooler)
    (told,) = explain(planted, bright[:1], "occlusion", target="bright", checked=False)
    (answer,) = planted.predictor.predict([{"text": bright[0]}])
    assert told.value == pytest.approx(np.log(answer["scores"]["bright"] / (1 - answer["scores"]["bright"])), abs=1e-4)


def test_a_baseline_leaves_special_tokens_where_they_are_in_what_counts_positions_from_padding(tmp_path):
    records, tokenizer, task = read(40)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = RobertaConfig(vocab_size=len(tokenizer), max_position_embeddings=40, **sizes, **task.config())
    config.pad_token_id = tokenizer.pad_token_id
    torch.manual_seed(0)
    model = RobertaForSequenceClassification(config).eval()
    save(tmp_path / "bundle", model, tokenizer, task, precision="float32", provenance={}, examples=records[:1])
    with load(tmp_path / "bundle", "float32", threads=1) as bundle:
        asked = asked_of(bundle, "the river was cold")
        special_T = torch.from_numpy(~asked.text_T)
        assert int(special_T.sum()) == 2
        torch.testing.assert_close(asked.baseline[special_T], asked.read[special_T])
        assert not torch.equal(asked.baseline[~special_T], asked.read[~special_T])
