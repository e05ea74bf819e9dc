"""A program of one's own: JSON posted to its address."""

import hashlib
import hmac
import json

from pydantic import Field

from danlu.apps.monitor.channel import SECONDS, WebChannel, secret
from danlu.apps.monitor.message import Message
from danlu.machine.web import deliver


class Webhook(WebChannel):
    """JSON to an address; the header `Idempotency-Key` is the same for every try of an alert."""

    sign: str = Field(
        default="",
        description="a secret, or $NAME: the header X-Signature has the HMAC-SHA256 of key and title, in hexadecimal",
        repr=False,
    )

    def send(self, message: Message) -> None:
        """Post the alert; any answer from 200 to 299 takes it."""
        headers = {"Idempotency-Key": message.key}
        body = message.plain | {"title": message.title, "text": message.text}
        if self.sign:
            signed = json.dumps([message.key, message.title], ensure_ascii=False).encode()
            headers["X-Signature"] = hmac.new(secret(self.sign).encode(), signed, hashlib.sha256).hexdigest()
        deliver(self.address(), body, headers, SECONDS)
