"""From log-likelihoods to a label: the formulas of length and calibration, computed by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from danlu.data.cleaning.cleaner import Cleaner
from danlu.prompt.answering import answered, divided
from danlu.prompt.examined import compare_prompts, examine_prompt
from danlu.prompt.shots import Shots
from danlu.refusal import Refusal
from danlu.text.prompting.filled import Filled
from danlu.text.prompting.laid import Scored
from danlu.text.prompting.template import PromptTemplate


class Stated:
    """Says what was written down for a text, whatever the model would say; and counts what it is asked."""

    rewriters = ()

    def __init__(self, said: dict[str, tuple[float, ...]]) -> None:
        self.said = said
        self.asked: list[str] = []

    def scored(self, prompts: Sequence[Filled], chat: None = None) -> list[list[Scored]]:
        self.asked += [each.before for each in prompts]
        return [
            [
                Scored(log, number + 1, len(word))
                for number, (log, word) in enumerate(zip(logs, each.words, strict=True))
            ]
            for each, logs in ((each, self.said[each.before.split("|")[-1]]) for each in prompts)
        ]


SAID = {"one:": (-2.0, -5.0), "two:": (-6.0, -4.0), "N/A:": (-1.0, -6.0), ":": (-2.0, -8.0)}
RECORDS = [{"text": "one", "label": "a"}, {"text": "two", "label": "b"}]


def template(**fields) -> PromptTemplate:
    return PromptTemplate(text="{text}:{label}", verbalizer={"a": "yes", "b": "no"}, between="|", **fields)


def told(**fields):
    return list(answered(Stated(SAID), template(**fields), RECORDS, Shots(template(), [], RECORDS, "")))


def normal(logs: Sequence[float]) -> np.ndarray:
    return np.exp(logs) / np.exp(logs).sum()


@pytest.mark.parametrize(("divide_by", "lengths"), [("tokens", (1, 2)), ("characters", (3, 2)), ("nothing", (1, 1))])
def test_shares_are_those_of_the_formulas(divide_by: str, lengths: tuple[int, int]) -> None:
    for found, text in zip(told(divide_by=divide_by), ("one:", "two:"), strict=True):
        raw = normal(np.array(SAID[text]) / lengths)
        prejudice = np.mean([normal(np.array(SAID[free]) / lengths) for free in ("N/A:", ":")], 0)
        calibrated = raw / prejudice / (raw / prejudice).sum()
        assert found.raw == pytest.approx(raw)
        assert found.prejudice == pytest.approx(prejudice)
        assert list(found.prediction()["scores"].values()) == pytest.approx(calibrated)
        assert list(found.prediction(raw=True)["scores"].values()) == pytest.approx(raw)
        assert divided(template(divide_by=divide_by), found.scored[1]) == SAID[text][1] / lengths[1]


@pytest.mark.parametrize("several", ["mean", "sum"])
def test_words_of_one_label_count_together(several: str) -> None:
    words = {"a": ["yes", "sure"], "b": "no"}
    said = {text: (*logs, -3.0) for text, logs in SAID.items()}
    prompt = PromptTemplate(
        text="{text}:{label}", verbalizer=words, between="|", divide_by="nothing", several=several, calibrate=False
    )
    (found, _) = answered(Stated(said), prompt, RECORDS, Shots(prompt, [], RECORDS, ""))
    yes, sure, no = np.exp(said["one:"])
    together = np.array([(yes + sure) / (2 if several == "mean" else 1), no])
    assert found.raw == pytest.approx(together / together.sum())
    assert (found.words, found.of_labels) == (("yes", "sure", "no"), (range(2), range(2, 3)))


def test_calibration_can_turn_an_answer_and_can_be_left_out() -> None:
    first = told(divide_by="nothing")[0]
    assert first.prediction(raw=True)["label"] == "a"
    assert first.prediction()["label"] == "b"
    plain = told(divide_by="nothing", calibrate=False)[0]
    assert plain.prejudice is None
    assert plain.prediction() == first.prediction(raw=True)


def test_a_word_that_is_all_but_impossible_breaks_nothing() -> None:
    said = SAID | {":": (-1.0, -5000.0), "one:": (-3000.0, -1.0)}
    found = next(answered(Stated(said), template(content_free=("",)), RECORDS, Shots(template(), [], RECORDS, "")))
    assert np.isfinite(found.shares).all()
    assert found.prediction()["label"] == "b"


def test_prompts_without_content_are_asked_once_for_all_records_of_the_same_examples() -> None:
    pool = [{"text": "three", "label": "a"}, {"text": "four", "label": "b"}, {"text": "two and one", "label": "b"}]
    same, similar = template(shots=2), template(shots=1, choose="similar")
    for each, prompts in ((same, 4), (similar, 4)):
        stated = Stated(SAID)
        list(answered(stated, each, RECORDS, Shots(each, pool, RECORDS, "")))
        assert len(stated.asked) == len(set(stated.asked)) == prompts


def test_scores_are_of_the_calibrated_answers_and_two_prompts_are_compared_record_by_record() -> None:
    calibrated, raw = template(divide_by="nothing"), template(divide_by="nothing", calibrate=False)
    found = examine_prompt(Stated(SAID), calibrated, RECORDS, shown=1, resamples=100)
    assert found.found.side.values == ["b", "b"]
    assert found.raw is not None
    assert found.raw.values == ["a", "b"]
    assert len(found.told) == 1
    turned = PromptTemplate(**{**raw.model_dump(), "verbalizer": {"b": "no", "a": "yes"}})
    stated = Stated(SAID)
    compared, both = compare_prompts(stated, (calibrated, turned), RECORDS, resamples=100)
    assert compared.paired
    by_name = {row.metric: row for row in compared.metrics}
    assert (by_name["accuracy"].first.value, by_name["accuracy"].second.value) == (0.5, 1.0)
    assert by_name["accuracy"].difference.value == 0.5
    assert both[1].raw is None


def test_labels_without_a_word_and_prompts_of_other_labels_are_refused() -> None:
    with pytest.raises(Refusal, match="record 2: the label 'c' is not among those of the template's verbalizer"):
        examine_prompt(Stated(SAID), template(), [RECORDS[0], {"text": "two", "label": "c"}])
    other = PromptTemplate(text="{text}{label}", verbalizer={"a": "x", "c": "y"})
    with pytest.raises(Refusal, match=r"choose between other labels \(a, b; a, c\)"):
        compare_prompts(Stated(SAID), (template(), other), RECORDS)


def test_texts_are_rewritten_as_the_training_data_of_the_model_were_and_told_as_they_were_given() -> None:
    stated = Stated(SAID)
    stated.rewriters = (Cleaner.model_validate("whitespace"),)
    given = [record | {"text": f"  {record['text']} \t"} for record in RECORDS]
    found = examine_prompt(stated, template(shots=1, choose="random"), given, [{"text": " three  ", "label": "a"}])
    assert {text.partition("|")[0] for text in stated.asked} == {"three:yes"}
    assert {text.partition("|")[2] for text in stated.asked} == set(SAID)
    assert {error["record"]["text"] for error in found.found.errors} <= {record["text"] for record in given}


def test_few_records_of_many_words_are_in_memory_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.prompt.answering.ROWS", 4)
    stated, prompt = Stated(SAID), template(calibrate=False)
    found = answered(stated, prompt, [*RECORDS, *RECORDS, RECORDS[0]], Shots(prompt, [], RECORDS, ""))
    seen = [(each.record["text"], len(stated.asked)) for each in found]
    assert seen == [("one", 2), ("two", 2), ("one", 4), ("two", 4), ("one", 5)]


def test_what_a_text_alone_makes_likely_is_so_however_unlikely_its_words_are() -> None:
    said = {"one:": (-10.0, -900.0), "two:": (-10.0, -1500.0), "N/A:": (-10.0, -1500.0), ":": (-10.0, -1500.0)}
    prompt = template(divide_by="nothing")
    one, two = answered(Stated(said), prompt, RECORDS, Shots(prompt, [], RECORDS, ""))
    assert one.shares.tolist() == pytest.approx([0.0, 1.0])
    assert two.shares.tolist() == pytest.approx([0.5, 0.5])


def test_a_word_that_is_forbidden_altogether_is_no_answer() -> None:
    said = {"one:": (-math.inf, -1.0), "two:": (-math.inf, -2.0), "N/A:": (-math.inf, -1.0), ":": (-math.inf, -3.0)}
    prompt = template()
    for found in answered(Stated(said), prompt, RECORDS, Shots(prompt, [], RECORDS, "")):
        assert np.isfinite(found.shares).all()
        assert found.raw.tolist() == pytest.approx([0.0, 1.0])
    none = dict.fromkeys(said, (-math.inf, -math.inf))
    for found in answered(Stated(none), prompt, RECORDS, Shots(prompt, [], RECORDS, "")):
        assert (found.raw.tolist(), found.shares.tolist()) == ([0.5, 0.5], [0.5, 0.5])
