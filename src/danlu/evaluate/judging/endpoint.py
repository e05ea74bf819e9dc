"""A model behind an address that takes chats as OpenAI's does; asked with patience, and with its key kept quiet."""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from danlu.machine.web import Answer, Failed, parts_of, post
from danlu.refusal import Refusal

REPLY_LIMIT = 2**20
"""Bytes of a reply."""

LONGEST_WAIT = 60.0
"""Seconds between two tries at most, whatever the server asks for."""

_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504}
"""Answers after which the same request may go through later."""

_LOCAL = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Endpoint:
    """Where a judge is asked.

    - `url`: the address up to `/v1`, or the whole one of chat completions.
    - `key`: sent as a bearer token, and never shown; None: none.
    - `tries`: requests for one reply; `seconds`: how long one may take.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    tries: int = 5
    seconds: float = 120.0
    tokens: int = 1024
    wait: Callable[[float], object] = time.sleep

    def __post_init__(self) -> None:
        try:
            parts = parts_of(self.url)
        except Failed:
            told = f"--url '{self._quiet(self.url)}': expected an address such as http://127.0.0.1:8000/v1"
            raise Refusal(told) from None
        if parts.username or parts.password:
            raise Refusal("--url holds a name or a password; leave it out, and put a key into an environment variable")
        if self.key and parts.scheme == "http" and parts.hostname not in _LOCAL:
            raise Refusal(f"--url: a key would go to {parts.hostname} unencrypted; give an https address, or no key")

    def reply(self, messages: list[dict[str, str]]) -> str:
        """What the model says; a busy or broken server is asked again, each time after about twice the wait.

        Raises:
            Refusal: it refuses the request, or does not answer in any of the tries.
        """
        body = json.dumps({"model": self.model, "messages": messages, "temperature": 0, "max_tokens": self.tokens})
        last = ""
        for number in range(self.tries):
            asked = None
            try:
                answer = self._sent(body.encode())
            except Failed as failed:
                last = str(failed)
            else:
                if answer.status == 200:
                    return self._content(answer.content)
                last = f"status {answer.status}: {self._message(answer.content)}"
                if answer.status not in _AGAIN:
                    raise Refusal(f"{self._told()} refuses the request ({self._quiet(last)}); mend --url or --model")
                asked = answer.after
            if number + 1 < self.tries:
                self.wait(_pause(number, asked))
        raise Refusal(
            f"{self._told()} does not answer after {self.tries} tries ({self._quiet(last)}); try again later, or with "
            "a smaller --together"
        )

    def _sent(self, body: bytes) -> Answer:
        parts = urlsplit(self.url)
        path = parts.path.rstrip("/")
        if not path.endswith("/chat/completions"):
            path = f"{path or '/v1'}/chat/completions"
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        answer = post(parts._replace(path=path).geturl(), body, headers, self.seconds, REPLY_LIMIT)
        if not answer.whole:
            raise Refusal(f"{self._told()} sends more than {REPLY_LIMIT:,} bytes for a verdict; check --url")
        return answer

    def _content(self, content: bytes) -> str:
        try:
            said = json.loads(content)["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            said = False
        if said is None:  # a reply without any text, as when it was cut while the model was still thinking
            return ""
        if not isinstance(said, str):
            raise Refusal(
                f"{self._told()} sends no chat completion ({self._message(content)}); give the address of an "
                "OpenAI-compatible server, up to /v1"
            )
        return said

    def _message(self, content: bytes) -> str:
        """What a server says of an error, in a line, without the key that it may repeat."""
        text = content[:20_000].decode("utf-8", "replace")
        try:
            told: Any = json.loads(content)
            text = str(told["error"]["message"] if isinstance(told["error"], dict) else told["error"])
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        return " ".join(self._quiet(text).split())[:200]

    def _told(self) -> str:
        return self._quiet(urlsplit(self.url)._replace(query="").geturl())

    def _quiet(self, text: str) -> str:
        return text.replace(self.key, "…") if self.key else text


def _pause(number: int, asked: float | None) -> float:
    """Seconds until the next try: what the server asks for, or twice as long each time, by chance up to half more."""
    return min(LONGEST_WAIT, max(asked or 0.0, 2.0**number * (1 + random.random() / 2)))  # noqa: S311
