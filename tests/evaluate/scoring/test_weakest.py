"""Weak slices: a planted one is found first, and where there is none, one is found as rarely as is said."""

import numpy as np
import pytest
from scipy.stats import binomtest, hypergeom

from danlu.answer.answer import Answer
from danlu.evaluate.scoring.examine import examine
from danlu.evaluate.scoring.metric import measures
from danlu.evaluate.scoring.proportion import share_of
from danlu.evaluate.scoring.side import Side
from danlu.evaluate.scoring.slicing import Slice, slices_of
from danlu.evaluate.scoring.weakest import _tail, around, sliced, weakest
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.task import Task

TASK = Task.model_validate({"kind": "classify", "labels": ["bad", "good"]})
ENGLISH = [
    "screen",
    "bright",
    "battery",
    "lasts",
    "long",
    "sound",
    "was",
    "poor",
    "for",
    "price",
    "every",
    "shop",
    "know",
]
CHINESE = ["屏幕", "电池", "声音", "价格", "包装", "物流", "客服", "质量", "颜色", "尺寸", "味道", "做工"]


def opinions(count, seed, words, planted=None, sign=" "):
    """Records whose words have nothing to do with errors, and answers of which 12 % are wrong; with the word, 60 %."""
    rng = np.random.default_rng(seed)
    records, wrong = [], []
    for _ in range(count):
        some = rng.choice(words, rng.integers(4, 9)).tolist()
        has = planted is not None and rng.random() < 0.08
        text = sign.join([*some[:2], *([planted] if has else []), *some[2:]])
        records.append(
            {"text": text, "label": str(rng.choice(["bad", "good"])), "shop": str(rng.choice(["east", "west"]))}
        )
        wrong.append(rng.random() < (0.6 if has else 0.12))
    return records, np.array(wrong)


def answers(records, wrong):
    other = {"bad": "good", "good": "bad"}
    labels = [other[row["label"]] if is_wrong else row["label"] for row, is_wrong in zip(records, wrong, strict=True)]
    return [{"label": label, "scores": {"bad": 0.2, "good": 0.2, label: 0.8}} for label in labels]


@pytest.mark.parametrize(("words", "planted", "sign"), [(ENGLISH, "refund", " "), (CHINESE, "退款", "，")])
def test_a_planted_weak_slice_is_found_first_and_told_once(words, planted, sign):
    for seed in range(2):
        records, wrong = opinions(1500, seed, words, planted, sign)
        found = examine(TASK, lambda _: answers(records, wrong), records, resamples=100).scores.to_plain()["slices"]  # noqa: B023
        first, *others = found["weak"]
        holding = [place for place, row in enumerate(records) if planted in row["text"]]
        assert (first["kind"], first["name"]) == ("word", planted)
        assert first["records"] == len(holding)
        assert first["value"] == pytest.approx(wrong[holding].mean())
        assert first["low"] < first["value"] < first["high"]
        assert first["low"] > found["value"] == pytest.approx(wrong.mean())
        assert first["p"] <= 0.01
        assert not others


def test_where_no_slice_is_weak_one_is_found_as_rarely_as_is_said():
    records, _ = opinions(400, 0, ENGLISH)
    side = Side(find(Answer, "label")(), ["bad", "good"], [row["label"] for row in records])
    slices = slices_of(TASK, side, records)
    assert len(slices) > 15
    rng, tests = np.random.default_rng(1), 300
    for losses in (lambda: (rng.random(400) < 0.15).astype(float), lambda: rng.lognormal(0, 1, 400)):
        found = sum(bool(weakest(losses(), slices, 20, deals=99, seed=seed)) for seed in range(tests))
        assert 3 <= found <= 28  # 15 are expected, of standard deviation 3.8


def test_the_chance_of_so_many_errors_is_that_of_the_hypergeometric_law():
    for count, errors, size in ((50, 7, 20), (1000, 900, 300), (30, 30, 4)):
        k = np.arange(min(size, errors) + 1)
        assert np.exp(_tail(count, errors, size)) == pytest.approx(hypergeom.sf(k - 1, count, errors, size), rel=1e-9)


def test_the_interval_of_one_slice_is_wilsons_and_that_of_many_is_wider():
    losses = np.array([1.0] * 30 + [0.0] * 70)
    known = binomtest(30, 100).proportion_ci(0.95, "wilson")
    assert (around(losses, 1).low, around(losses, 1).high) == pytest.approx((known.low, known.high))
    known = binomtest(30, 100).proportion_ci(1 - 0.05 / 40, "wilson")
    assert (around(losses, 40).low, around(losses, 40).high) == pytest.approx((known.low, known.high))


