"""A thesaurus: a file with a word a line, and what may stand for it."""

from collections.abc import Iterator

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.lines import lines
from danlu.data.reading.source_file import find_source
from danlu.data.reading.table import Fields, plain_rows, quoted_rows
from danlu.refusal import Refusal

Thesaurus = dict[str, tuple[str, ...]]
"""Synonyms by the word in one case; in the order of the file, none of them the word itself."""


def read_thesaurus(path: str) -> Thesaurus:
    """Read `word<TAB>synonym<TAB>synonym...`, or with commas where the name ends in .csv; `|` separates too.

    Rows of one word are joined. Raises `Refusal` naming the file and the line of a word without a synonym, and for a
    file that cannot be read or is empty.
    """
    source = find_source(path, None)
    table = source.inner_name.lower().endswith(".csv")
    read = lines(source)
    rows: Iterator[Fields] = (
        quoted_rows(read, ",", source.name, BadRows(stop=True)) if table else plain_rows(read, "\t")
    )
    found: dict[str, dict[str, None]] = {}
    for number, fields in rows:
        word = fields[0].strip()
        others = [other.strip() for field in fields[1:] for other in field.split("|")]
        others = [other for other in others if other and other != word]
        if not word or not others:
            separator = "comma" if table else "tab"
            raise Refusal(
                f"{source.name}, line {number}: expected a word and, after a {separator}, its synonyms; "
                "add one, or remove the line"
            )
        found.setdefault(word.casefold(), {}).update(dict.fromkeys(others))
    if not found:
        raise Refusal(f"{source.name}: holds no words; give a file with a word and its synonyms a line")
    return {word: tuple(others) for word, others in found.items()}


def in_case_of(word: str, other: str) -> str:
    """Another word, with its first letter or all of it in capitals where the word is."""
    if len(word) > 1 and word.isupper():
        return other.upper()
    return other[:1].upper() + other[1:] if word[:1].isupper() else other
