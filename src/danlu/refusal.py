"""The one error that is meant for people."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Refusal(ValueError):
    """What the user gave cannot be used: one sentence with the place, what was expected and what to do.

    The command line prints it and exits with 2; anything else that is raised is a mistake of ours. Secrets that stand
    in web addresses are left out of it.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(without_secrets(sentence))


class Empty(Refusal):
    """What was read holds nothing, and that is all that is wrong with it."""


@contextmanager
def of_file(name: str | Path) -> Iterator[None]:
    """Name the file in a refusal that names a record of it alone, as what works on records must."""
    try:
        yield
    except Refusal as refusal:
        if not str(refusal).lower().startswith("record "):
            raise
        raise Refusal(f"{name}, {str(refusal)[0].lower()}{str(refusal)[1:]}") from refusal


@contextmanager
def of_record(name: str, number: int) -> Iterator[None]:
    """Name the file and the record in a refusal of what looks at one record alone."""
    try:
        yield
    except Refusal as refusal:
        raise Refusal(f"{name}: record {number}: {refusal}") from refusal


_ADDRESS = re.compile(r"(?<![\w+.-])[A-Za-z][\w+.-]{0,30}://[^\s'\"<>]+")
_USER = re.compile(r"(://)[^/@?#]*@")
_PARAMETER = re.compile(r"([?&;])([^=&;#?]+)=([^&;#]*)")
_SECRET = re.compile(
    r"sig|token|secret|passw|pwd|credential|auth|session|expires|policy|access.?key|api.?key|google.?access|key.?pair"
    r"|x-(amz|goog|oss|cos|tos|obs)-|q-(sign|ak|key|url|header)|security",
    re.IGNORECASE,
)
_SIGNED_WITH = {"se", "st", "sv", "sp", "sr", "ss", "srt", "spr", "sip", "skoid", "sktid", "skt", "ske", "sks", "skv"}
"""What an address of Azure carries beside its signature `sig`."""

_SHORT = 24
"""Characters: a longer value may be a secret whatever its name, and is told by its hash alone."""


def without_secrets(text: str) -> str:
    """The text, with the web addresses in it without users, passwords, and what signs a request.

    Two addresses that differ in their secrets alone are the same then; those that differ otherwise stay different.
    """
    return _ADDRESS.sub(lambda found: _without_secrets(found[0]), text) if "://" in text else text


def _without_secrets(address: str) -> str:
    names = [name.lower() for _, name, _ in _PARAMETER.findall(address)]

    def told(found: re.Match[str]) -> str:
        before, name, value = found.groups()
        if _SECRET.search(name) or ("sig" in names and name.lower() in _SIGNED_WITH):
            return f"{before}{name}=***"
        if len(value) > _SHORT:
            return f"{before}{name}=*{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}*"
        return found[0]

    return _PARAMETER.sub(told, _USER.sub(r"\1", address))
