"""What the application itself refuses, before any route does."""

import asyncio

import pytest
from servers import serving

from danlu.sentences import in_language
from danlu.serve import problem
from danlu.serve.keys import Key


def test_sentences_are_looked_up_beside_the_event_loop_wherever_a_key_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[str] = []

    def look(sentence: str, language: str) -> str | None:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        looked.append(sentence)
        return in_language(sentence, language)

    monkeypatch.setattr(problem, "in_language", look)
    with serving(keys=(Key(name="a", sha256="0" * 64),)) as live, live.client() as client:
        told = [
            client.get(path, headers={"Accept-Language": "zh"}).json()["error"]
            for path in ("/v1/nothing", "/metrics", "/openapi.json")
        ]
    assert [each["message"] for each in told] == looked
    assert all(not each["translated"].isascii() for each in told)
