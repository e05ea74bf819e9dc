"""The promise of a channel: where alerts are sent."""

import os
from abc import abstractmethod
from typing import ClassVar

from pydantic import Field

from danlu.apps.monitor.message import Message
from danlu.machine.web import Failed, parts_of
from danlu.recipe.part import Part

SECONDS = 15.0
"""That sending a message may take."""


class Channel(Part):
    """Where alerts go. A message is taken as sent only where the other side says so."""

    folder: ClassVar[str] = "danlu.apps.monitor.channels"

    @abstractmethod
    def send(self, message: Message) -> str | None:
        """Send a message; gives what a person should hear of one that was taken. Raises `Failed` where it was not."""


class WebChannel(Channel):
    """One that is reached by an address, which is a secret as a rule: whoever knows it may write."""

    url: str = Field(description="address, or $NAME: what the environment variable NAME holds", repr=False)

    def address(self) -> str:
        """The address. Raises `Failed` where there is none."""
        url = secret(self.url)
        parts_of(url)
        return url


def secret(value: str) -> str:
    """A value as it stands, or, behind a `$`, what the environment holds. Raises `Failed` where that is nothing."""
    if not value.startswith("$"):
        return value
    found = os.environ.get(value[1:], "")
    if not found:
        raise Failed(f"the environment variable {value[1:]} is not set")
    return found
