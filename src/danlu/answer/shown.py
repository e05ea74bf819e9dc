"""An answer beside the truth as cells of text, for pages to draw: what is said here is text, never markup."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["text", "truth", "answer", "number"]


@dataclass(frozen=True)
class Piece:
    """Characters of a text; those of a span have a `label`, and `shared` says whether the other side has it too."""

    text: str
    label: str = ""
    shared: bool = False


@dataclass(frozen=True)
class Cell:
    """One cell of a table: lines of pieces."""

    role: Role
    lines: tuple[tuple[Piece, ...], ...]


@dataclass(frozen=True)
class Headings:
    """What a table of the worst answers shows, and the names of its columns."""

    said: str
    names: tuple[str, ...]


def cell(role: Role, text: str) -> Cell:
    """A cell of plain text."""
    return Cell(role, ((Piece(text),),))


def marked(
    text: str, spans: Iterable[tuple[int, int, str]], others: Iterable[tuple[int, int, str]]
) -> tuple[Piece, ...]:
    """The text with its spans as pieces of their own; of spans over one another, the first."""
    known, pieces, end = set(others), list[Piece](), 0
    for start, stop, label in sorted(spans):
        if start < end:
            continue
        pieces.append(Piece(text[end:start]))
        pieces.append(Piece(text[start:stop], label, (start, stop, label) in known))
        end = stop
    return tuple(piece for piece in (*pieces, Piece(text[end:])) if piece.text)


def shortened(pieces: Sequence[Piece], longest: int) -> tuple[tuple[Piece, ...], bool]:
    """The pieces that begin within the first `longest` characters, and whether anything was cut; no span is."""
    kept, room = list[Piece](), longest
    for piece in pieces:
        if room <= 0:
            break
        kept.append(piece if piece.label else Piece(piece.text[:room]))
        room -= len(piece.text)
    return tuple(kept), sum(len(piece.text) for piece in kept) < sum(len(piece.text) for piece in pieces)
