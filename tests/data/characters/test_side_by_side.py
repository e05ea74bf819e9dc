from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from danlu.data.characters.side_by_side import blocks


@given(st.lists(st.text("ab", max_size=5)), st.integers(1, 12), st.integers(1, 4))
def test_blocks_hold_all_texts_in_order_and_end_with_the_one_that_fills_them(
    texts: list[str], most: int, count: int
) -> None:
    found = list(blocks(texts, len, most, count))
    assert list(chain.from_iterable(found)) == texts
    for block in found[:-1]:
        assert sum(map(len, block)) >= most or len(block) == count
    for block in found:
        assert 0 < len(block) <= count
        assert sum(map(len, block[:-1])) < most
