"""Robustness and swapped terms, of models that are rules, so that every figure is known beforehand."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from danlu.data.record import Record
from danlu.evaluate.perturbing.read import read_changes
from danlu.evaluate.perturbing.terms import read_groups
from danlu.evaluate.reporting.otherwise_in_words import otherwise_in_words
from danlu.evaluate.reporting.sections.otherwise import otherwise_section
from danlu.evaluate.scoring.examine import Examination, examine
from danlu.evaluate.scoring.otherwise import asked_otherwise_too
from danlu.evaluate.scoring.resample import Draws
from danlu.language import translator
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.pairs import pair_in
from danlu.task.task import Prediction, Task

LABELS = ("good", "bad")
CLASSIFY = find(Task, "classify").model_validate({"labels": LABELS})


def by_a_capital(records: Sequence[Record]) -> Iterator[Prediction]:
    """What is written with a capital is good."""
    for record in records:
        good = any(letter.isupper() for letter in record["text"])
        yield {"label": LABELS[not good], "scores": {"good": float(good), "bad": float(not good)}}


def by_her(records: Sequence[Record]) -> Iterator[Prediction]:
    """Where she stands it is bad, and else good."""
    for record in records:
        bad = "she" in record["text"].casefold().split() or "她" in record["text"]
        yield {"label": LABELS[bad], "scores": {"good": float(not bad), "bad": float(bad)}}


def examined(task: Task, predict: Any, records: list[Record], **how: Any) -> Examination:
    found = examine(task, predict, records, resamples=200)
    return asked_otherwise_too(found, task, predict, records, resamples=200, **how)


def test_the_drop_and_the_changed_answers_of_a_rule_are_known() -> None:
    records = [{"text": "Fine work", "label": "good"}] * 6 + [{"text": "poor work", "label": "bad"}] * 4
    found = examined(CLASSIFY, by_a_capital, records, under=read_changes(["case", "{kind: case, to: upper}", "script"]))
    lower, upper, script = found.beside["under"]
    assert (lower["changed"], upper["changed"], script["changed"]) == (6, 10, 0)
    assert lower["metrics"]["accuracy"]["value"] == 0.4
    assert lower["difference"]["accuracy"]["value"] == pytest.approx(-0.6)
    assert lower["answers_changed"]["value"] == 1.0
    assert upper["answers_changed"]["value"] == pytest.approx(0.4)
    assert "metrics" not in script
    right = np.array([0.0] * 6 + [1.0] * 4) - 1
    drawn = np.concatenate([times @ right / 10 for times in Draws(10, 200, 0)])
    low, high = np.quantile(drawn, [0.025, 0.975])
    gap = lower["difference"]["accuracy"]
    assert (gap["low"], gap["high"]) == pytest.approx((low, high))
    assert "metrics" in found.to_plain()
    assert found.to_plain()["under"] == found.beside["under"]


def test_truth_moves_with_the_text() -> None:
    """A model that finds the name wherever it stands is as good as before."""
    task = find(Task, "tag").model_validate({"labels": ("person",)})
    texts = ["Well, (Ada) came.", "Who? Ada!", "No: nobody."]

    def finds(records: Sequence[Record]) -> Iterator[Prediction]:
        for record in records:
            at = record["text"].lower().find("ada")
            spans = [{"start": at, "end": at + 3, "label": "person", "text": "Ada", "score": 1.0}] if at >= 0 else []
            yield {"entities": spans}

    records: list[Record] = []
    for text in texts:
        at = text.find("Ada")
        records.append({"text": text, "entities": [{"start": at, "end": at + 3, "label": "person"}] if at >= 0 else []})
    found = examined(task, finds, records, under=read_changes(["punctuation", "case"]))
    for told in found.beside["under"]:
        assert told["changed"] == 3
        assert told["metrics"]["entity_f1"]["value"] == 1.0
        assert told["answers_changed"]["value"] == 0.0


def test_swapped_terms_change_the_answers_of_a_rule_that_looks_at_them(tmp_path: Path) -> None:
    (tmp_path / "terms.yaml").write_text("pronouns: [he, she, they]\nrest: [cat, dog]\n")
    records = [
        {"text": "He is kind", "label": "good"},
        {"text": "she is kind", "label": "good"},
        {"text": "the sheep and the cat", "label": "good"},
        {"text": "nobody", "label": "good"},
    ]
    found = examined(CLASSIFY, by_her, records, groups=read_groups(str(tmp_path / "terms.yaml")))
    told = found.beside["swapped"]
    assert (told["records"], told["with_terms"], told["asked"]) == (4, 3, 5)
    pronouns = told["groups"]["pronouns"]
    assert {term: each["score"] for term, each in pronouns["terms"].items()} == {"he": 1.0, "she": 0.0, "they": 1.0}
    apart = pronouns["terms"]["she"]["difference"]
    assert apart["value"] == pytest.approx(-2 / 3)
    assert -1 <= apart["low"] < apart["value"] < apart["high"]  # two records tell little, however alike they are
    assert pronouns["terms"]["she"]["answered"] == {"bad": 2}
    pairs = {(pair["from"], pair["to"]): pair["changed"]["value"] for pair in pronouns["pairs"]}
    assert pairs == {("he", "she"): 1.0, ("he", "they"): 0.0, ("she", "he"): 1.0, ("she", "they"): 1.0}
    assert told["answers_changed"]["value"] == pytest.approx(3 / 5)
    assert [pair["group"] for pair in told["worst"]] == ["pronouns"] * 3
    assert told["examples"][0]["asked"]["text"] == "She is kind"
    assert told["examples"][0]["became_wrong"]


def test_a_rule_that_looks_at_no_term_changes_nothing() -> None:
    pytest.importorskip("jieba")
    records = [{"text": "他说其他人很好", "label": "good"}, {"text": "Good luck 她", "label": "good"}]
    found = examined(CLASSIFY, by_a_capital, records, groups=read_groups("zh"))
    told = found.beside["swapped"]
    assert told["asked"] == 2
    assert told["answers_changed"]["value"] == 0
    assert told["worst"] == told["examples"] == []
    assert {term: each["difference"]["value"] for term, each in told["groups"]["代词"]["terms"].items()} == {
        "他": 0,
        "她": 0,
    }


def test_entities_that_are_terms_move_with_them(tmp_path: Path) -> None:
    (tmp_path / "terms.yaml").write_text("names: [Ada, Charles]\n")
    task = find(Task, "tag").model_validate({"labels": ("person",)})

    def finds(records: Sequence[Record]) -> Iterator[Prediction]:
        """Knows Ada alone."""
        for record in records:
            at = record["text"].find("Ada")
            yield {"entities": [{"start": at, "end": at + 3, "label": "person", "score": 1.0}] if at >= 0 else []}

    records = [{"text": "So Ada wrote to Ada.", "entities": [{"start": 3, "end": 6, "label": "person"}]}]
    told = examined(task, finds, records, groups=read_groups(str(tmp_path / "terms.yaml"))).beside["swapped"]
    assert told["examples"][0]["asked"] == {
        "text": "So Charles wrote to Charles.",
        "entities": [{"start": 3, "end": 10, "label": "person"}],
    }
    assert told["groups"]["names"]["terms"]["Charles"]["score"] == 0.0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_people_read_of_it_in_both_languages(language: str, tmp_path: Path) -> None:
    (tmp_path / "terms.yaml").write_text("pronouns: [he, she]\nnone: [xx, yy]\n")
    records = [{"text": "He <b>is</b> kind", "label": "good"}, {"text": "she is kind", "label": "good"}]
    how = {
        "under": read_changes(["case", "{kind: typos, share: 0.5}", "script"]),
        "groups": read_groups(str(tmp_path / "terms.yaml")),
    }
    plain = examined(CLASSIFY, by_her, records, **how).to_plain()
    lines = "\n".join(otherwise_in_words(plain, language))
    assert "he → she" in lines
    assert ("typing errors" if language == "en" else "打字错误") in lines
    assert ("changes none of the 2 records" if language == "en" else "都没有可改动之处") in lines
    page = otherwise_section(plain, translator(language))
    assert "&lt;b&gt;" in page
    assert "<b>is" not in page
    assert otherwise_in_words({}, language) == []
    assert otherwise_section({}, translator(language)) == ""


def test_a_task_that_reads_no_text_is_refused() -> None:
    records = [{"text": 3, "label": "good"}]
    with pytest.raises(Refusal, match="reads no column with a text here"):
        asked_otherwise_too(
            examine(CLASSIFY, lambda _: iter([{"label": "good", "scores": {"good": 1.0, "bad": 0.0}}]), records),
            CLASSIFY,
            by_her,
            records,
            under=read_changes(["case"]),
        )


@pytest.mark.parametrize("change", ["punctuation", "width", "{kind: case, to: upper}", "typos"])
def test_tags_around_entities_are_no_text_that_is_changed(change: str) -> None:
    text = "Mr. <e1>Li Wei</e1>, who lives in <e2>Beijing</e2>, is happy."
    records = [{"text": text, "label": ["lives", "other"][row % 2]} for row in range(8)]
    task = find(Task, "relate").model_validate({"labels": ["lives", "other"]})

    def predict(given: Sequence[Record]) -> Iterator[Prediction]:
        for number, record in enumerate(given):
            task.gold(record, number)
            assert pair_in(record, number).head != pair_in(record, number).tail
            yield {"label": "lives", "scores": {"lives": 1.0, "other": 0.0}}

    found = examined(task, predict, records, under=read_changes([change]))
    assert found.beside["under"][0]["changed"] == 8
