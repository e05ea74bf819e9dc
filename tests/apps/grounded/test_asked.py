"""Words that only ask are left out of a question, and no others."""

import pytest

from danlu.apps.grounded.asked import asked, content
from danlu.index.document import Found


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("Do you ship to the US?", "ship US?"),
        ("Tell us when it opens", "opens"),
        ("Who leads the IT department?", "leads IT department?"),
        ("IT support hours?", "IT support hours?"),
        ("WHEN DOES IT CLOSE?", "CLOSE?"),
        ("WHO IS IT?", "WHO IS IT?"),
        ("What are the hours in May?", "hours May?"),
        ("Hello. May I borrow a bicycle?", "Hello. borrow bicycle?"),
        ("What did Will say?", "Will say?"),
        ("Will the ferry run?", "ferry run?"),
        ("酒吧在几楼？", "酒吧在 楼？"),
        ("附近有网吧？", "附近有网吧？"),
        ("附近有酒吧吗？", "附近有酒吧 ？"),
        ("我们走吧", "我们走"),
        ("哪里卖茶几？", "卖茶几？"),
        ("茶几几个抽屉？", "茶几 抽屉？"),
        ("几何课几点开始呢？", "几何课 点开始 ？"),
        ("二加三等于几？", "二加三等于 ？"),
        ("毛呢怎么洗？", "毛呢 洗？"),
        ("吗啡是什么？", "吗啡 ？"),
        ("那么上海呢？", "上海 ？"),
        ("茶馆几点关门呢？", "茶馆 点关门 ？"),
        ("宿舍有几栋？", "宿舍有 栋？"),
        ("班车每天几趟？", "班车每天 趟？"),
        ("几内亚的几何课", "几内亚的几何课"),
        ("哪吒是谁？", "哪吒 ？"),
        ("可以吗~", "可以 ~"),
        ("（可以吗）", "（可以 ）"),
        ("可以退货吗亲", "可以退货 亲"),
        ("When Will The Library Open?", "Library Open?"),
        ("Does The IT Team Answer In May?", "IT Team Answer"),
    ],
)
def test_what_names_something_stays(question: str, left: str) -> None:
    assert content(question) == left


@pytest.mark.parametrize(
    ("question", "there", "lacking"),
    [
        ("Do you ship to the US?", "We ship to the US.", "We ship it; contact us."),
        ("What are the hours in May?", "In May the hours are short.", "The hours may change."),
        ("Who leads the IT department?", "Ana leads the IT department.", "Ana leads it, a department."),
        ("酒吧在几楼？", "酒吧在三楼。", "酒店的餐厅在三楼。"),
        ("茶几在几楼？", "茶几在三楼。", "茶在三楼。"),
        ("US 运费多少？", "寄往US的包裹运费为九十元。", "寄给us的包裹运费为九十元。"),
        ("IT部门由谁领导？", "IT部门由王强领导。", "it由王强领导。"),
    ],
)
def test_a_text_that_lacks_what_was_named_covers_less(question: str, there: str, lacking: str) -> None:
    found = [Found(text, "", text, 0, len(text), 1.0, {}, {}) for text in (there, lacking)]
    told = asked(question, found)
    assert told.covered(lacking) < 0.6 < told.covered(there) <= 1
