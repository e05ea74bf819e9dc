from hypothesis import given
from hypothesis import strategies as st

from danlu.data.characters.alignment import Edit, aligned, applied, back, differences, forward

TEXTS = st.text("ab好 <", max_size=12)


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, list[Edit]]:
    """A text of different characters, and edits that are apart."""
    text = "".join(map(chr, range(0x4E00, 0x4E00 + draw(st.integers(1, 14)))))
    borders = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    pairs = list(zip(borders[::2], borders[1::2], strict=False))
    return text, [(start, end, draw(st.text("xyz", max_size=3))) for start, end in pairs]


@given(edited(), st.data())
def test_a_span_covers_the_characters_that_survive_and_no_others(
    made: tuple[str, list[Edit]], data: st.DataObject
) -> None:
    text, edits = made
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    new = applied(text, edits)
    span = aligned(edits).forward(start, end)
    replaced = {place for first, last, _ in edits for place in range(first, last)}
    survivors = [text[place] for place in range(start, end) if place not in replaced]
    covered = new[slice(*span)] if span else ""
    assert [character for character in covered if character not in "xyz"] == survivors


@given(edited(), st.data())
def test_a_span_that_moved_comes_back_where_nothing_was_replaced(
    made: tuple[str, list[Edit]], data: st.DataObject
) -> None:
    text, edits = made
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    alignment = aligned(edits)
    span = alignment.forward(start, end)
    if any(first < end and start < last for first, last, _ in edits):
        return
    assert span is not None
    assert applied(text, edits)[slice(*span)] == text[start:end]
    assert alignment.back(*span) == (start, end)


@given(TEXTS, TEXTS)
def test_differences_turn_one_text_into_the_other(old: str, new: str) -> None:
    assert applied(old, differences(old, new)) == new


def test_long_stretches_that_differ_are_one_edit() -> None:
    old, new = "a" + "b" * 6000 + "c", "a" + "d" * 6001 + "c"
    assert differences(old, new) == [(1, 6001, "d" * 6001)]


def test_several_rewritings_follow_one_another() -> None:
    first, second = aligned([(0, 3, "")]), aligned([(0, 1, "xx")])
    assert forward([first, second], 4, 5) == (2, 3)
    assert back([first, second], 2, 3) == (4, 5)
    assert forward([first, second], 0, 2) is None


def test_what_was_put_in_was_nowhere() -> None:
    assert aligned([(2, 2, "xx")]).back(2, 4) is None
