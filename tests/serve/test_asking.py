"""Pieces that wait together are sent together, and nothing of them is lost or out of place."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.serve.asking import Asking, joined
from danlu.serve.problem import Problem

PIECES = st.lists(st.one_of(st.tuples(st.integers(0, 2), st.text(max_size=3)), st.none()), max_size=20)


@given(PIECES)
def test_what_is_joined_says_the_same_of_each_text_in_the_same_order(pieces: list[tuple[int, str] | None]) -> None:
    found = list(joined(pieces))
    assert [each for each in found if each is None] == [each for each in pieces if each is None]
    flat = [(piece[0], letter) if piece else None for piece in pieces for letter in (piece[1] if piece else " ")]
    again = [(piece[0], letter) if piece else None for piece in found for letter in (piece[1] if piece else " ")]
    assert again == flat
    for one, other in pairwise(found):
        assert one is None or other is None or one[0] != other[0]


def asked(seconds: float, say: Any) -> list[Any]:
    """All that comes of what `say` puts, which is given what takes pieces and a future."""

    async def collect() -> list[Any]:
        with ThreadPoolExecutor(1) as threads:
            asking = Asking(None, asyncio.get_running_loop().time() + seconds, threads)  # type: ignore[arg-type]
            future: Future[str] = Future()

            def begin(put: Any) -> Future[str]:
                threads.submit(say, put, future)
                return future

            try:
                return [piece async for piece in asking.pieces(begin)]
            finally:
                assert future.done()

    return asyncio.run(collect())


def test_pieces_come_before_the_result_however_fast_they_are_put() -> None:
    def say(put: Any, future: Future[str]) -> None:
        for number in range(500):
            put((number // 250, f"{number},"))
        future.set_result("all")

    found = asked(20.0, say)
    assert found[-1] == ("all",)
    for number in (0, 1):
        text = "".join(piece[1] for piece in found[:-1] if piece[0] == number)
        assert text == "".join(f"{each}," for each in range(250 * number, 250 * number + 250))


def test_when_time_is_up_what_has_come_was_sent_and_the_rest_is_told_to_stop() -> None:
    def say(put: Any, future: Future[str]) -> None:
        put((0, "a"))
        while not future.cancelled():
            pass

    with pytest.raises(Problem) as told:
        asked(0.1, say)
    assert told.value.status == 504
