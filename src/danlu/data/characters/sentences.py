"""Where the sentences of a text stand, Chinese and English alike."""

import re

from danlu.data.characters.word_cutting import Borders

_CLOSING = "[\"'”’」』）》)\\]]*"
_WITHIN = r"[^。！？!?…\n.]*+"
_SENTENCE = re.compile(
    rf"{_WITHIN}(?:\.(?!{_CLOSING}(?:\s|$)){_WITHIN})*+(?:[。！？!?…]+{_CLOSING}|\.{_CLOSING}|\n|$)", re.DOTALL
)
"""Nothing in it goes back, for which 160 bytes were kept of each character of a long line."""
_CLAUSE = re.compile(r"[^，、；：,;:]*(?:[，、；：,;:]+|$)")


def sentences(text: str) -> Borders:
    """The characters of each sentence, end exclusive, without the white space around it.

    One ends with its full stop, question or exclamation mark and the quotation marks behind these, or with its line; a
    point within a number or a name ends none.
    """
    return _without_space(text, _SENTENCE)


def clauses(text: str) -> Borders:
    """The characters of what stands between commas, colons and semicolons, as `sentences` has them."""
    return _without_space(text, _CLAUSE)


def _without_space(text: str, pattern: re.Pattern[str]) -> Borders:
    found: Borders = []
    for match in pattern.finditer(text):
        piece = match.group()
        kept = piece.strip()
        if kept:
            start = match.start() + len(piece) - len(piece.lstrip())
            found.append((start, start + len(kept)))
    return found
