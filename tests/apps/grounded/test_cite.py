"""What was written is held against passages: what stands there is kept with its place, and nothing else."""

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
