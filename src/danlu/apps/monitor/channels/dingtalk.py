"""A robot of DingTalk (https://open.dingtalk.com/document/robots/custom-robot-access), which refuses with HTTP 200."""

import base64
import hashlib
import hmac
import time
from urllib.parse import quote_plus

from pydantic import Field

from danlu.apps.monitor.channels.channel import SECONDS, WebChannel, secret
from danlu.apps.monitor.message import Message
from danlu.apps.monitor.web import Failed, post

_BUSY = 130101
"""More than 20 messages a minute: ten minutes of silence."""


class DingTalk(WebChannel):
    """A robot in a group."""

    sign: str = Field(default="", description="the secret of a robot that wants signatures, or $NAME", repr=False)

    def send(self, message: Message) -> None:
        """Send as markdown; it is taken where `errcode` is 0."""
        url = self.address()
        if self.sign:
            now, key = str(round(time.time() * 1000)), secret(self.sign)
            digest = hmac.new(key.encode(), f"{now}\n{key}".encode(), hashlib.sha256).digest()
            url += f"{'&' if '?' in url else '?'}timestamp={now}&sign={quote_plus(base64.b64encode(digest))}"
        text = f"### {message.title}\n\n{message.text}".replace("\n", "  \n")
        body = {"msgtype": "markdown", "markdown": {"title": message.title, "text": text}}
        said = post(url, body, {}, SECONDS)
        if said.get("errcode") != 0:
            after = 600.0 if said.get("errcode") == _BUSY else None
            told = f"{said.get('errcode', 'no errcode')}: {said.get('errmsg', '')}"
            raise Failed(f"DingTalk refuses the message ({told:.300})", after)
