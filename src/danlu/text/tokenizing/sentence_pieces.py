"""The file of a SentencePiece model (Kudo and Richardson, 2018): its pieces, and how it makes texts alike first.

It is a message of protocol buffers, of which a few fields are asked for; the numbers are those of the published
`sentencepiece_model.proto`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from danlu.machine.door import opened, read_bytes
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

SPACE = "▁"

_MOST = 16 * 2**20  # bytes; those of 250,000 pieces have 5 million
LONGEST = 64  # characters of a piece; SentencePiece learns none of more than 16 unless it is told to
_REMEDY = "copy the folder again"
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3  # of the model
_TEXT, _SCORE, _SORT = 1, 2, 3  # of a piece
_MODEL_TYPE, _SUFFIX = 3, 24  # of the trainer
_CHARACTERS, _PREFIX, _FEWER_SPACES = 2, 3, 4  # of the normalizer
_UNIGRAM, _BPE = 1, 2
_NORMAL, _USER_DEFINED, _BYTE = 1, 4, 6


@dataclass(frozen=True)
class SentencePieces:
    """What a SentencePiece model cuts texts by."""

    scores: dict[str, float]
    """Of each piece that may stand in a text; unigram: its log-likelihood."""
    joined: bool
    """Whether pieces are joined in the order of their scores (byte pairs), instead of the likeliest path taken."""
    bytes_spelt: bool
    """Whether a character without a piece is written byte by byte."""
    charsmap: bytes
    """How characters are made alike, as SentencePiece compiles it; nothing for texts as they are."""
    prefix: bool
    """Whether a space is put before each text."""
    fewer_spaces: bool
    """Whether white space around a text goes, and of several spaces one stays."""

    def normalizer(self) -> Any:
        """What makes texts alike, for the library `tokenizers`; None where nothing is."""
        from tokenizers import Regex, normalizers

        steps: list[Any] = [normalizers.Precompiled(self.charsmap)] if self.charsmap else []
        if self.fewer_spaces:
            steps += [normalizers.Replace(Regex("^ +| +$"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
        elif self.prefix:
            steps += [normalizers.Prepend(" ")]
        return normalizers.Sequence(steps) if steps else None

    def finish(self, backend: "Backend") -> None:
        """Let a backend make texts alike, mark spaces, and read them back, as SentencePiece does."""
        from tokenizers import decoders, pre_tokenizers

        normalizer = self.normalizer()
        if normalizer is not None:
            backend.normalizer = normalizer
        scheme = "always" if self.prefix and self.fewer_spaces else "never"
        inner = any(SPACE in piece[1:] and piece.strip(SPACE) for piece in self.scores)
        backend.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, prepend_scheme=scheme, split=not inner)
        back: list[Any] = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
        backend.decoder = decoders.Sequence([*back, decoders.Strip(" ", 1, 0)] if self.prefix else back)


def read_pieces(path: Path) -> SentencePieces:
    """The pieces in the file `path`.

    Raises:
        Refusal: the file is no SentencePiece model, or one of whole words or characters.
    """
    data = read_bytes(path, _REMEDY, _MOST)
    with opened(path, "is no model of SentencePiece", _REMEDY):
        scores: dict[str, float] = {}
        own, trainer, normalizer, bytes_spelt = list[str](), b"", b"", False
        for number, value in _fields(data):
            if number == _PIECES:
                piece = dict(_fields(value))
                sort = piece.get(_SORT, _NORMAL)
                bytes_spelt = bytes_spelt or sort == _BYTE
                if sort in (_NORMAL, _USER_DEFINED, _BYTE):
                    name = piece[_TEXT].decode("utf-8")
                    scores[name] = struct.unpack("<f", piece.get(_SCORE, b"\0\0\0\0"))[0]
                    own += [name] if sort == _USER_DEFINED else []
            elif number == _TRAINER:
                trainer = value
            elif number == _NORMALIZER:
                normalizer = value
        if not scores:
            raise Refusal(f"{path}: holds no pieces; {_REMEDY}")
        if long := next((name for name in scores if len(name) > LONGEST), None):
            raise Refusal(f"{path}: the piece '{long:.20}…' has more than {LONGEST} characters, as none has; {_REMEDY}")
        told, alike = dict(_fields(trainer)), dict(_fields(normalizer))
        sort = told.get(_MODEL_TYPE, _UNIGRAM)
        if sort not in (_UNIGRAM, _BPE) or told.get(_SUFFIX) or (own and sort == _BPE):
            raise Refusal(
                f"{path}: cuts texts in a way that no translator is known to do (whole words, characters, spaces "
                "behind words, symbols of its own); give another model"
            )
        if own:  # found before all else
            best = max((score for name, score in scores.items() if name not in own), default=0.0)
            scores |= {name: len(name) * best - 0.1 for name in own}
        return SentencePieces(
            scores=scores,
            joined=sort == _BPE,
            bytes_spelt=bytes_spelt,
            charsmap=alike.get(_CHARACTERS, b""),
            prefix=bool(alike.get(_PREFIX, 1)),
            fewer_spaces=bool(alike.get(_FEWER_SPACES, 1)),
        )


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The numbers of the fields of a message, and their values: numbers, or bytes as they stand."""
    at = 0
    while at < len(data):
        key, at = _number(data, at)
        wire = key & 7
        if wire == 0:
            value, at = _number(data, at)
            yield key >> 3, value
            continue
        if wire == 2:
            size, at = _number(data, at)
        else:
            size = {1: 8, 5: 4}[wire]
        if at + size > len(data):
            raise ValueError("it ends within a field")
        yield key >> 3, data[at : at + size]
        at += size


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, the lowest first, and where it ends."""
    value = shift = 0
    while shift < 70:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("a number of it has no end")
