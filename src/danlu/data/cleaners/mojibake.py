"""Text that was read in the wrong encoding, read anew (Speer, ftfy, 2019; GB 18030 by ourselves)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from danlu.data.cleaner import Converter
from danlu.data.extra import needed

_CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef\u2014\u2018-\u201d\u2026]+")

_PUNCTUATION = "—–…“”‘’"
"""First bytes in the encoding of the Macintosh, and frequent in Chinese."""

_LATIN_RUN = re.compile("(?:[\xa1\xa3\xb0-\xd7][\xa1-\xfe]){2,}")
"""Chinese in GB 2312 that was read as Latin-1: `ÄãºÃ` for 你好."""

_HANZI = re.compile("[\u4e00-\u9fff]")

_MISREAD_RUN = re.compile(r"[^\x00-\x7f]+")


class Mojibake(Converter):
    """Repairs UTF-8 read as one of ten Western encodings or as GBK, and GBK read as Latin-1.

    A text without the first character of such a sequence is not looked at further. Needs the extra `clean`.
    """

    sample: ClassVar[tuple[str, ...]] = ("sÃ³ la naÃ¯vetÃ©", "ÄãºÃ£¬ÊÀ½ç", "浣犲ソ涓栫晫")

    def rewrite(self, texts: Sequence[str]) -> list[str]:
        """The texts as they were meant; see `Rewriter`."""
        signs = _signs()
        return [text if text.isascii() or not signs.any_in(text) else _repaired(text) for text in texts]


def _repaired(text: str) -> str:
    while True:
        wanted = _LATIN_RUN.sub(_as_gb2312, _MISREAD_RUN.sub(_as_utf8, text))
        wanted = _ftfy()(wanted)
        if wanted == text:
            return text
        text = wanted


def _as_gb2312(match: re.Match[str]) -> str:
    """The run read as GB 2312, if it is punctuation and at least two of the 3,755 common characters."""
    try:
        found = match[0].encode("latin-1").decode("gb2312")
    except UnicodeError:
        return match[0]
    return found if len(_HANZI.findall(found)) >= 2 else match[0]


def _as_utf8(match: re.Match[str]) -> str:
    """The run read as UTF-8 that was taken for GBK, if that gives three Chinese characters and nothing else."""
    try:
        found = match[0].encode("gb18030").decode("utf-8")
    except UnicodeError:
        return match[0]
    return found if len(found) >= 3 and _CHINESE.fullmatch(found) else match[0]


@cache
def _ftfy() -> Any:
    ftfy = needed("ftfy", "clean", "the cleaner 'mojibake'")
    config = ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )
    return lambda text: ftfy.fix_text(text, config)


@dataclass(frozen=True)
class _Signs:
    """Patterns of what is found in every text that can be repaired.

    - `any_sign`: one character of any of them, for a quick look.
    - `leads`, `punctuation`: what the first byte of a UTF-8 sequence was read as, before what the next one may be.
    - `controls`: what no text holds.
    """

    any_sign: re.Pattern[str]
    leads: re.Pattern[str]
    punctuation: re.Pattern[str]
    controls: re.Pattern[str]

    def any_in(self, text: str) -> bool:
        if not self.any_sign.search(text):
            return False
        return bool(self.leads.search(text) or self.punctuation.search(text) or self.controls.search(text))


@cache
def _signs() -> _Signs:
    """The signs for the encodings that are repaired; a space may stand for the second byte 0xA0."""
    encodings = needed("ftfy.chardata", "clean", "the cleaner 'mojibake'").CHARMAP_ENCODINGS
    first, second = bytes(range(0xC2, 0xF5)), bytes(range(0x80, 0xC0))
    leads = {character for encoding in encodings for character in first.decode(encoding, errors="ignore")}
    leads |= {chr(code) for code in range(0xB0, 0xF8)}  # GB 2312 read as Latin-1
    pairs = (bytes([lead, follower]) for lead in range(0xE3, 0xF0) for follower in second)
    leads |= {character for pair in pairs for character in pair.decode("gb18030", errors="ignore")}
    frequent = re.escape("".join(sorted(leads - set(_PUNCTUATION))))
    macintosh = re.escape(second.decode("macroman"))
    controls = "\\x80-\\x9f\\ud800-\\udfff"
    return _Signs(
        re.compile(f"[{frequent}{macintosh}{controls}]"),
        re.compile(f"[{frequent}](?=[ \\x80-\\U0010ffff])"),
        re.compile(f"[{_PUNCTUATION}](?=[{macintosh}])"),
        re.compile(f"[{controls}]"),
    )
