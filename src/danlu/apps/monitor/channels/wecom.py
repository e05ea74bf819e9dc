"""A robot of WeCom (https://developer.work.weixin.qq.com/document/path/91770), which refuses with HTTP 200."""

from danlu.apps.monitor.channel import SECONDS, WebChannel
from danlu.apps.monitor.message import Message
from danlu.machine.web import Failed, deliver

_LONGEST = 2048
"""Bytes of a text; a longer one is refused."""

_PLAIN = str.maketrans({"<": "\uff1c"})
"""A text may call people by `<@name>`; those of outsiders may not."""

_BUSY = 45009
"""More than 20 messages a minute."""


class WeCom(WebChannel):
    """A robot in a group."""

    def send(self, message: Message) -> None:
        """Send as text; it is taken where `errcode` is 0."""
        text = f"{message.title}\n{message.text}".translate(_PLAIN).encode()[:_LONGEST].decode(errors="ignore")
        said = deliver(self.address(), {"msgtype": "text", "text": {"content": text}}, {}, SECONDS)
        if said.get("errcode") != 0:
            after = 60.0 if said.get("errcode") == _BUSY else None
            told = f"{said.get('errcode', 'no errcode')}: {said.get('errmsg', '')}"
            raise Failed(f"WeCom refuses the message ({told:.300})", after)
