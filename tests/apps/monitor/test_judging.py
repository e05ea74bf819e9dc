"""What is found out of a text: repeats, topics, sentiment."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor_streams import BEGIN, plain_judge

from danlu.apps.monitor.folding import WINDOW, Folding
from danlu.apps.monitor.item import LONGEST, item_of
from danlu.apps.monitor.judging import PLAIN, Given, Judge, Unjudged
from danlu.apps.monitor.negative import named, yes_or_no
from danlu.apps.monitor.sentiment import score
from danlu.apps.monitor.topics import Keywords, keywords_of
from danlu.data.duplicates.dedup import find_clusters
from danlu.refusal import Refusal


def texts_with_repeats(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    letters = "的是不一了有在人我大个年这中为国上车以和就时要好也到动多后还会很"
    found: list[str] = []
    for _ in range(count):
        if found and rng.random() < 0.4:
            text = list(rng.choice(found))
            text[rng.randrange(len(text))] = rng.choice(letters)
            found.append("".join(text))
        else:
            found.append("".join(rng.choices(letters, k=60)))
    return found


def folded(texts: list[str], sizes: list[int], dates: list[float] | None = None) -> list[int | None]:
    folding = Folding(lambda numbers: {number: texts[number] for number in numbers})
    found: list[int | None] = []
    while len(found) < len(texts):
        part = range(len(found), min(len(texts), len(found) + sizes[len(found) % len(sizes)]))
        when = [dates[row] for row in part] if dates else [BEGIN] * len(part)
        found += [fold.like for fold in folding.fold(list(part), [texts[row] for row in part], when)]
    return found


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=5), st.integers(0, 1000))
def test_repeats_are_the_same_however_many_texts_come_at_once(sizes: list[int], seed: int) -> None:
    texts = texts_with_repeats(40, seed)
    assert folded(texts, sizes) == folded(texts, [40])


def test_repeats_are_those_that_a_comparison_of_all_pairs_finds() -> None:
    texts = texts_with_repeats(150, 7)
    clusters = find_clusters(texts, 0.7).near.tolist()
    found = folded(texts, [32])
    assert [row if like is None else like for row, like in enumerate(found)] == clusters
    assert 40 < sum(like is not None for like in found) < 90


def test_what_is_said_again_after_days_is_news_and_a_memory_can_be_taken_up() -> None:
    text = texts_with_repeats(1, 0) * 3
    assert folded(text, [1], [BEGIN, BEGIN + WINDOW, BEGIN + 3 * WINDOW]) == [None, 0, None]
    first = Folding(lambda numbers: {})
    fold = first.fold([7], text[:1], [BEGIN])[0]
    second = Folding(lambda numbers: dict.fromkeys(numbers, text[0]))
    second.remember(7, fold.like, BEGIN, fold.bands)
    assert second.fold([8], text[:1], [BEGIN])[0].like == 7


def test_a_chain_of_repeats_ends_with_the_window_of_its_first_text() -> None:
    text, day = texts_with_repeats(1, 0), 86_400.0
    dates = [BEGIN + 2 * day * number for number in range(6)]
    for size in (1, 6):
        assert folded(text * 6, [size], dates) == [None, 0, None, 2, None, 4]
    second = Folding(lambda numbers: dict.fromkeys(numbers, text[0]))
    first = Folding(lambda numbers: {})
    second.remember(7, 3, BEGIN, first.fold([7], text, [BEGIN])[0].bands, BEGIN - 2 * day)
    assert [second.fold([8 + row], text, [BEGIN + row * day])[0].like for row in (1, 2)] == [3, None]


def test_one_wrong_date_hides_no_repeat() -> None:
    day = 86_400.0
    dates = [BEGIN + days * day for days in (10, 5, 10.1, 5.2, 4.9)]
    for size in (1, 5):
        assert folded(texts_with_repeats(1, 0) * 5, [size], dates) == [None, None, 0, None, 3]


def test_what_a_source_knows_is_not_asked_again() -> None:
    judge = plain_judge()
    folding = Folding(lambda numbers: {})
    given_ = [Given(1, "太差了", BEGIN), Given(2, "太差了!!", BEGIN, ("x", "all"), negative=False)]
    told, known = judge.judge(folding, given_)
    assert (told.topics, told.negative) == (("all",), True)
    assert (known.topics, known.negative) == (("all", "x"), False)


def test_a_text_that_cannot_be_read_holds_up_no_other() -> None:
    class Picky:
        def negative(self, texts: Sequence[str]) -> list[bool]:
            if "odd" in texts:
                raise ValueError(texts)
            return ["bad" in text for text in texts]

    lines: list[str] = []
    judge = Judge(Keywords({}), Picky(), lines.append)
    texts = ["bad one", "good one", "odd", "bad again", "odd", "fine"]
    found = judge.judge(Folding(lambda numbers: {}), [Given(row, text, BEGIN) for row, text in enumerate(texts)])
    assert [each.negative for each in found] == [True, False, False, True, False, False]
    assert lines == ["a text of 3 characters cannot be read for sentiment (ValueError)"] * 2


class Failing:
    """Fails for so many questions, then answers; or for all texts but a plain one."""

    def __init__(self, questions: int, but: str | None = None) -> None:
        self.left, self.but = questions, but

    def negative(self, texts: Sequence[str]) -> list[bool]:
        if self.left > 0 and list(texts) != [self.but]:
            self.left -= 1
            raise RuntimeError("out of memory")
        return ["bad" in text for text in texts]

    topics = negative


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["bad", "good", "worse bad"]), min_size=1, max_size=20), st.integers(0, 60))
def test_a_model_that_fails_for_a_moment_makes_no_text_good(texts: list[str], questions: int) -> None:
    """What is kept is what it would have said: whenever it fails, and for however long."""
    judge = Judge(Keywords({}), Failing(questions), pytest.fail)
    given_ = [Given(row, text, BEGIN) for row, text in enumerate(texts)]
    for _ in range(questions + 1):
        try:
            found = judge.judge(Folding(lambda numbers: {}), given_)
        except Unjudged:
            continue
        break
    assert [each.negative for each in found] == ["bad" in text for text in texts]


def test_texts_that_all_fail_are_kept_back_and_one_alone_only_where_a_plain_one_fails_too() -> None:
    lines: list[str] = []
    texts = [Given(row, "bad", BEGIN) for row in range(3)]
    with pytest.raises(Unjudged, match="none of 3 texts can be read for sentiment"):
        Judge(Keywords({}), Failing(10**9, but=PLAIN), lines.append).judge(Folding(lambda numbers: {}), texts)
    with pytest.raises(Unjudged, match="not even a plain text"):
        Judge(Failing(10**9), Failing(0), lines.append).judge(Folding(lambda numbers: {}), texts[:1])  # type: ignore[arg-type]
    assert lines == []
    judge = Judge(Keywords({}), Failing(10**9, but=PLAIN), lines.append)
    assert judge.judge(Folding(lambda numbers: {}), texts[:1])[0].negative is False
    assert lines == ["a text of 3 characters cannot be read for sentiment (RuntimeError)"]


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("这车不错，但是油耗高", -1), ("客服态度不好", -1), ("没有任何问题", 1), ("价格不便宜", -1), ("太差了！", -1),
        ("物流信息一直不更新，太差了。", -1), ("周末跑长途，续航和官方数据差不多。", 0), ("今天天气预报", 0),
        ("not bad at all", 1), ("The service was terrible", -1), ("I don't think it is good", -1),
        ("Support never answers, useless.", -1), ("GREAT value", 1), ("a goodness of fit", 0), ("", 0),
        ("It isn’t good", -1), ("It isnʼt bad", 1),
    ],
)  # fmt: skip
def test_the_rule_reads_what_is_plain(text: str, sign: int) -> None:
    assert (score(text) > 0) - (score(text) < 0) == sign


def test_topics_are_found_by_whole_words_and_by_chinese_anywhere() -> None:
    keywords = Keywords({"price": ["price", "价格"], "car": ["car", "B&O"]})
    asked = ["The PRICE rose", "priceless carpets", "看价格吧", "汽车car车价格", "my B&O", ""]
    assert keywords.topics(asked) == [("price",), (), ("price",), ("price", "car"), ("car",), ()]
    with pytest.raises(Refusal, match=r"topics.yaml: b: expected a list of words"):
        keywords_of({"a": ["x"], "b": "y"}, "topics.yaml")
    with pytest.raises(Refusal, match="'all' is the topic of every text"):
        keywords_of({"all": ["x"]}, "here")


@pytest.mark.parametrize(
    ("word", "inside", "beside"),
    [
        ("été", "la société", "L’été"), ("кот", "который", "Кот!"), ("cafe", "cafe\u0301", "cafe"),
        ("café", "cafétéria", "un cafe\u0301"), ("Model 3", "Model 30", "Model 3用户"), ("5G", "15G", "用5G网"),
        ("McDonald's", "McDonald'sons", "McDonald’s"), ("Straße", "Straßenbahn", "STRASSE"),
        ("价格", "价", "看价格吧"), ("가격", "가", "가격이"), ("カメラ", "カメ", "新カメラが"),
        ("ราคา", "ร", "ดูราคาสินค้า"), ("كتاب", "كتابة", "قرأت الكتاب"), ("מחיר", "מחירון", "על המחיר"),
        ("2024", "12024", "2024г."),
    ],
)  # fmt: skip
def test_a_keyword_is_no_part_of_another_word(word: str, inside: str, beside: str) -> None:
    assert Keywords({"a": [word]}).topics([inside, beside]) == [(), ("a",)]


def test_items_are_made_plain_bounded_and_known_again() -> None:
    record = {"title": "a\0b", "text": "<p>x &amp; y</p>\ud800", "date": "2026-11-25", "topics": "price; ;car；x"}
    item = item_of(record, "feed")
    assert item is not None
    assert (item.title, item.text, item.source) == ("ab", "x & y\n?", "feed")
    assert item.topics == ("price", "car", "x")
    assert item.key == item_of(dict(record), "feed").key  # type: ignore[union-attr]
    assert item.key != item_of(record | {"date": "2026-11-26"}, "feed").key  # type: ignore[union-attr]
    named_item = item_of(record | {"id": 5}, "feed")
    assert named_item is not None
    assert named_item.key == item_of({"text": "other", "id": "5"}, "feed").key  # type: ignore[union-attr]
    long = item_of({"text": "x" * (LONGEST + 1)})
    assert long is not None
    assert (len(long.text), long.cut) == (LONGEST, True)
    assert item_of({"text": 5, "title": None}) is None
    assert item_of({"text": " \0 "}) is None


def test_yes_and_labels_are_told_apart() -> None:
    assert (named("1"), named("-1"), named("负面"), named(-0.5), named("?")) == (False, True, True, True, None)
    assert (yes_or_no("1"), yes_or_no("0"), yes_or_no("否"), yes_or_no(None)) == (True, False, False, None)
    assert item_of({"text": "x", "negative": "1"}).negative is True  # type: ignore[union-attr]
    assert item_of({"text": "x", "sentiment": "1"}).negative is False  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("told", "negative", "unread"),
    [
        ({"sentiment": "-0.6"}, True, False), ({"sentiment": "-2"}, True, False), ({"sentiment": "0.0"}, False, False),
        ({"sentiment": "very negative"}, True, False), ({"sentiment": "非常负面"}, True, False),
        ({"sentiment": "not negative"}, None, True), ({"sentiment": "nan"}, None, True), ({}, None, False),
        ({"negative": float("nan"), "sentiment": float("nan")}, None, False), ({"negative": 2}, None, True),
        ({"negative": 1.0}, True, False), ({"negative": "0.0"}, False, False), ({"negative": 0.7}, None, True),
        ({"negative": "?", "sentiment": -1}, True, False), ({" Negative": "YES"}, True, False),
    ],
)  # fmt: skip
def test_a_sentiment_is_read_as_it_is_written_or_told_not_to_be(
    told: dict[str, object], negative: bool | None, unread: bool
) -> None:
    item = item_of({"Text": "x", **told})
    assert item is not None
    assert (item.negative, item.unread) == (negative, unread)


def test_names_of_columns_may_be_capital_and_ids_are_left_as_they_are() -> None:
    item = item_of({"TEXT": "x", "Id": "<CAF123@mail>\0", "URL": "http://x/?a=1&lt;=2", "created_at": 1_764_000_000})
    assert item is not None
    assert (item.id, item.url, item.date) == ("<CAF123@mail>", "http://x/?a=1&lt;=2", 1_764_000_000)
    assert item_of({"text": "x", "url": "http://x/?a=1&amp;b=2"}).url == "http://x/?a=1&b=2"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "told",
    [
        {"Date": "2026-11-30", "Time": "14:30"}, {"published": "2026-11-30", "time": "14:30"},
        {"date": "30 Nov 2026", "time": "2:30 PM"}, {"date": "2026-11-30", "time": "2026-11-30 14:30"},
        {"date": "11/30/2026", "time": "2026-11-30 14:30"}, {"date": float("nan"), "time": "2026-11-30 14:30"},
    ],
)  # fmt: skip
def test_a_day_and_an_hour_in_columns_of_their_own_are_joined(told: dict[str, object]) -> None:
    joined, whole = item_of({"text": "x", **told}), item_of({"text": "x", "date": "2026-11-30T14:30Z"})
    assert joined is not None
    assert joined == whole
