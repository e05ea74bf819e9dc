"""Messages of clients in an order that every template takes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_proportion import BOUND, growth

from danlu.refusal import Refusal
from danlu.serve.problem import Problem
from danlu.serve.routes.arranged import arranged
from danlu.text.dialogue.messages import checked

CALLS = [{"type": "function", "function": {"name": "look", "arguments": "{}"}}]


def said(*pairs: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in pairs]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (said(("user", "a"), ("user", "b")), said(("user", "a\n\nb"))),
        (said(("system", "s"), ("developer", "t"), ("user", "a")), said(("system", "s\n\nt"), ("user", "a"))),
        (said(("user", "a"), ("system", "s")), said(("system", "s"), ("user", "a"))),
        (said(("assistant", "hi"), ("user", "a")), said(("user", ""), ("assistant", "hi"), ("user", "a"))),
        (
            said(("user", "a"), ("assistant", None), ("user", "b")),
            said(("user", "a"), ("assistant", ""), ("user", "b")),
        ),
        (said(("user", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])), said(("user", "ab"))),
    ],
)
def test_what_clients_send_is_a_conversation(given: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    assert arranged(given) == found
    assert checked(arranged(given), 0)


def test_calls_of_tools_stay_apart_and_a_person_may_speak_after_one() -> None:
    calling = {"role": "assistant", "content": None, "tool_calls": CALLS}
    talk = [*said(("user", "a")), calling, *said(("tool", "x"), ("user", "b"))]
    assert [each["role"] for each in checked(arranged(talk), 0)] == ["user", "assistant", "tool", "user"]
    twice = [*said(("user", "a"), ("assistant", "b")), calling]
    assert len(arranged(twice)) == 3


@pytest.mark.parametrize("odd", [None, 5, ["a"], {"a": 1}])
@pytest.mark.parametrize("role", ["user", "system"])
def test_what_is_no_text_is_left_to_who_refuses_it(odd: Any, role: str) -> None:
    with pytest.raises((Refusal, Problem)):
        checked(arranged([*said((role, "a"), (role, odd)), *said(("user", "q"))]), 0)


def test_the_time_for_what_one_says_in_many_messages_grows_with_them() -> None:
    messages = said(*[("user", "书" * 60)] * 8_000)
    assert growth(lambda: arranged(messages[:2_000]), lambda: arranged(messages)) < BOUND


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(Problem, match="only parts of the type 'text'"):
        arranged([{"role": "user", "content": [{"type": "image_url"}]}])


SPOKEN = st.lists(
    st.tuples(st.sampled_from(["system", "developer", "user", "assistant"]), st.sampled_from(["a", "", "书 ", None])),
    min_size=1,
    max_size=8,
)


@given(SPOKEN)
def test_whatever_order_they_come_in_nothing_that_was_said_is_lost(pairs: list[tuple[str, Any]]) -> None:
    kept = [(role, text) for role, text in pairs if text is not None or role == "assistant"]
    if not kept:
        return
    found = arranged(said(*kept))
    assert checked(found, 0)
    assert sorted("".join(str(each["content"]) for each in found).replace("\n\n", "")) == sorted(
        "".join(text or "" for _, text in kept)
    )
    assert arranged(found) == found
