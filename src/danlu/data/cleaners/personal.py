"""What names a person or a machine in numbers and addresses, masked by its kind.

Identity numbers are told by the check digit of GB 11643 (ISO 7064, MOD 11-2), bank cards by that of ISO 7812 (Luhn).
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import date
from ipaddress import AddressValueError, IPv6Address
from typing import ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from danlu.data.alignment import Edit
from danlu.data.cleaner import Editor

Kind = Literal["mail", "phone", "identity", "bank", "ip", "url"]

_ALL: tuple[Kind, ...] = ("mail", "identity", "bank", "phone", "ip")

_PATTERNS: dict[Kind, str] = {
    "url": r"(?<![A-Za-z0-9])(?:https?|ftp)://[!-;=?-~]{1,2000}(?<![.,;:!?)\]'])",
    "mail": (
        r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9_%+-][A-Za-z0-9._%+-]{0,63}"
        r"@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])"
    ),
    "identity": r"(?<![0-9A-Za-z])[1-9][0-9]{5}(?:18|19|20)[0-9]{9}[0-9Xx](?![0-9A-Za-z])",
    "bank": r"(?<![0-9A-Za-z])[3-6][0-9]{3}(?:[ -]?[0-9]{4}){2}(?:[ -]?[0-9]{1,4}){1,2}(?![0-9A-Za-z])",
    "phone": (
        r"(?:(?<![0-9A-Za-z+])|(?=\+))(?:"
        r"(?:\+?86[ -]?)?1[3-9][0-9](?:[ -]?[0-9]{4}){2}"  # Chinese mobile telephones
        r"|(?:\+?86[ -]?)?(?:0[0-9]{2,3}[ -]?|\(0[0-9]{2,3}\) ?|（0[0-9]{2,3}）)"  # Chinese area codes
        r"[2-8][0-9]{2,3}[ -]?[0-9]{4}(?:-[0-9]{1,5})?"
        r"|[48]00[ -]?[0-9]{3}[ -]?[0-9]{4}"
        r"|\+[1-9][0-9]{0,2}(?:[ .-]?\(?[0-9]{2,4}\)?){2,5}"  # E.164
        r"|(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[.-])[2-9][0-9]{2}[.-][0-9]{4}"  # North America
        r")(?![0-9A-Za-z])"
    ),
    "ip": (
        r"(?<![0-9A-Za-z.:])(?:(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})(?![0-9A-Za-z]|\.[0-9])"
        r"|(?P<ip6>[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![0-9A-Za-z:]))"
    ),
}

_DIGIT = re.compile("[0-9]")
_COLON = re.compile(":(?:[0-9A-Fa-f]{0,4}:|//)")


class Personal(Editor):
    """Masks mail addresses, telephone, identity and bank card numbers, and addresses of the network."""

    sample: ClassVar[tuple[str, ...]] = (
        "电话13800138000，身份证11010519491231002X",
        "mail ada@example.org from 192.168.0.1, card 4111 1111 1111 1111",
    )

    kinds: tuple[Kind, ...] = Field(default=_ALL, min_length=1, description="what to mask; 'url' too, if it is named")
    mask: str = Field(default="<{kind}>", description="what stands instead; {kind} is its kind")

    @model_validator(mode="after")
    def _keep_masks_apart(self) -> "Personal":
        if re.search("[0-9@:]", self.mask) or "{kind}" not in self.mask or len(self.mask) > 40:
            raise PydanticCustomError("mask", "must hold {{kind}} and no digit, '@' or ':', such as '<{{kind}}>'")
        return self

    def suspects(self, text: str) -> bool:
        """Whether there is a digit or a sign of an address; see `Editor`."""
        return bool(_DIGIT.search(text)) or "@" in text or (":" in text and bool(_COLON.search(text)))

    def edits(self, text: str) -> list[Edit]:
        """What is masked; of two that overlap, the one whose kind is named first in the table; see `Editor`."""
        found: list[Edit] = []
        for kind, pattern in _COMPILED.items():
            if kind in self.kinds and _SIGNS[kind](text):
                mask = self.mask.replace("{kind}", kind)
                spans = [
                    match.span() for match in pattern.finditer(text) if kind not in _CHECKS or _CHECKS[kind](match)
                ]
                found += [(start, end, mask) for start, end in _free(spans, found)]
                found.sort()
        return found


def _free(spans: list[tuple[int, int]], taken: list[Edit]) -> list[tuple[int, int]]:
    """The spans that touch none of the edits, which are in order."""
    starts, ends = [edit[0] for edit in taken], [edit[1] for edit in taken]
    return [(start, end) for start, end in spans if bisect_right(ends, start) == bisect_left(starts, end)]


def _is_identity(match: re.Match[str]) -> bool:
    """Whether the date is one and the last digit is the check digit (GB 11643-1999)."""
    number = match[0].upper()
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(number[:17]))
    return number.endswith("10X98765432"[total % 11])


def _is_bank_card(match: re.Match[str]) -> bool:
    """Whether it has 15 to 19 digits and the last one is the check digit (Luhn, 1954)."""
    digits = [int(digit) for digit in match[0] if digit.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return 15 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_phone(match: re.Match[str]) -> bool:
    return 8 <= sum(character.isdigit() for character in match[0]) <= 20


def _is_address(match: re.Match[str]) -> bool:
    if match["ip6"] is None:
        return True
    try:
        IPv6Address(match["ip6"])
    except AddressValueError:
        return False
    return sum(1 for character in str(match["ip6"]) if character.isalnum()) >= 3  # `::` and `1::` are more often code


_LONG_NUMBER = re.compile("[0-9](?:[0-9() （）.-]{0,2}[0-9]){6}")

_SIGNS: dict[Kind, Callable[[str], object]] = {
    "url": lambda text: "://" in text,
    "mail": lambda text: "@" in text,
    "identity": _LONG_NUMBER.search,
    "bank": _LONG_NUMBER.search,
    "phone": _LONG_NUMBER.search,
    "ip": lambda text: text.count(".") >= 3 or (":" in text and _COLON.search(text)),
}
_CHECKS: dict[Kind, Callable[[re.Match[str]], bool]] = {
    "identity": _is_identity,
    "bank": _is_bank_card,
    "phone": _is_phone,
    "ip": _is_address,
}
_COMPILED = {kind: re.compile(pattern) for kind, pattern in _PATTERNS.items()}
