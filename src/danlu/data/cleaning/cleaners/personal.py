"""What names a person or a machine in numbers and addresses, masked by its kind.

Identity numbers are told by the check digit of GB 11643 (ISO 7064, MOD 11-2), bank cards by that of ISO 7812 (Luhn),
and telephone numbers of other countries by the numbering plans of libphonenumber (Google, 2010; the package
phonenumberslite). Digits, letters and marks are taken for what they are in any width.
"""

import re
import string
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import date
from ipaddress import AddressValueError, IPv6Address
from typing import ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from danlu.data.characters.alignment import Edit
from danlu.data.cleaning.cleaner import Editor

Kind = Literal["mail", "phone", "identity", "bank", "ip", "url"]

Span = tuple[int, int]

_ALL: tuple[Kind, ...] = ("mail", "identity", "bank", "phone", "ip")

_GLUED = r"(?<![0-9])(?<![0-9][A-Za-z.,_])(?<![0-9][A-Za-z_]{2})"
"""A number may be written onto a word (`tel13800138000`), but not onto what has digits itself, as names of files do."""

_END = r"(?![0-9]|[A-Za-z_]{1,3}[0-9]|\.[0-9])"

_PATTERNS: dict[Kind, str] = {
    "url": r"(?<![A-Za-z0-9])(?:https?|ftp)://[!-;=?-~]{1,2000}(?<![.,;:!?)\]'])",
    "mail": (
        r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9_%+-][A-Za-z0-9._%+-]{0,63}"
        r"@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])"
    ),
    "identity": _GLUED + r"[1-9][0-9]{5}[ -]?(?:18|19|20)[0-9]{6}[ -]?[0-9]{3}[ -]?[0-9Xx](?![0-9])",
    "bank": _GLUED + r"[3-6][0-9]{3}(?:[ -]?[0-9]{4}){2}(?:[ -]?[0-9]{1,4}){1,2}" + _END,
    "phone": (
        # Chinese mobile telephones
        _GLUED + r"(?:[(（](?:\+|00)?86[)）][ -]?|(?:\+|00)?86[ -]?)?"
        r"(?:1[3-9][0-9](?:[ -]?[0-9]{4}){2}|1[3-9][0-9]{2}[ -][0-9]{3}[ -][0-9]{4})" + _END + "|"
        r"(?P<abroad>(?<![0-9A-Za-z)])(?:\+|00)[1-9](?:[ ./()-]{0,2}[0-9]){6,14})(?![0-9A-Za-z])|"
        r"(?:(?<![0-9A-Za-z+])|(?<=[Tt]el)|(?<=TEL))(?:"
        r"(?:86[ -]?)?(?:0[0-9]{2,3}[ -]?|\(0[0-9]{2,3}\) ?|（0[0-9]{2,3}）)"  # Chinese area codes
        r"[2-8][0-9]{2,3}[ -]?[0-9]{4}(?:-[0-9]{1,5})?"
        r"|[48]00[ -]?[0-9]{3}[ -]?[0-9]{4}"
        r"|(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[.-])[2-9][0-9]{2}[.-][0-9]{4}"  # North America
        r")(?![0-9A-Za-z])"
    ),
    "ip": (
        r"(?:(?<![0-9A-Za-z.:])|(?<=[Ii][Pp]))(?<!第)(?<!版本)(?<!ersion )"
        r"(?:(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})"
        r"(?![0-9A-Za-z]|\.[0-9]| ?[节章条款项版])"
        r"|(?P<ip6>[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![0-9A-Za-z:]))"
    ),
}

_FORMS = dict(zip("＠﹫．－﹣−＋＿％\u3000\xa0\u202f", "@@.---+_%   ", strict=True))
_FORMS |= {chr(code): "-" for code in range(0x2010, 0x2016)} | {chr(code): " " for code in range(0x2000, 0x200B)}
_FORMS |= {chr(ord(letter) + 0xFEE0): letter for letter in string.ascii_letters}
_FORMS |= {chr(zero + digit): str(digit) for zero in (0xFF10, 0x660, 0x6F0, 0x966) for digit in range(10)}
_TABLE = str.maketrans(_FORMS)
_FOLDED = re.compile(f"[{re.escape(''.join(_FORMS))}]")

_DIGIT = re.compile("[0-9０-９٠-٩۰-۹०-९]")
_COLON = re.compile(":(?:[0-9A-Fa-f]{0,4}:|//)")


