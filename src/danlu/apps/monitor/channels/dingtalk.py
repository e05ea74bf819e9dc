"""A robot of DingTalk (https://open.dingtalk.com/document/robots/custom-robot-access), which refuses with HTTP 200."""

import base64
import hashlib
import hmac
import re
import time
from urllib.parse import quote_plus

from pydantic import Field

from danlu.apps.monitor.channel import SECONDS, WebChannel, secret
from danlu.apps.monitor.message import Message
from danlu.machine.web import Failed, deliver

_BUSY = 130101
"""More than 20 messages a minute: ten minutes of silence."""

_MARKUP = re.compile(r"[\\`*_\[\]()#!|<>~&$]")
_NUMBER = re.compile(r"^(\d*)([-+=.])")
_IN_ADDRESS = "\\`*_[]()!|<>~"


def plain(text: str) -> str:
    """Markdown that shows a text as it stands, but for the bullets of its lines; addresses stay addresses."""
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    bullet = "- " if line.startswith("- ") else ""
    parts = re.split(r"(\s+)", line[len(bullet) :])
    shown = "".join(_address(part) or _MARKUP.sub(r"\\\g<0>", part) for part in parts)
    return bullet + _NUMBER.sub(r"\1\\\2", shown)


def _address(part: str) -> str:
    if not part.startswith(("http://", "https://")):
        return ""
    return "".join(f"%{ord(sign):02X}" if sign in _IN_ADDRESS else sign for sign in part)


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
        text = f"### {plain(message.title)}\n\n{plain(message.text)}".replace("\n", "  \n")
        body = {"msgtype": "markdown", "markdown": {"title": message.title, "text": text}}
        said = deliver(url, body, {}, SECONDS)
        if said.get("errcode") != 0:
            after = 600.0 if said.get("errcode") == _BUSY else None
            told = f"{said.get('errcode', 'no errcode')}: {said.get('errmsg', '')}"
            raise Failed(f"DingTalk refuses the message ({told:.300})", after)
