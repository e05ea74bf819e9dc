"""What was written is held against passages: what stands there is kept with its place, and nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.apps.grounded.cite import verified
from danlu.index.document import Found

MUSEUM = "The museum opened in 1998. It was rebuilt ten years later by Ana Rossi. Entry is not free."
POET = "李白生于碎叶城，后来去了长安。他不喜欢面条。\n他说：“明月几时有？”"
BEFORE = "...."  # so that places in the passage are not those in the document
PASSAGES = [
    Found("museum", "", MUSEUM, 0, len(MUSEUM), 1.0, {}, {}),
    Found("poet", "", POET, len(BEFORE), len(BEFORE + POET), 0.5, {}, {}),
]
TEXTS = {"museum": MUSEUM, "poet": BEFORE + POET}


@pytest.mark.parametrize(
    ("written", "text", "places"),
    [
        ("The museum opened in 1998 [1].", "The museum opened in 1998.[1]", [(1, MUSEUM[:26])]),
        ("It was rebuilt by Ana Rossi. [1]", "It was rebuilt by Ana Rossi.[1]", [(1, MUSEUM[27:71])]),
        ("The museum opened in 1998 [2].", "The museum opened in 1998.[1]", [(1, MUSEUM[:26])]),
        ("李白生于碎叶城。", "李白生于碎叶城。[2]", [(2, POET[:15])]),
        ("他不喜欢面条【2】。", "他不喜欢面条。[2]", [(2, POET[15:22])]),
    ],
)
def test_what_stands_in_a_passage_is_kept_with_the_passage_that_it_is_in(
    written: str, text: str, places: list[tuple[int, str]]
) -> None:
    found = verified(written, PASSAGES)
    assert (found.text, [(each.number, each.text) for each in found.cited], found.dropped) == (text, places, ())


@pytest.mark.parametrize(
    "written",
    [
        "The museum opened in 1999 [1].",  # another number
        "Entry is free [1].",  # what the passage denies
        "他喜欢面条。[2]",
        "The museum has a garden with roses [1].",
        "他说：“床前明月光”。[2]",  # a quotation that is none
        "I do not know.",
        "不知道。",
        "The museum opened in 1998 in Paris, where Napoleon had slept [1].",
    ],
)
def test_what_no_passage_supports_is_dropped(written: str) -> None:
    found = verified(written, PASSAGES)
    assert (found.text, found.cited) == ("", ())
    assert len(found.dropped) == 1


def test_numbers_in_brackets_that_no_passage_has_are_of_the_text() -> None:
    text = "依据财税[36]号文，增值税即征即退，由税务局办理。"
    passages = [replace(PASSAGES[0], text=text), PASSAGES[1]]
    found = verified("依据财税[36]号文，增值税即征即退[1]。", passages)
    assert found.text == "依据财税[36]号文，增值税即征即退。[1]"
    assert [piece.number for piece in found.cited] == [1]


@pytest.mark.parametrize("mark", ["[9]", "【9】", " [9]"])
def test_a_number_of_no_passage_behind_a_sentence_is_a_mark_that_was_made_up(mark: str) -> None:
    found = verified(f"The museum opened in 1998{mark}.", PASSAGES)
    assert found.text == "The museum opened in 1998.[1]"


@pytest.mark.parametrize("written", ["", "[1]", "[1][2] 。", "…", "[999]", "[[[[1]]]]"])
def test_marks_alone_say_nothing(written: str) -> None:
    found = verified(written, PASSAGES)
    assert (found.text, found.cited, found.dropped) == ("", (), ())


PIECES = st.sampled_from([*MUSEUM.split(), *POET, "[1]", "[2]", "[7]", "。", ". ", "1998", "\n", "【1，2】", "not"])


@given(st.lists(PIECES, max_size=40).map(" ".join) | st.text(max_size=80))
def test_whatever_is_written_each_piece_that_is_cited_stands_in_its_document(written: str) -> None:
    for each in verified(written, PASSAGES).cited:
        assert TEXTS[each.document][each.start : each.end] == each.text
        assert PASSAGES[each.number - 1].document == each.document


HOURS = "The library opens at seven and closes on Friday. It was founded by Li Bai in May. NASA gave it 25 books."
TEA = "听雨茶馆由李明创办，周五七点开门。茶馆在湖边，一直很安静，有十五张桌子。"
BOTH = [Found("hours", "", HOURS, 0, len(HOURS), 1.0, {}, {}), Found("tea", "", TEA, 0, len(TEA), 0.5, {}, {})]


@pytest.mark.parametrize(
    "written",
    [
        "The library closes on Monday.",
        "On Mondays the library closes.",
        "The library opens at nine.",
        "The library opens at 9.",
        "It was founded by Wang Fang.",
        "Wang founded it in May with Li Bai.",
        "It was founded by Li Bai in March.",
        "ESA gave it 25 books.",
        "听雨茶馆由王芳创办。",
        "听雨茶馆由李白创办，茶馆在湖边，一直很安静，有十五张桌子。",
        "听雨茶馆周五九点开门。",
        "听雨茶馆周一七点开门。",
        "茶馆在湖边，有十六张桌子。",
        "听雨茶馆由Ana创办，周五七点开门。",
        "茶馆在海边，一直很安静。",
    ],
)
def test_numbers_days_and_names_that_are_made_up_are_dropped_however_much_is_right(written: str) -> None:
    found = verified(written, BOTH)
    assert (found.text, found.cited, found.dropped) == ("", (), (written,))


@pytest.mark.parametrize(
    "written",
    [
        "On Fridays the library closes.",
        "The library opens at 7.",
        "However, the library closes on Friday.",
        "It was founded by Li Bai in May.",
        "Founded by Li Bai, it has 25 books, which NASA gave.",
        "听雨茶馆是由李明创办的。",
        "听雨茶馆周五7点开门。",
        "听雨茶馆星期五七点开门。",
        "茶馆在湖边，有15张桌子。",
        "茶馆就在湖边，很安静。",
    ],
)
def test_what_is_said_otherwise_in_the_same_words_is_kept(written: str) -> None:
    found = verified(written, BOTH)
    assert (len(found.cited), found.dropped) == (1, ())


@given(st.integers(0, 99), st.integers(0, 99))
def test_a_number_in_words_is_the_same_as_in_figures(number: int, other: int) -> None:
    figures = "零一二三四五六七八九"
    tens, ones = divmod(number, 10)
    name = ("" if tens == 1 else figures[tens]) + "十" + (figures[ones] if ones else "") if tens else figures[ones]
    passage = f"店里有{name}张桌子和椅子。"
    there = [Found("shop", "", passage, 0, len(passage), 1.0, {}, {})]
    assert bool(verified(f"店里有{other}张桌子和椅子。", there).cited) == (number == other)


NAME = st.text("王芳李明张伟刘洋陈静", min_size=2, max_size=3)


@given(NAME, NAME)
def test_a_chinese_name_of_other_characters_is_made_up(right: str, wrong: str) -> None:
    passage = f"听雨茶馆由{right}在湖边创办，至今每天开门，卖绿茶和点心。"
    there = [Found("tea", "", passage, 0, len(passage), 1.0, {}, {})]
    assert bool(verified(passage.replace(right, wrong), there).cited) <= (set(wrong) <= set(right))


@pytest.mark.parametrize("sign", ["-", "\u2212", "\u2013"])
def test_a_number_below_zero_is_another_than_the_one_above(sign: str) -> None:
    passage = f"Keep the vaccine at {sign}18 °C. Lines 10-20 are for ages 5-9."
    given = [Found("d", "", passage, 0, len(passage), 1.0, {}, {})]
    assert verified("Keep the vaccine at 18 °C.", given).dropped == ("Keep the vaccine at 18 °C.",)
    for other in ("-", "\u2212", "\u2013"):
        assert verified(f"Keep the vaccine at {other}18 °C.", given).cited
    assert verified("Lines 10-20 are for ages 5-9.", given).cited
