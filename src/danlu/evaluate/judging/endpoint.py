"""A model behind an address that takes chats as OpenAI's does; asked with patience, and with its key kept quiet."""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, urlsplit

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
        parts = _parts(self.url)
        if parts is None:
            raise Refusal(f"--url '{self._quiet(self.url)}': expected an address such as http://127.0.0.1:8000/v1")
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
                status, after, content = self._sent(body.encode())
            except (OSError, HTTPException) as error:
                last = f"{type(error).__name__}: {error}"
            else:
                if status == 200:
                    return self._content(content)
                last = f"status {status}: {self._message(content)}"
                if status not in _AGAIN:
                    raise Refusal(f"{self._told()} refuses the request ({self._quiet(last)}); mend --url or --model")
                asked = after
            if number + 1 < self.tries:
                self.wait(_pause(number, asked))
        raise Refusal(
            f"{self._told()} does not answer after {self.tries} tries ({self._quiet(last)}); try again later, or with "
            "a smaller --together"
        )

    def _sent(self, body: bytes) -> tuple[int, str | None, bytes]:
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(str(parts.hostname), parts.port, timeout=self.seconds)
        path = parts.path.rstrip("/")
        if not path.endswith("/chat/completions"):
            path = f"{path or '/v1'}/chat/completions"
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        try:
            connection.request("POST", path + (f"?{parts.query}" if parts.query else ""), body, headers)
            answer = connection.getresponse()
            content = answer.read(REPLY_LIMIT + 1)
            if len(content) > REPLY_LIMIT:
                raise Refusal(f"{self._told()} sends more than {REPLY_LIMIT:,} bytes for a verdict; check --url")
            return answer.status, answer.getheader("Retry-After"), content
        finally:
            connection.close()

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


def _parts(url: str) -> SplitResult | None:
    """The parts of an address of the web; None where it is none."""
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        (parts.hostname or "").encode("idna")
        rest = parts.path + parts.query
        named = named and rest.isascii() and " " not in rest and (not rest or rest.isprintable())
    except ValueError:
        return None
    return parts if named else None


def _pause(number: int, asked: str | None) -> float:
    """Seconds until the next try: what the server asks for, or twice as long each time, by chance up to half more."""
    try:
        wanted = float(asked) if asked else 0.0
    except ValueError:  # a date
        wanted = 0.0
    return min(LONGEST_WAIT, max(wanted if wanted > 0 else 0.0, 2.0**number * (1 + random.random() / 2)))  # noqa: S311
