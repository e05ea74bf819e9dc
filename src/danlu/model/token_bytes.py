"""What each token adds to a text, in bytes: so that a word is seen however the tokens cut it."""

import codecs
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from danlu.text.tokenizing.tokenizer import Tokenizer, special_tokens

_Decoder = codecs.getincrementaldecoder("utf-8")
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_known: "WeakKeyDictionary[Tokenizer, TokenBytes]" = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class TokenBytes:
    """The bytes of every token behind others, b"" for those that add none, such as special ones; by their numbers."""

    of: tuple[bytes, ...]

    @cached_property
    def numbers(self) -> Mapping[bytes, int]:
        """The first token of some bytes."""
        found: dict[bytes, int] = {}
        for number, piece in enumerate(self.of):
            if piece:
                found.setdefault(piece, number)
        return found

    @cached_property
    def longest(self) -> int:
        """Bytes of the longest token."""
        return max(map(len, self.of), default=0)

    @cached_property
    def left(self) -> tuple[bytes | None, ...]:
        """Of each token by itself, what `unfinished` says."""
        return tuple(unfinished(piece) for piece in self.of)

    @cached_property
    def _known(self) -> dict[bytes, list[int]]:
        return {}

    def completing(self, left: bytes) -> list[int]:
        """The tokens of one byte that go on with a character of which some bytes are there."""
        if left not in self._known:
            going = (bytes([byte]) for byte in range(0x80, 0xC0))
            known = self.numbers
            self._known[left] = [known[one] for one in going if one in known and unfinished(left + one) is not None]
        return self._known[left]

    def beginning(self, rest: bytes) -> list[tuple[int, int]]:
        """The tokens that `rest` begins with, each with its bytes: (token, how many)."""
        sizes = range(1, min(self.longest, len(rest)) + 1)
        return [(self.numbers[rest[:size]], size) for size in sizes if rest[:size] in self.numbers]

    def costs(self, text: bytes) -> tuple[float, ...]:
        """The fewest tokens that write `text` from each of its bytes on; infinite where none do, (len + 1,)."""
        found = [0.0] * (len(text) + 1)
        for place in range(len(text) - 1, -1, -1):
            ways = [1 + found[place + size] for _, size in self.beginning(text[place:])]
            found[place] = min(ways, default=float("inf"))
        return tuple(found)


def unfinished(data: bytes) -> bytes | None:
    """The bytes at the end that are a character which is not complete; None where no text can begin so."""
    decoder = _Decoder()
    try:
        decoder.decode(data)
    except UnicodeDecodeError:
        return None
    return decoder.getstate()[0]


def token_bytes(tokenizer: Tokenizer) -> TokenBytes:
    """See `TokenBytes`; made once for a tokenizer."""
    found = _known.get(tokenizer)
    if found is None:
        found = _known[tokenizer] = TokenBytes(tuple(_read(tokenizer)))
    return found


def _read(tokenizer: Tokenizer) -> list[bytes]:
    backend = tokenizer.backend_tokenizer
    plain: dict[str, Any] = json.loads(backend.to_str())
    decoder = plain.get("decoder") or {}
    kinds = {decoder.get("type"), *(each.get("type") for each in decoder.get("decoders", ()))}
    names: dict[str, int] = tokenizer.get_vocab()
    added = {token["content"] for token in plain["added_tokens"]}
    special = {*special_tokens(tokenizer)}
    found = [b""] * (max(names.values(), default=-1) + 1)
    left = []
    for name, number in names.items():
        byte = _BYTE.fullmatch(name) if "ByteFallback" in kinds else None
        if name in special:
            continue
        if byte:
            found[number] = bytes([int(byte[1], 16)])
        elif "ByteLevel" in kinds and name not in added:
            found[number] = bytes(_LETTERS[letter] for letter in name if letter in _LETTERS)
        else:
            left.append(number)
    lead = next((number for number in left if backend.decode([number, number]).startswith(backend.decode([number]))), 0)
    before = backend.decode([lead])
    read = backend.decode_batch([[lead, number] for number in left])
    for number, text in zip(left, read, strict=True):
        found[number] = text[len(before) :].encode("utf-8", "surrogatepass") if text.startswith(before) else b""
    return found


def _byte_letters() -> dict[str, int]:
    """The letters by which byte-level tokenizers write bytes (Radford et al., 2019)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + place): byte for place, byte in enumerate(others)}


_LETTERS = _byte_letters()
