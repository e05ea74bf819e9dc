"""What changed between two evaluations: p-values against their laws, the answers, in a terminal and on a page."""

from html.parser import HTMLParser

import numpy as np
import pytest
from scipy.stats import binom, binomtest, kstest

from danlu.answer.answer import Answer
from danlu.cli.compare import _names
from danlu.cli.main import main
from danlu.evaluate.reporting.comparison import comparison_in_words
from danlu.evaluate.scoring.changes import mcnemar
from danlu.evaluate.scoring.compare import compare, compared_sides
from danlu.evaluate.scoring.examine import examine, write
from danlu.evaluate.scoring.metric import measures
from danlu.evaluate.scoring.side import Side
from danlu.recipe.part import find
from danlu.task.task import Task

EVIL = "<script>alert('x')</script>"


def test_mcnemars_p_is_the_exact_one_without_half_of_the_case_itself():
    for fixed, broken in ((0, 1), (3, 9), (9, 3), (40, 70), (500, 560)):
        exact = binomtest(fixed, fixed + broken).pvalue
        assert mcnemar(fixed, broken) == pytest.approx(exact - binom.pmf(fixed, fixed + broken, 0.5), rel=1e-9)
    assert mcnemar(0, 0) == mcnemar(7, 7) == 1


@pytest.mark.parametrize("count", [12, 40, 300])
def test_mcnemars_p_is_uniform_under_the_null_as_far_as_counts_allow(count):
    fixed = np.arange(count + 1)
    p = np.array([mcnemar(int(one), count - int(one)) for one in fixed])
    law = binom.pmf(fixed, count, 0.5)
    for level in (0.01, 0.05, 0.2, 0.5, 0.8):
        step = law[np.abs(p - level).argmin()]
        assert law[p <= level].sum() == pytest.approx(level, abs=step + 0.005)


def test_the_bootstraps_p_is_uniform_under_the_null():
    form, found = find(Answer, "label")(), []
    rng = np.random.default_rng(0)
    metrics = measures(["accuracy", "macro_f1"], "label")
    for seed in range(160):
        gold = rng.choice(["a", "b"], 300)
        one, two = (np.where(rng.random(300) < 0.8, gold, np.where(gold == "a", "b", "a")).tolist() for _ in range(2))
        sides = [Side(form, ["a", "b"], gold.tolist(), values) for values in (one, two)]
        found.append([each.p for each in compared_sides(metrics, *sides, resamples=200, seed=seed)])
    for p in np.array(found).T:
        assert kstest(p, "uniform").pvalue > 0.001
        assert 1 <= (p <= 0.05).sum() <= 18  # 8 are expected, of standard deviation 2.8


@pytest.fixture(scope="module")
def evaluations(tmp_path_factory):
    """Two evaluations of the same records: the second puts three right and breaks one."""
    folder = tmp_path_factory.mktemp("two")
    task = Task.model_validate({"kind": "classify", "labels": ["bad", "good"]})
    records = [{"text": f"第{place}本书 {EVIL if place == 4 else ''}", "label": "good"} for place in range(40)]
    for name, wrong in (("before", {1, 2, 3, 9}), ("after", {4, 9})):
        labels = ["bad" if place in wrong else "good" for place in range(40)]
        said = [{"label": label, "scores": {"bad": 0.1, "good": 0.1, label: 0.9}} for label in labels]
        write(folder / name, examine(task, lambda _: said, records, resamples=100))  # noqa: B023
    return folder / "before", folder / "after"


def test_a_model_that_spells_labels_otherwise_has_broken_nothing(tmp_path):
    records = [{"text": f"第{place}本书", "label": "good" if place % 2 else "bad"} for place in range(20)]
    for name, labels in (("one", ["bad", "good"]), ("two", ["Bad", "Good"])):
        task = Task.model_validate({"kind": "classify", "labels": labels})
        said = [{"label": labels[place % 2], "scores": dict.fromkeys(labels, 0.5)} for place in range(20)]
        write(tmp_path / name, examine(task, lambda _: said, records, resamples=100))  # noqa: B023
    found = compare(tmp_path / "one", tmp_path / "two", resamples=100)
    assert (found.changes.fixed, found.changes.broken) == ([], [])
    assert {(each.first.value, each.second.value, each.better) for each in found.metrics} == {(1, 1, None)}


