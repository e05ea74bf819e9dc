"""Metrics of written texts against sacreBLEU, values of the field, and what people may expect of them."""

import random

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as some

from danlu.answer.answer import Answer
from danlu.evaluate.scoring.metric import Metric
from danlu.evaluate.scoring.score import score
from danlu.evaluate.scoring.side import Side
from danlu.recipe.part import find
from danlu.task.tasks.translate import Translate

CHINESE = ["他每天走路上班。", "我喜欢喝茶，不喜欢喝咖啡。", "车站在哪里？请告诉我怎么走。"]
WORDS = {"13a": ["the", "cat", "sat", "on", "a", "mat", "3.5", "don't", ",", "."], "zh": list("我你他喝茶看书天。，3")}


def side_of(answers, *references):
    right = [tuple(texts) for texts in zip(*references, strict=True)]
    return Side(find(Answer, "text")(), (), right, [(text,) for text in answers])


def measured(kind, side):
    metric = find(Metric, kind)()
    return metric.measured(metric.prepared(side), len(side.gold))


@pytest.mark.parametrize("tokenizer", WORDS)
@settings(max_examples=30, deadline=None)
@given(seed=some.integers(0, 10**6), references=some.integers(1, 3))
def test_bleu_and_chrf_are_those_of_sacrebleu(tokenizer, seed, references):
    dice = random.Random(seed)
    seam = " " if tokenizer == "13a" else ""
    size = dice.randint(1, 6)

    def texts():
        return [
            seam.join(dice.choices(WORDS[tokenizer], k=dice.randint(1, 12))) + seam + "茶" * (seam == "")
            for _ in range(size)
        ]

    answers, right = texts(), [texts() for _ in range(references)]
    side = side_of(answers, *right)
    if tokenizer == "13a" and not any(letter.isalpha() for texts in right for text in texts for letter in text):
        return
    bleu = sacrebleu.BLEU(tokenize=tokenizer).corpus_score(answers, right).score
    assert measured("bleu", side) == pytest.approx(bleu, rel=1e-9, abs=1e-9)
    assert measured("chrf", side) == pytest.approx(sacrebleu.CHRF().corpus_score(answers, right).score, rel=1e-9)


def test_rouge_is_that_of_the_field():
    """The example of rouge-score, by Google."""
    side = side_of(["The quick brown dog jumps on the log."], ["The quick brown fox jumps over the lazy dog"])
    assert measured("rouge1", side) == pytest.approx(0.7058823529411765)
    assert measured("rougel", side) == pytest.approx(0.5882352941176471)


def longest_common(one, other):
    """By the table, as textbooks have it."""
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for row, left in enumerate(one):
        for column, right in enumerate(other):
            up, before = table[row][column + 1], table[row + 1][column]
            table[row + 1][column + 1] = table[row][column] + 1 if left == right else max(up, before)
    return table[-1][-1]


@settings(max_examples=50, deadline=None)
@given(some.text("abc", max_size=12), some.text("abc", min_size=1, max_size=12))
def test_the_longest_common_subsequence_is_that_of_the_table(one, other):
    found = find(Metric, "rougel")().shared(list(one), list(other))
    assert found == (longest_common(one, other), len(one), len(other))


@pytest.mark.parametrize("kind", ["rouge1", "rouge2", "rougel", "exact_match", "length_ratio", "target_script"])
def test_the_same_chinese_texts_score_one_and_their_unit_is_told(kind):
    side = side_of(CHINESE, CHINESE)
    assert measured(kind, side) == 1.0
    assert measured("bleu", side) == measured("chrf", side) == pytest.approx(100)
    assert ("character" in find(Metric, kind)().definition(side)) == (kind not in ("exact_match", "target_script"))
    english = side_of(["I like tea."], ["I like tea."])
    assert ("word" in find(Metric, kind)().definition(english)) == (kind not in ("exact_match", "target_script"))


@pytest.mark.parametrize(
    ("texts", "tokenizer"),
    [(CHINESE, "zh"), (["The cat sat."], "13a"), (["ยินดีต้อนรับ"], "char"), (["나는 차를 마신다"], "char")],
)
def test_the_tokenizer_of_bleu_is_that_of_the_language_and_stands_beside_the_score(texts, tokenizer):
    records = [{"text": "a", "translation": text} for text in texts]
    found = score(Translate(), records, [{"text": text} for text in texts], resamples=100).to_plain()
    assert found["metrics"]["bleu"]["definition"] == f"sacreBLEU, {tokenizer}"
    assert "definition" not in found["metrics"]["exact_match"]


def test_of_several_right_texts_the_likest_counts():
    side = side_of(["it is cold today"], ["today it is cold"], ["It is cold today"], ["quite another"])
    assert measured("rougel", side) == 1.0
    assert measured("exact_match", side_of(["a  b"], ["x"], ["a b\n"])) == 1.0


def test_an_answer_in_the_wrong_script_or_one_that_repeats_itself_shows():
    wrong = side_of(["I like tea", "我喜欢喝茶"], CHINESE[:2])
    assert measured("target_script", wrong) == pytest.approx(5 / 13)
    assert measured("repetition", side_of(["好" * 20], CHINESE[:1])) == pytest.approx(16 / 17)
    assert measured("length_ratio", side_of(["好" * 14], CHINESE[:1])) == 2.0
