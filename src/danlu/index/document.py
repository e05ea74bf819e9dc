"""What is put into an index, and what is found in it again."""

from dataclasses import dataclass, field
from typing import Any

from danlu.refusal import Refusal

LONGEST = 2**24
"""Characters that a document may have."""

LONGEST_NAME = 1000
MOST_BYTES_OF_NAME = 2500
"""What PostgreSQL finds by an index has 2,704 bytes at most."""
"""Characters of an id, a title, or the name of a fact."""

LONGEST_FACT = 10_000
MOST_FACTS = 100


@dataclass(frozen=True)
class Document:
    """A text under a name.

    - `id`: its name; a document put under the same replaces it.
    - `facts`: what is known of it, by which a search may be narrowed.
    """

    id: str
    text: str
    title: str = ""
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A passage of a document: `text` is `document.text[start:end]`.

    - `score`: by this the passages are in order; of use within one search alone.
    - `ways`: what each way of looking says of the passage: 'lexical' (BM25), 'vector' (cosine), 'rank' (of the ranker).
    """

    document: str
    title: str
    text: str
    start: int
    end: int
    score: float
    ways: dict[str, float]
    facts: dict[str, str]


def checked(document: Document) -> Document:
    """The document, if it can be kept.

    Raises:
        Refusal: something is too long, or holds what no database keeps; names the document.
    """
    name = document.id[:80] if isinstance(document.id, str) else document.id
    where = f"document {name!r}"
    _refuse(where, "the id", document.id, LONGEST_NAME)
    if not document.id:
        raise Refusal(f"{where}: the id is empty; give each document a name of its own")
    _refuse(where, "the title", document.title, LONGEST_NAME)
    _refuse(where, "the text", document.text, LONGEST)
    if not isinstance(document.facts, dict) or len(document.facts) > MOST_FACTS:
        raise Refusal(f"{where}: 'facts' are up to {MOST_FACTS} texts by name")
    for key, value in document.facts.items():
        _refuse(where, "the name of a fact", key, LONGEST_NAME)
        _refuse(where, f"the fact '{key}'", value, LONGEST_FACT)
    return document


def _refuse(where: str, what: str, text: Any, longest: int) -> None:
    if not isinstance(text, str):
        raise Refusal(f"{where}: {what} is of type {type(text).__name__}; give a text")
    if longest == LONGEST_NAME and len(text.encode("utf-8", "replace")) > MOST_BYTES_OF_NAME:
        raise Refusal(f"{where}: {what} has more than {MOST_BYTES_OF_NAME:,} bytes of UTF-8; give a shorter one")
    if len(text) > longest:
        raise Refusal(f"{where}: {what} has {len(text):,} characters, and {longest:,} are kept; divide it")
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text if sign > "\ud7ff"):
        raise Refusal(f"{where}: {what} holds NUL or half a character, which is no text; remove it")