def test_a_written_answer_that_says_the_same_in_other_letters_has_changed_nothing(tmp_path):
    task = Task.model_validate({"kind": "rewrite"})
    records = [{"text": f"question {place}", "target": "yes"} for place in range(20)]
    for name, word in (("one", "Yes."), ("two", "yes")):
        said = [{"text": word, "score": 0.5}] * 20
        write(tmp_path / name, examine(task, lambda _: said, records, resamples=100))  # noqa: B023
    found = compare(tmp_path / "one", tmp_path / "two", resamples=100)
    assert (found.changes.fixed, found.changes.broken) == ([], [])


def test_answers_that_became_right_or_wrong_are_told_with_their_texts(evaluations):
    found = compare(*evaluations, resamples=100)
    assert [each.number for each in found.changes.fixed] == [2, 3, 4]
    assert [(each.number, each.truth, each.first, each.second) for each in found.changes.broken] == [
        (5, "good", "good", "bad")
    ]
    assert found.changes.fixed[0].text == "第1本书 "
    assert found.changes.p == pytest.approx(mcnemar(3, 1))
    lines = comparison_in_words(found, ("A", "B"), "en", shown=2)
    assert any(line.startswith("3 answers became right and 1 wrong; McNemar's test: p = ") for line in lines)
    assert "right in B alone; the first 2 of 3" in lines
    assert any("第1本书" in line for line in lines)
    assert not any("第3本书" in line for line in lines)
    assert any("3 个回答由错变对" in line for line in comparison_in_words(found, ("A", "B"), "zh"))
    assert "No answer became right or wrong." in comparison_in_words(
        compare(*evaluations[:1] * 2, resamples=100), ("A", "B"), "en"
    )


class Texts(HTMLParser):
    """Names of the elements and all text of a page."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.told = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)

    def handle_data(self, data):
        self.told.append(data)


@pytest.mark.parametrize(("language", "words"), [("en", "Answers that changed"), ("zh", "变化的回答")])
def test_a_comparison_is_a_page_in_both_languages(evaluations, tmp_path, monkeypatch, capsys, language, words):
    monkeypatch.setenv("DANLU_LANGUAGE", language)
    with pytest.raises(SystemExit) as done:
        main(["compare", *map(str, evaluations), "--resamples", "100", "--page", str(tmp_path / "c.html")])
    assert done.value.code == 0
    page = Texts((tmp_path / "c.html").read_text(encoding="utf-8"))
    assert words in page.told
    assert "script" not in page.elements
    assert EVIL in " ".join(page.told)
    assert "before → after" in page.told


def test_evaluations_are_named_by_what_differs_in_their_paths(tmp_path, monkeypatch):
    one, other = tmp_path / "a" / "test", tmp_path / "b" / "test"
    for folder in (one, other):
        folder.mkdir(parents=True)
        (folder / "scores.json").write_text("{}")
    assert _names(one, other) == ("a", "b")
    assert _names(one / "scores.json", other / "scores.json") == ("a", "b")
    assert _names(one, one) == ("A", "B")
    assert _names(one / "scores.json", one / "old.json") == ("scores.json", "old.json")
    (tmp_path / "best").symlink_to(one)
    assert _names(tmp_path / "best", other)[0] == "best"
    monkeypatch.chdir(one.parent)
    assert _names(one, other.parent) == ("test", "b")
    assert _names(one.parent / "..", other)[0] == tmp_path.name


def test_what_is_more_or_less_right_has_no_changes(tmp_path):
    task = Task.model_validate("causal_lm")
    said = [{"negative_log_likelihood": 2.0, "tokens": 3}] * 3
    for name in ("one", "two"):
        write(
            tmp_path / name, examine(task, lambda _: said, [{"text": str(place)} for place in range(3)], resamples=100)
        )
    assert compare(tmp_path / "one", tmp_path / "two", resamples=100).changes is None