def test_all_intervals_together_hold_in_nearly_all_tests():
    rng, missed = np.random.default_rng(0), 0
    for _ in range(100):
        shares = rng.uniform(0.1, 0.9, 30)
        each = [around((rng.random(80) < share).astype(float), 30) for share in shares]
        missed += any(not found.low <= share <= found.high for found, share in zip(each, shares, strict=True))
    assert missed <= 11  # 5 at most are expected


def test_slices_are_by_length_script_label_rare_words_columns_and_words():
    records = [{"text": "good " * (1 + place % 10), "label": "good", "shop": "east"} for place in range(60)]
    records += [{"text": "很好的书" * 3, "label": "bad", "shop": None} for place in range(60)]
    for place in range(0, 120, 3):
        records[place]["text"] += f" w{place}"
    side = Side(find(Answer, "label")(), ["bad", "good"], [row["label"] for row in records])
    found = slices_of(TASK, side, records)
    told = {(each.kind, each.value) for each in found}
    assert {("label", "bad"), ("label", "good")} <= told
    assert {kind for kind, _ in told} >= {"length", "label", "rare"}
    for each in found:
        assert 20 <= len(each.members) <= 100
    assert len({each.members.tobytes() for each in found}) == len(found)
    mixed = [
        row | {"shop": ("east", "west", "north")[place % 3], "price": place / 7} for place, row in enumerate(records)
    ]
    columns = {(each.column, each.value) for each in slices_of(TASK, side, mixed) if each.kind == "column"}
    assert {("shop", "east"), ("shop", "north")} <= columns
    assert len([name for name, _ in columns if name == "price"]) == 5


def test_a_column_that_no_record_has_is_refused_with_the_nearest_name():
    records, wrong = opinions(60, 0, ENGLISH)
    with pytest.raises(
        Refusal, match="slices: no record has a column 'shpo'; did you mean 'shop'\\?; there are: text, label, shop"
    ):
        examine(TASK, lambda _: answers(records, wrong), records, slices=["shpo"])
    assert examine(TASK, lambda _: answers(records, wrong), records, slices=None, resamples=100).scores.slices is None


def test_numbers_and_likelihoods_have_weak_slices_too():
    rng = np.random.default_rng(0)
    weak = Slice("word", "x", np.arange(40))
    rest = Slice("word", "y", np.arange(300, 400))
    numbers = rng.normal(0, 1, 500)
    numbers[:40] += 3
    side = Side(find(Answer, "number")(), [], [0.0] * 500, numbers.tolist())
    found = sliced(side, measures(["mae"], "number")["mae"], "mae", [rest, weak], 20, 0)
    assert [each.slice.value for each in found.weak] == ["x"]
    assert found.weak[0].interval.value == pytest.approx(np.abs(numbers[:40]).mean())
    likely = Side(find(Answer, "likelihood")(), [], [(0.0, 0)] * 500, [(float(abs(value)), 1) for value in numbers])
    assert sliced(likely, None, "perplexity", [rest, weak], 20, 0).measure == "nats"
    ranked = Side(find(Answer, "ranking")(), [], [()] * 500, [()] * 500)
    assert sliced(ranked, None, "mrr", [rest, weak], 20, 0) is None


def test_a_metric_that_is_better_where_it_is_higher_is_told_as_it_is():
    side = Side(find(Answer, "text")(), [], [("a",)] * 200, [("b",)] * 40 + [("a",)] * 160)
    metric = measures(["verbatim"], "text")["verbatim"]
    found = sliced(side, metric, "verbatim", [Slice("word", "x", np.arange(40))], 20, 0)
    assert found.value == pytest.approx(0.8)
    assert found.weak[0].interval.value == 0
    assert found.weak[0].interval.low == 0 < found.weak[0].interval.high < 0.3
    halves = [Slice("length", "few", np.arange(40)), Slice("length", "many", np.arange(40, 200))]
    none, all_right = (each.interval for each in sliced(side, metric, "verbatim", halves, 20, 0).others)
    wilson = share_of(0, 40), share_of(160, 160)
    assert (none.low, none.high) == pytest.approx((wilson[0].low, wilson[0].high))
    assert (all_right.low, all_right.high) == pytest.approx((wilson[1].low, wilson[1].high))
