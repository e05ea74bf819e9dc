"""How words and texts are written where they are compared: composed, in one width and case, with one apostrophe."""

from danlu.data.characters.composed import composed

APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u02bc\uff07"), "'")
"""What stands for an apostrophe in texts that a program has set; for `str.translate`."""


def spelt(text: str) -> str:
    """The text as words are sought in it."""
    return composed(text.translate(APOSTROPHES), "NFKC").casefold()
