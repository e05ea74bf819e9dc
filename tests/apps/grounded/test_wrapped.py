"""Sentences go on over lines that were full, and not over those that end by themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.apps.grounded.wrapped import whole_sentences
from danlu.data.characters.sentences import sentences

LEAVE = "员工申请年休假的，应当至少提前\n五个工作日提交书面的申请，经部\n门负责人批准。"
FAIR = (
    "More than sixty kinds of apples are shown. The heaviest apple wins a copper kettle. In 2019 the winner weighed 812"
    "\ngrams and was grown by Mira Tolland."
)


def said(text: str) -> list[str]:
    return [text[start:end] for start, end in whole_sentences(text)]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        (LEAVE, LEAVE),
        (f"第一章\n{LEAVE}\n第二章", LEAVE),
        (f"休假\n\n{LEAVE}", LEAVE),
        (f"{LEAVE}\f12", LEAVE),  # the last of a page
        (FAIR, FAIR[FAIR.index("In 2019") :]),
        (
            "It was given to the valley by the rich widow\nof a ferryman, and is open. Dogs stay out.",
            "It was given to the valley by the rich widow\nof a ferryman, and is open.",
        ),
        (
            "- 自行车可以免费上船，而摩托车每\n  辆收五元。\n- 狗免费。",
            "- 自行车可以免费上船，而摩托车每\n  辆收五元。",
        ),
    ],
)
def test_a_sentence_goes_on_where_its_line_was_full(text: str, whole: str) -> None:
    assert whole in said(text)


@pytest.mark.parametrize(
    "text",
    [
        "青石镇图书馆借阅与开放时间的规定\n读者凭借书证入馆。",  # a title over its text
        "# 青石镇图书馆，以及开放的时间与规定\n读者凭借书证入馆。",
        "The library of Alderwick\nThe library was founded in 1887, and is open.",
        "The opening hours of the town library, and its fees\nVisitors pay six crowns a year.",
        "周一到周五，早上九点到下午五点\n周六和周日，早上十点到下午四点\n节假日，全天都不开放给读者",  # a list
        "本馆的地址：青石镇南门桥边十二号\n开门的时间：早上七点。",
        "请带下面这些东西来参加第一次课：\n毛巾和泳帽，还有水。",
        "- 厨余垃圾，投入绿色桶，每天收一次\n- 可回收物，投入蓝色桶。",
        "1. 厨余垃圾，投入绿色桶，每天收一次\n2. 可回收物，投入蓝色桶。",
        "厨余垃圾\t投入绿色桶，每天早上收运一次\n可回收物\t投入蓝色桶。",
        "员工申请年休假的，应当至少提前\n12\f五个工作日提交书面的申请。",  # the foot of a page
        "A kettle of steel, with a lid of glass and a handle\nprice of it: 39 crowns.",
        "苹果，\n梨，\n桃。",
        "一号窗口办理身份证的首次申领，电话是八零零一\n二号窗口办理身份证的补领换领，电话是八零零二。",
        "证件窗口办理身份证的首次申领，在大厅的左边\n证件以外的事情都在右边的窗口办理，周一不开。",
        "成人的门票在窗口购买，每张要十二元\n儿童的门票也在窗口购买，每张六元。",
        "Adult ticket for the whole museum costs 12\nchild ticket for the whole museum costs 6.",
        "怎么办理图书馆的借书证，需要带上什么\n请带身份证到一楼的服务台办理，当天可取。",
        "How can a reader order books of another library\norders are taken at the desk, and cost a crown.",
        "opening hours of the library and the reading room\nreaders are let in from nine to five on weekdays.",
    ],
)
def test_titles_items_and_short_lines_end_by_themselves(text: str) -> None:
    assert whole_sentences(text) == sentences(text)


LINES = st.lists(
    st.sampled_from(
        [
            "员工申请年休假的，应当至少提前",
            "五个工作日。",
            "of the ferry that crosses the river",
            "Dogs",
            "- ",
            "",
            "3.",
        ]
    ),
    max_size=12,
)


@given(LINES.map("\n".join) | st.text(max_size=60))
def test_whatever_the_lines_every_sentence_is_one_or_several_that_follow_each_other(text: str) -> None:
    pieces = sentences(text)
    whole = whole_sentences(text)
    starts, ends = {start for start, _ in pieces}, {end for _, end in pieces}
    assert all(start in starts and end in ends for start, end in whole)
    kept = [any(low <= start and end <= high for low, high in whole) for start, end in pieces]
    assert all(kept)
    assert whole == sorted(whole)
