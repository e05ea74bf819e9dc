"""Questions that follow others: what one was about, and how the next is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.apps.grounded.asked import LONGEST
from danlu.apps.knowledge.following import Turn, readings, subject_of

POPULATION = Turn("北京的人口是多少？", "北京")
OPERA = Turn("Who designed the opera house?", "the opera house")


@pytest.mark.parametrize(
    ("question", "before", "text", "how"),
    [
        ("上海呢？", POPULATION, "上海的人口是多少？", "instead"),
        ("那么上海呢", POPULATION, "上海的人口是多少？", "instead"),
        ("它的面积有多大？", POPULATION, "北京的面积有多大？", "pronoun"),
        ("其面积有多大？", POPULATION, "北京的面积有多大？", "pronoun"),
        ("面积？", POPULATION, "北京 面积？", "about"),
        ("这座城市有几条地铁？", POPULATION, "北京 这座城市有几条地铁？", "about"),
        ("And the library?", OPERA, "Who designed the library?", "instead"),
        ("what about the old town hall?", OPERA, "Who designed the old town hall?", "instead"),
        ("When was it opened?", OPERA, "When was the opera house opened?", "pronoun"),
        ("What is its height?", OPERA, "What is the opera house's height?", "pronoun"),
        ("When opened?", OPERA, "the opera house When opened?", "about"),
        (
            "When was it opened?",
            Turn("Who designed the opera house?"),
            "Who designed the opera house? When was it opened?",
            "about",
        ),
        ("上海呢？", Turn("哪里人口最多？"), "哪里人口最多？ 上海", "about"),
        ("And what about the library?", OPERA, "Who designed the library?", "instead"),
        ("And the WHO?", OPERA, "Who designed the WHO?", "instead"),
        ("And Will?", OPERA, "Who designed Will?", "instead"),
        ("网吧呢？", POPULATION, "网吧的人口是多少？", "instead"),
        ("茶几呢？", POPULATION, "茶几的人口是多少？", "instead"),
        ("土耳其呢？", POPULATION, "土耳其的人口是多少？", "instead"),
        ("And how much does it cost?", OPERA, "how much does the opera house cost?", "pronoun"),
        ("And when is it closed?", OPERA, "when is the opera house closed?", "pronoun"),
        ("And its height?", OPERA, "the opera house's height?", "pronoun"),
        ("and may it be visited?", OPERA, "may the opera house be visited?", "pronoun"),
        ("那它几点关门呢？", POPULATION, "北京几点关门？", "pronoun"),
        ("And how much does a ticket cost?", OPERA, "the opera house how much does a ticket cost?", "about"),
        ("What about when the doors open?", OPERA, "the opera house when the doors open?", "about"),
        ("几点关门呢？", POPULATION, "北京 几点关门？", "about"),
        ("那要不要门票呢？", POPULATION, "北京 要不要门票？", "about"),
        ("该市有多大？", POPULATION, "北京市有多大？", "pronoun"),
        ("近几年呢？", POPULATION, "近几年的人口是多少？", "instead"),
        ("这几天呢？", POPULATION, "这几天的人口是多少？", "instead"),
        ("要是周末呢？", POPULATION, "要是周末的人口是多少？", "instead"),
        ("如果是学生呢？", POPULATION, "如果是学生的人口是多少？", "instead"),
        ("哪吒呢？", POPULATION, "哪吒的人口是多少？", "instead"),
        ("下午以后几点关门呢？", POPULATION, "北京 下午以后几点关门？", "about"),
        ("And halls that were built of wood?", OPERA, "Who designed halls that were built of wood?", "instead"),
        ("And in which town?", OPERA, "the opera house in which town?", "about"),
        ("And tickets, how much are those?", OPERA, "the opera house tickets, how much are those?", "about"),
        ("AND WHEN IS IT CLOSED?", OPERA, "when is the opera house closed?", "pronoun"),
        ("WHEN WAS IT OPENED?", OPERA, "when was the opera house opened?", "pronoun"),
        ("And Who gets a ticket?", OPERA, "the opera house Who gets a ticket?", "about"),
        ("他汀贵吗？", POPULATION, "北京 他汀贵吗？", "about"),
    ],
)
def test_a_short_question_is_completed(question: str, before: Turn, text: str, how: str) -> None:
    first, *others = readings(question, before)
    assert (first.text, first.how) == (text, how)
    assert [each.text for each in others] == [question]  # it may stand alone as well


@pytest.mark.parametrize(
    ("question", "before"),
    [
        ("上海呢？", None),
        ("青石镇图书馆的藏书一共有多少册，其中地方志有多少种？", POPULATION),
        ("其他城市的人口统计数据一般由什么机构负责发布出来？", POPULATION),
        ("Which of the many bridges across the river was built before the war?", OPERA),
        ("Who leads the IT department of the whole company today?", OPERA),
        ("公司的员工应该在什么时候向谁提交请假的申请表？", POPULATION),
        ("从土耳其寄来的包裹一般需要多少天才能送到收件人手里？", POPULATION),
        ("维他命和吉他课程尤其受欢迎的年份分别是在哪几年？", POPULATION),
        ("我们该怎么向图书馆的管理员申请延长借书的期限？", POPULATION),
        ("米其林轮胎和卡其裤在马其顿各司其职的商店里一共卖多少钱？", POPULATION),
    ],
)
def test_a_question_that_says_all_is_left_as_it_is(question: str, before: Turn | None) -> None:
    assert [(each.text, each.how) for each in readings(question, before)] == [(question, "as_asked")]


@pytest.mark.parametrize(
    ("question", "title", "passage", "subject"),
    [
        ("悉尼歌剧院是哪一年建成的？", "", "悉尼歌剧院位于澳大利亚，1973年落成。", "悉尼歌剧院"),
        ("李白生于哪里？", "", "李白生于碎叶城。", "李白"),
        ("北京的人口是多少？", "", "北京的人口是两千多万。", "北京"),
        ("When does the museum open?", "", "The museum opens at nine.", "the museum"),
        ("Who designed the opera house?", "The Opera House", "It was designed by Jørn Utzon.", "the opera house"),
        ("What is it?", "", "It is what it is.", ""),
        ("谁？", "", "李白。", ""),
    ],
)
def test_what_a_question_was_about_is_what_its_passage_says_too(
    question: str, title: str, passage: str, subject: str
) -> None:
    assert subject_of(question, title, passage) == subject


SAID = st.text(alphabet="它其该的呢北京人口几和 itsandwhat?？", max_size=40)


@given(SAID, SAID, SAID)
def test_whatever_is_said_the_question_itself_is_among_its_readings(question: str, before: str, subject: str) -> None:
    found = readings(question, Turn(before, subject))
    assert found[-1].text == question
    assert len(found) <= 2
    assert all(len(each.text) <= LONGEST for each in found)


@given(SAID, SAID, SAID)
def test_a_subject_is_made_of_words_of_its_question(question: str, title: str, passage: str) -> None:
    assert all(word in question.split() or word in question for word in subject_of(question, title, passage).split())
