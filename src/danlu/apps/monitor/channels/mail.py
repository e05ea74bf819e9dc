"""Mail by SMTP (RFC 5321, 2008)."""

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any, Literal

from pydantic import Field

from danlu.apps.monitor.channel import SECONDS, Channel, secret
from danlu.apps.monitor.message import Message
from danlu.machine.web import Failed

_LOCAL = ("localhost", "127.0.0.1", "::1")

LONGEST = 45.0
"""Seconds from the first word of a server to its last; under the lease of a message, or others send it as well."""


class _Cut(smtplib.SMTP):
    """A connection that is cut when it has taken too long: what a socket is given is the time of one reply."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self._late = False
        self._watch = threading.Timer(LONGEST, self._cut)
        self._watch.daemon = True
        self._watch.start()
        try:
            super().__init__(*given, **named)
        except BaseException:
            self._watch.cancel()
            raise

    def _cut(self) -> None:
        self._late, connected = True, self.sock
        with suppress(OSError):  # it is closed already
            if connected is not None:
                socket.socket.shutdown(connected, socket.SHUT_RDWR)  # that of TLS forgets its keys before

    def send(self, s: Any) -> None:
        """Send bytes, unless it is too late, as where the time was over before there was a connection."""
        if self._late:
            raise TimeoutError(f"took more than {LONGEST:g} s")
        super().send(s)

    def close(self) -> None:
        """Let go of it."""
        self._watch.cancel()
        super().close()


class _CutTls(_Cut, smtplib.SMTP_SSL):
    """One that is encrypted from the first byte on."""


class Mail(Channel):
    """Mail to one or several people; its `Message-ID` is the same for every try of an alert."""

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="tls: from the first byte on, as at port 465; none: on this machine alone"
    )
    user: str = ""
    password: str = Field(default="", description="or $NAME: what the environment variable NAME holds", repr=False)
    sender: str = Field(pattern=r"^[^\s@<>]+@[^\s@<>]+$")
    to: list[str] = Field(min_length=1, max_length=50)

    def send(self, message: Message) -> str | None:
        """Send the alert; it is taken where the server takes it for anyone, and those whom it refuses are told."""
        if self.security == "none" and self.user and self.host not in _LOCAL:
            raise Failed(f"{self.host}: a password would go there unencrypted; set security to starttls or tls")
        mail = EmailMessage()
        mail["From"], mail["To"] = self.sender, ", ".join(self.to)
        mail["Subject"] = " ".join(message.title.split())
        mail["Date"] = formatdate(localtime=True)
        mail["Message-ID"] = f"<{message.key}@{self.sender.rpartition('@')[2]}>"
        mail.set_content(message.text)
        try:
            refused = self._sent(mail)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise Failed(f"{self.host}: the mail was not taken ({type(error).__name__}: {error!s:.200})") from error
        return f"{self.host}: the mail was not taken for {', '.join(refused):.200}" if refused else None

    def _sent(self, mail: EmailMessage) -> Iterable[str]:
        """Send a mail that somebody takes; gives those for whom it was refused."""
        server = self._server()
        try:
            if self.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self.user:
                server.login(self.user, secret(self.password))
            refused = server.send_message(mail)
            with suppress(OSError, smtplib.SMTPException):  # it was taken, whatever becomes of the farewell
                server.quit()
        finally:
            server.close()
        return refused

    def _server(self) -> smtplib.SMTP:
        if self.security == "tls":
            return _CutTls(self.host, self.port, timeout=SECONDS, context=ssl.create_default_context())
        return _Cut(self.host, self.port, timeout=SECONDS)
