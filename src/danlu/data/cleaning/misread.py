"""Text that was written in one encoding and read in another: what it may have been.

A reading turned bytes into characters; here they are turned back, by a table of one or two bytes a character, and
stretches of them that are whole characters of another encoding are found by expressions that cannot backtrack.
N characters of all texts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.side_by_side import Characters, Codes
from danlu.data.cleaning.likely import likely

_HIGH = rb"[\x80-\xff]"
_ANY_HIGH = re.compile(_HIGH + rb"+")
_NEXT = rb"[\x80-\xbf]"
_SPACED = b"\xc2\xc3\xc5\xce\xd0\xd9"
"""First bytes after which a space stands for the byte 0xA0, which many programs take for white space."""

_ALPHABETS = ("cp1251", "koi8-r", "cp1253", "cp1255", "cp1256", "cp874")
_PAIRS = {"gbk": rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]", "big5": rb"[\xa1-\xf9][\x40-\x7e\xa1-\xfe]"}
_PAIRS |= dict.fromkeys(("cp949", "euc_jp"), rb"[\xa1-\xfe][\xa1-\xfe]")

_UTF8 = (
    rb"[\xc2-\xdf]%b|\xe0[\xa0-\xbf]%b|[\xe1-\xec\xee\xef]%b%b|\xed[\x80-\x9f]%b|\xf0[\x90-\xbf]%b%b"
    rb"|[\xf1-\xf3]%b%b%b|\xf4[\x80-\x8f]%b%b" % ((_NEXT,) * 12)
)
_UTF8_SPACED = re.compile(rb"(?:%b|[%b] )+" % (_UTF8, _SPACED))

WRITTEN: dict[str, re.Pattern[bytes]] = {
    "utf-8": re.compile(rb"(?:%b)+" % _UTF8),
    **{name: re.compile(rb"(?:%b)+" % pair) for name, pair in _PAIRS.items()},
    "cp932": re.compile(rb"(?:[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc]|[\xa1-\xdf])+"),
    **{name: re.compile(rb"%b{3,}" % _HIGH) for name in _ALPHABETS},
}
"""What texts were written in, with what its characters beyond ASCII look like."""

_WORD = 48  # bytes: what is shorter comes again, and is kept

_WESTERN = ("latin-1", "cp1252", "cp1254")  # agree on the bytes of all characters that they share
_ONE_BYTE = ("cp1250", "cp1251", "cp1253", "cp1257", "iso8859-2", "koi8-r", "mac-roman", "cp437", "cp850", "cp866")
TWO_BYTES: dict[str, tuple[str, ...]] = {
    "gbk": ("utf-8", "big5", "cp932"),
    "big5": ("utf-8", "gbk"),
    "cp932": ("utf-8", "gbk"),
}

_PLAIN = ("western", "mac-roman", "cp437", "cp850", "cp1250", "iso8859-2")
"""Readings in which later bytes of UTF-8 are letters too, and do not stand after what looks like a first one."""

_USUAL = "“”‘’–—…·×°«»§"
"""Western characters that stand in rows in many texts."""

_STRANGE, _LIKELIER = 44.0, 24
"""Bits of three neighbours that readings of two bytes know, and by which what they may have been is likelier: a cheap
look that 1 Chinese text in some 300 does not pass (2026-11)."""


@dataclass(frozen=True)
class Stretch:
    """Characters `start` to `end` of a text, and what they may have been.

    `old_cuts`, `new_cuts`: where pieces that may be taken by themselves begin in both, from 0, and the ends.
    """

    start: int
    end: int
    new: str
    old_cuts: NDArray[np.int64]
    new_cuts: NDArray[np.int64]


def stretches(codes: Codes, reading: str, written: str, *, whole: bool = False) -> Iterator[Stretch]:
    """What may be misread in a text of these code points; all that can be, if the `whole` text is."""
    values = _bytes_in(reading)[codes]
    wide = values > 0xFF
    first = np.concatenate([[0], np.cumsum(1 + wide)])  # byte at which each character begins
    raw = np.zeros(int(first[-1]), np.uint8)
    raw[first[:-1]] = np.where(wide, values >> 8, values)
    raw[first[1:][wide] - 1] = values[wide] & 0xFF
    begins = np.zeros(len(raw) + 1, bool)
    begins[first] = True
    strange = _strange(codes)[reading, written] if reading in TWO_BYTES and not whole else None
    pattern = _UTF8_SPACED if (reading, written) == ("western", "utf-8") else WRITTEN[written]
    if whole and written in _ALPHABETS:
        pattern = _ANY_HIGH
    for match in pattern.finditer(raw.tobytes()):
        if strange is not None and not _any_between(strange, *np.searchsorted(first, match.span())):
            continue
        data = match[0]
        for start, new, ends in _decoded_word(data, written) if len(data) < _WORD else _decoded(data, written):
            offsets = match.start() + start + ends
            both = np.flatnonzero(begins[offsets])  # where a character ends in both readings
            if len(both) > 1:
                cuts = np.searchsorted(first, offsets[both])
                text = new[both[0] : both[-1]]
                yield Stretch(int(cuts[0]), int(cuts[-1]), text, cuts - cuts[0], both - both[0])


def _strange(codes: Codes) -> dict[tuple[str, str], NDArray[np.int64]]:
    """Where three unlikely neighbours begin that may be likelier in what an encoding of two bytes was read for."""
    signs, found = _signs(), {}
    bits = signs.strange[codes]
    places = np.flatnonzero(bits[:-2] + bits[1:-1] + bits[2:] >= _STRANGE)
    three = codes[places[:, None] + np.arange(3)]
    for reading, all_written in TWO_BYTES.items() if len(places) else ():
        for written in all_written:
            likelier = _gains(reading, written)[three].sum(1, dtype=np.int64) >= _LIKELIER
            if written == "utf-8":  # two characters of three bytes each
                first, second = _bytes_in(reading)[three] >> 8, _bytes_in(reading)[three] & 0xFF
                later = (second[:, 0] & 0xC0) + (first[:, 1] & 0xC0) + (first[:, 2] & 0xC0) + (second[:, 2] & 0xC0)
                likelier |= (first[:, 0] >= 0xE0) & (second[:, 1] >= 0xE0) & (later == 4 * 0x80)
            found[reading, written] = places[likelier]
    accents, letter = signs.accent[codes], _is_ascii_letter(codes)
    beside = np.zeros(len(codes), bool)
    beside[1:], beside[:-1] = letter[:-1], beside[:-1] | letter[1:]
    if (accents & beside).any():
        found["gbk", "utf-8"] = np.union1d(found.get(("gbk", "utf-8"), places[:0]), np.flatnonzero(accents & beside))
    return found


def _is_ascii_letter(codes: Codes) -> NDArray[np.bool_]:
    small = codes | np.uint32(0x20)
    return (small >= ord("a")) & (small <= ord("z"))


@cache
def _gains(reading: str, written: str) -> NDArray[np.int8]:
    """By how many bits what two bytes of each code point may have been is likelier, by itself, (0x110000,)."""
    table = np.full(0x110000, -40, np.int8)
    values, alone = _bytes_in(reading), likely().alone
    known = np.flatnonzero(values > 0xFF)
    if written == "utf-8":
        first, second = values[known] >> 8, values[known] & 0xFF
        new = np.where((first >= 0xC2) & (first < 0xE0) & (second & 0xC0 == 0x80), (first & 0x1F) * 64 + second % 64, 0)
    else:
        new = _pairs_in(written)[values[known]]
    table[known] = np.where(new > 0, np.round(alone[known] - alone[new]), -40)
    return table


def _any_between(places: NDArray[np.int64], start: int, end: int) -> bool:
    place = int(np.searchsorted(places, start))
    return place < len(places) and int(places[place]) < end


@lru_cache(maxsize=2**14)
def _decoded_word(data: bytes, written: str) -> list[tuple[int, str, NDArray[np.int64]]]:
    return list(_decoded(data, written))


def _decoded(data: bytes, written: str) -> Iterator[tuple[int, str, NDArray[np.int64]]]:
    """Parts of the data that can be read: where each begins, its text, and the byte offsets of its characters."""
    if written == "utf-8":
        spaced = data.replace(b" ", b"\xa0")
        begins = (np.frombuffer(spaced, np.uint8) & 0xC0) != 0x80
        yield 0, spaced.decode(), np.append(np.flatnonzero(begins), len(data))
        return
    if written in _PAIRS:
        found = _pairs_in(written)[np.frombuffer(data, ">u2")]
        width = 2
    elif written in _ALPHABETS:
        found = np.array([ord(character) for character in data.decode(written, errors="replace")], np.uint32)
        found[found == 0xFFFD] = 0
        width = 1
    else:
        text = data.decode(written, errors="replace")
        if "\ufffd" not in text and not any("\ue000" <= character < "\uf900" for character in text):
            yield 0, text, np.cumsum([0, *(len(character.encode(written)) for character in text)])
        return
    edges = np.flatnonzero(np.diff(np.concatenate([[False], found > 0, [False]]).astype(np.int8)))
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        text = found[start:end].astype("<u4").tobytes().decode("utf-32-le")
        yield start * width, text, width * np.arange(end - start + 1)


@cache
def _pairs_in(encoding: str) -> Codes:
    """The code point of each pair of bytes, the first times 256, (0x10000,); 0 for none."""
    table = np.zeros(0x10000, np.uint32)
    for first in range(0x81, 0xFF):
        for second in range(0x40, 0xFF):
            text = bytes([first, second]).decode(encoding, errors="ignore")
            table[(first << 8) | second] = ord(text) if len(text) == 1 else 0
    return table


@cache
def _bytes_in(reading: str) -> NDArray[np.uint16]:
    """The bytes of each code point in this reading, (0x110000,): one, or two as 256 times the first; 0 for none."""
    table = np.zeros(0x110000, np.uint16)
    if reading == "cp932":
        table[0xFF61:0xFFA0] = np.arange(0xA1, 0xE0)
    if reading in TWO_BYTES:
        pairs = _pairs_in(reading)
        table[pairs[pairs > 0x7F]] = np.flatnonzero(pairs > 0x7F)
    else:
        table[0x80:0xA0] = np.arange(0x80, 0xA0)  # what the encoding does not know is left a control by many
        for name in reversed(_WESTERN) if reading == "western" else (reading,):
            for byte in range(0x80, 0x100):
                character = bytes([byte]).decode(name, errors="ignore")
                table[[ord(part) for part in character]] = byte
    table[:0x80] = np.arange(0x80)
    return table


def holds_all(codes: Codes, reading: str) -> bool:
    """Whether all of a text can have been read in this encoding."""
    return bool((_bytes_in(reading)[codes] > 0).all())


@dataclass(frozen=True)
class _Signs:
    """Bits of each code point, (0x110000,): one for each of `_ONE_BYTE` in order, and for the western reading.

    - `two`, `more`: it begins a character of two bytes, or of more, in UTF-8; `later`: it goes on with one.
    - `marked`: set but where a letter going on says nothing.
    - `high`: whether it is no ASCII in the western reading; `odd`: the same without `_USUAL`.
    - `spaced`: one after which a space is such a byte.
    - `strange`: bits where a reading of two bytes knows it, else 0.
    - `accent`: a Latin letter in UTF-8 that was read as GBK.
    """

    two: NDArray[np.uint16]
    more: NDArray[np.uint16]
    later: NDArray[np.uint16]
    marked: NDArray[np.uint16]
    high: NDArray[np.bool_]
    odd: NDArray[np.bool_]
    spaced: NDArray[np.bool_]
    strange: NDArray[np.float32]
    accent: NDArray[np.bool_]


@cache
def _signs() -> _Signs:
    two, more, later = (np.zeros(0x110000, np.uint16) for _ in range(3))
    for number, reading in enumerate((*_ONE_BYTE, "western")):
        values, bit = _bytes_in(reading), np.uint16(1 << number)
        two[(values >= 0xC2) & (values < 0xE0)] |= bit
        more[(values >= 0xE0) & (values < 0xF5)] |= bit
        later[(values >= 0x80) & (values < 0xC0)] |= bit
    marked = np.full(0x110000, 0xFFFF, np.uint16)  # a row of letters, as Ukrainian `дії`, is no sign of anything
    marked[[code for code in range(0x80, 0x500) if chr(code).isalpha()]] = sum(
        1 << number for number, reading in enumerate((*_ONE_BYTE, "western")) if reading in _PLAIN
    )
    western, gbk = _bytes_in("western"), _bytes_in("gbk")
    known = np.any([_bytes_in(reading) > 0x7F for reading in TWO_BYTES], axis=0)
    known[0xFFFD] = True
    second = gbk & 0xFF
    accent = (gbk >= 0xC300) & (gbk < 0xC700) & (second >= 0x80) & (second < 0xC0)
    strange = np.where(known, likely().alone, 0).astype(np.float32)
    odd = western >= 0x80
    odd[[ord(character) for character in _USUAL]] = False
    return _Signs(two, more, later, marked, western >= 0x80, odd, np.isin(western, list(_SPACED)), strange, accent)


def suspected(given: Characters) -> list[list[tuple[str, str]]]:
    """What each text may have been read in and written in; nothing for nearly all texts."""
    signs, codes = _signs(), given.codes
    later = signs.later[codes]
    letter = _is_ascii_letter(codes)
    marked = signs.marked[codes]
    marked[1:][letter[:-1]] = marked[:-1][letter[1:]] = 0xFFFF  # or it stands beside an English letter
    two, more = signs.two[codes[:-1]] & later[1:], signs.more[codes[:-2]] & later[1:-1] & later[2:]
    utf = two & (marked[:-1] | marked[1:])
    utf[:-1] |= more & (marked[:-2] | marked[1:-1] | marked[2:])
    places = np.flatnonzero(utf)
    found = [_rows(given, places[(utf[places] >> np.uint16(number)) & 1 > 0]) for number in range(len(_ONE_BYTE) + 1)]
    found[-1] = np.union1d(found[-1], _rows(given, np.flatnonzero(signs.spaced[codes[:-1]] & (codes[1:] == ord(" ")))))
    high, odd = signs.high[codes], signs.odd[codes]
    row = np.flatnonzero(high[:-2] & high[1:-1] & high[2:])
    found.append(_rows(given, row[odd[row].astype(np.int8) + odd[row + 1] + odd[row + 2] >= 2]))
    tried = [[(reading, "utf-8")] for reading in (*_ONE_BYTE, "western")]
    tried += [[("western", written) for written in WRITTEN if written != "utf-8"]]
    for pair, places in _strange(codes).items():
        found.append(_rows(given, places))
        tried.append([pair])
    pairs: list[list[tuple[str, str]]] = [[] for _ in given.lengths]
    for rows, group in zip(found, tried, strict=True):
        for row in rows.tolist():
            pairs[row] += group
    return pairs


def _rows(given: Characters, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The texts of these places, each once."""
    return np.unique(np.searchsorted(given.first, places, "right") - 1)
