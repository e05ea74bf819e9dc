"""Conversations that are served: what is too much is told before it costs; calls have names of their own."""

from typing import Any

import pytest
from servers import Live

from danlu.serve.routes import chat
from danlu.serve.routes.tool_calls import ToolCalls
from danlu.task import conversing
from danlu.text.dialogue.rendered import question

CHAT = "/v1/chat/completions"
ASKED: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "书"}], "max_tokens": 4}


def turns(count: int, text: str = "书") -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[number % 2], "content": text} for number in range(count)]


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages each question had that was rendered."""
    found: list[int] = []

    def counted(messages: Any, *given: Any) -> Any:
        found.append(len(messages))
        return question(messages, *given)

    monkeypatch.setattr(conversing, "question", counted)
    return found


def test_more_messages_than_tokens_are_refused_before_any_is_rendered(live: Live, rendered: list[int]) -> None:
    with live.service.shelf.lease("chat") as model:
        limit = model.predictor.network.limit
    refused = live.post(CHAT, ASKED | {"messages": turns(limit + 1 + limit % 2, "")}).json()["error"]
    assert refused["code"] == "context_length_exceeded"
    assert refused["message"].endswith(f"the model takes {limit:,} tokens; leave the oldest out")
    assert rendered == []


def test_no_fewer_messages_are_tried_where_none_may_go(live: Live, rendered: list[int]) -> None:
    refused = live.post(CHAT, ASKED | {"messages": turns(41, "这本书")}).json()["error"]
    assert (refused["code"], refused["param"]) == ("context_length_exceeded", "messages")
    assert refused["message"].endswith("before the answer; shorten it, or let less be written")
    assert rendered == [41]


def test_one_question_may_leave_less_room_than_is_wanted(live: Live) -> None:
    with live.service.shelf.lease("chat") as model:
        limit = model.predictor.network.limit
    found = live.post(CHAT, ASKED | {"messages": turns(1, "书" * 25), "max_tokens": limit})
    assert found.status_code == 200, found.text
    assert limit // 2 < found.json()["usage"]["prompt_tokens"] < limit


def test_what_is_far_too_long_is_refused_before_it_is_put_in_order(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "arranged", None)
    refused = live.post(CHAT, ASKED | {"messages": [{"role": "user", "content": "书" * 60}] * 1_000})
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "context_length_exceeded"


def test_calls_of_answers_to_one_name_of_a_request_have_names_of_their_own(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    class Kept(ToolCalls):
        def __init__(self, *given: Any, several: bool) -> None:
            super().__init__(*given, several=several)
            drawn.append(self.drawn)

    monkeypatch.setattr(chat, "ToolCalls", Kept)
    for _ in range(2):
        assert live.post(CHAT, ASKED, headers={"X-Request-ID": "one"}).status_code == 200
    assert len(set(drawn)) == 2


class Form:
    """One that counts what it reads: everything is a call."""

    read_texts: list[str]

    def __init__(self) -> None:
        self.read_texts = []

    def read(self, text: str, tools: Any) -> tuple[str, list[dict[str, Any]]]:
        self.read_texts.append(text)
        return "", [{"function": {"name": text, "arguments": {}}}]

    def begin(self, text: str, tools: Any) -> int:
        return 0


def test_a_text_is_read_once_and_its_calls_have_the_same_names_however_they_are_told() -> None:
    form = Form()
    told: Any = ToolCalls(form, (), "a", several=True)  # type: ignore[arg-type]
    (call,) = told.message("f", 0)["tool_calls"]
    (delta,) = told.rest("f", 0)
    assert delta["tool_calls"] == [{"index": 0, **call}]
    assert told.reason("f", 0, "stop") == "tool_calls"
    (other,) = told.message("f", 1)["tool_calls"]
    assert form.read_texts == ["f", "f"]
    assert len(call["id"]) == 9
    assert call["id"].isalnum()
    (elsewhere,) = ToolCalls(form, (), "b", several=True).message("f", 0)["tool_calls"]  # type: ignore[arg-type]
    assert len({call["id"], other["id"], elsewhere["id"]}) == 3
