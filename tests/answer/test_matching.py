"""Texts that say the same, against the official scripts of SQuAD and CMRC 2018 and values worked out by hand."""

import re
import string
from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some

from danlu.answer.matching import best_shared, counted_in, matches, nearest_piece, shared, units


def squad_normalised(text):
    """`normalize_answer` of the official evaluation of SQuAD 2.0, written down by its description."""
    text = "".join(character for character in text.lower() if character not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def squad_f1(truth, answer):
    true, given_ = squad_normalised(truth).split(), squad_normalised(answer).split()
    if not true or not given_:
        return int(true == given_)
    same = sum((Counter(true) & Counter(given_)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(given_), same / len(true)
    return 2 * precision * recall / (precision + recall)


def cmrc_f1(truth, answer):
    """The longest run that two lists share, by the table of `find_lcs` in the official script of CMRC 2018."""
    one, two = units(truth, "characters"), units(answer, "characters")
    table = [[0] * (len(two) + 1) for _ in range(len(one) + 1)]
    longest = 0
    for i, left in enumerate(one):
        for j, right in enumerate(two):
            table[i + 1][j + 1] = table[i][j] + 1 if left == right else 0
            longest = max(longest, table[i + 1][j + 1])
    if not longest:
        return 0.0
    precision, recall = longest / len(two), longest / len(one)
    return 2 * precision * recall / (precision + recall)


WORDS = some.lists(some.sampled_from(["the", "The", "a", "cat", "cat's", "sat,", "1998", "-", "U.S.", ""]), max_size=6)
HAN = some.text(some.sampled_from("李白生于碎叶城，。《》a1 "), min_size=1, max_size=10)


@settings(max_examples=settings().max_examples * 2)
@given(WORDS.map(" ".join), WORDS.map(" ".join))
def test_english_is_compared_as_squad_does(truth, answer):
    assume(squad_normalised(truth))
    assert shared(truth, answer) == pytest.approx(squad_f1(truth, answer))
    assert matches(truth, answer) == (squad_normalised(truth) == squad_normalised(answer))


@settings(max_examples=settings().max_examples * 2)
@given(HAN.map(lambda text: f"碎{text}"), HAN.map(lambda text: f"碎{text}"))
def test_chinese_is_compared_as_cmrc_does(truth, answer):
    assert shared(truth, answer) == pytest.approx(cmrc_f1(truth, answer))


def test_hand_worked_values():
    assert counted_in("1998年") == "characters"
    assert counted_in("in 1998") == "words"
    assert units("NBA总决赛，2008年", "characters") == ["nba", "总", "决", "赛", "2008", "年"]
    assert matches("《三国演义》", "三国演义")
    assert not matches("三国演义", "三国")
    assert matches("The Cat!", "cat")
    assert shared("北京大学", "北京的大学") == pytest.approx(2 * 2 / (4 + 5))  # a run of two characters, not all four
    assert shared("the cat sat", "cat sat down") == pytest.approx(2 * 2 / (2 + 3))
    assert shared("", "") == 1.0
    assert shared("", "好") == 0.0
    assert best_shared(["1998", "in 1998"], "in 1998") == 1.0
    assert best_shared([], "1998") == 0.0


@pytest.mark.parametrize(
    ("truth", "right", "wrong"),
    [("A", ["a", "A."], ["", "the", "B"]), ("+", ["+ "], ["-", "", "the"]), ("", [" "], ["the", "A"])],
)
def test_a_right_text_of_articles_or_signs_alone_is_matched_by_these_alone(truth, right, wrong):
    assert [matches(truth, answer) for answer in [*right, *wrong]] == [True] * len(right) + [False] * len(wrong)
    assert [shared(truth, answer) for answer in [*right, *wrong]] == [1.0] * len(right) + [0.0] * len(wrong)


def test_what_is_most_like_an_answer_that_is_nowhere():
    assert nearest_piece("李白生于碎叶城。", "碎叶域") == (4, 7)
    assert nearest_piece("It opened in 1998.", "Opened") == (3, 9)
    assert nearest_piece("abc", "天") is None
