"""A robot of Feishu (https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot); may refuse with HTTP 200."""

import base64
import hashlib
import hmac
import time
from typing import Any

from pydantic import Field

from danlu.apps.monitor.channel import SECONDS, WebChannel, secret
from danlu.apps.monitor.message import Message
from danlu.machine.web import Failed, deliver

_PLAIN = str.maketrans({"<": "\uff1c", "[": "\uff3b"})
"""A text may call people by `<at ...>`, and hide an address in `[...](...)`; those of outsiders may not."""


class Feishu(WebChannel):
    """A robot in a group; that of Lark as well."""

    sign: str = Field(default="", description="the secret of a robot that wants signatures, or $NAME", repr=False)

    def send(self, message: Message) -> None:
        """Send as text; it is taken where `code` is 0 (`StatusCode` with older robots)."""
        text = f"{message.title}\n{message.text}".translate(_PLAIN)
        body: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
        if self.sign:
            now = str(int(time.time()))
            digest = hmac.new(f"{now}\n{secret(self.sign)}".encode(), b"", hashlib.sha256).digest()
            body |= {"timestamp": now, "sign": base64.b64encode(digest).decode()}
        said = deliver(self.address(), body, {}, SECONDS)
        code = said.get("code", said.get("StatusCode"))
        if code != 0:
            told = f"{'no code' if code is None else code}: {said.get('msg', said.get('StatusMessage', ''))}"
            raise Failed(f"Feishu refuses the message ({told:.300})")
