"""Those who mean ill cost a server little, and their neighbours nothing."""

from typing import Any

import pytest
from servers import Live

CHAT = "/v1/chat/completions"
SAID: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "书"}], "max_tokens": 4}


def form(schema: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (form({"type": "integer", "multipleOf": 999983}), "too complex"),
        ({"regex": "a" * 70_000}, "smaller one"),
    ],
)
def test_a_form_that_takes_for_ever_is_refused_and_the_next_is_written(
    live: Live, asked: dict[str, Any], told: str
) -> None:
    refused = live.post(CHAT, SAID | asked)
    assert refused.status_code == 400
    assert told in refused.json()["error"]["message"]
    good = live.post(CHAT, SAID | {"choices": ["好", "书"]})
    assert good.json()["choices"][0]["message"]["content"] in ("好", "书")