def half_width(text: str) -> str:
    """The text with digits, letters and marks of any width as ASCII has them, each character in its place."""
    return text.translate(_TABLE) if not text.isascii() and _FOLDED.search(text) else text


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
        if re.search("[0-9@:]", half_width(self.mask)) or "{kind}" not in self.mask or len(self.mask) > 40:
            raise PydanticCustomError("mask", "must hold {kind} and no digit, '@' or ':', such as '<{kind}>'")
        return self

    def suspects(self, text: str) -> bool:
        """Whether there is a digit or a sign of an address; see `Editor`."""
        return (
            bool(_DIGIT.search(text))
            or "@" in text
            or "＠" in text
            or "﹫" in text
            or (":" in text and bool(_COLON.search(text)))
        )

    def edits(self, text: str) -> list[Edit]:
        """What is masked; of two that overlap, the one whose kind is named first in the table; see `Editor`."""
        found: list[Edit] = []
        plain = half_width(text)
        for kind, pattern in _COMPILED.items():
            if kind == "ip":  # numbers of several parts in wide digits are numbers of chapters, or results of games
                plain = text
            if kind in self.kinds and _SIGNS[kind](plain):
                mask = self.mask.replace("{kind}", kind)
                spans = [span for match in pattern.finditer(plain) if (span := _CHECKS.get(kind, re.Match.span)(match))]
                found += [(start, end, mask) for start, end in _free(spans, found)]
                found.sort()
        return found


def _free(spans: list[tuple[int, int]], taken: list[Edit]) -> list[tuple[int, int]]:
    """The spans that touch none of the edits, which are in order."""
    starts, ends = [edit[0] for edit in taken], [edit[1] for edit in taken]
    return [(start, end) for start, end in spans if bisect_right(ends, start) == bisect_left(starts, end)]


def _identity(match: re.Match[str]) -> Span | None:
    """The span, if the date is one and the last digit is the check digit (GB 11643-1999)."""
    number = re.sub("[ -]", "", match[0]).upper()
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None
    total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(number[:17]))
    return match.span() if number.endswith("10X98765432"[total % 11]) else None


def _bank_card(match: re.Match[str]) -> Span | None:
    """The span, if it has 15 to 19 digits and the last one is the check digit (Luhn, 1954)."""
    digits = [int(digit) for digit in match[0] if digit.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return match.span() if 15 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else None


def _phone(match: re.Match[str]) -> Span | None:
    """The span; of a number with the code of a country, as much of it as is valid there."""
    if match["abroad"] is None:
        return match.span() if 8 <= sum(character.isdigit() for character in match[0]) <= 20 else None
    number = match["abroad"]
    while len(number) > _SHORTEST:
        if _is_valid(number):
            return match.start(), match.start() + len(number)
        number = _LAST_GROUP.sub("", number)
    return None


def _is_valid(number: str) -> bool:
    from phonenumbers import NumberParseException, is_valid_number, parse

    try:
        return is_valid_number(parse(number if number[0] == "+" else f"+{number[2:]}"))
    except NumberParseException:
        return False


_SHORTEST = 7
_LAST_GROUP = re.compile(r"(?:[ ./()-]+[0-9]+|[0-9]+)$")


def _address(match: re.Match[str]) -> Span | None:
    """The span of an address; what is short or without a digit is code more often, such as `1::` and `face::bed`."""
    address = match["ip6"]
    if address is None:
        return match.span()
    try:
        IPv6Address(address)
    except AddressValueError:
        return None
    groups = [group for group in address.split(":") if group]
    told = len(groups) > 2 or _PREFIX.match(address)
    return match.span() if told and _DIGIT.search(address) and len("".join(groups)) >= 3 else None


_PREFIX = re.compile("[23][0-9A-Fa-f]{3}:|[Ff][CcDd][0-9A-Fa-f]{2}:|[Ff][Ee][89ABab][0-9A-Fa-f]:")  # RFC 4291, 4193

_LONG_NUMBER = re.compile("[0-9](?:[0-9() （）.-]{0,2}[0-9]){6}")

_SIGNS: dict[Kind, Callable[[str], object]] = {
    "url": lambda text: "://" in text,
    "mail": lambda text: "@" in text,
    "identity": _LONG_NUMBER.search,
    "bank": _LONG_NUMBER.search,
    "phone": _LONG_NUMBER.search,
    "ip": lambda text: text.count(".") >= 3 or (":" in text and _COLON.search(text)),
}
_CHECKS: dict[Kind, Callable[[re.Match[str]], Span | None]] = {
    "identity": _identity,
    "bank": _bank_card,
    "phone": _phone,
    "ip": _address,
}
_COMPILED = {kind: re.compile(pattern) for kind, pattern in _PATTERNS.items()}
