"""Records whose text is split into words.

`{"words": [...]}`, where words stand side by side; `{"text", "words"}`, where white space may stand between them as
well; or `{"text", "entities"}`, where the entities are the words, as taggers give them.
"""

from collections.abc import Sequence
from itertools import pairwise

from danlu.data.record import Record
from danlu.refusal import Refusal

Border = tuple[int, int]
"""Start and end of a word, in characters, end exclusive."""


def borders(record: Record, number: int) -> list[Border]:
    """Where the words of a record with the column `words` stand in its text; `number` counts records from 0.

    Raises:
        Refusal: the words are no list of texts, or do not spell the text; names the record.
    """
    words = record["words"]
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise Refusal(f"record {number + 1:,}: column 'words' must be a list of words, none of them empty")
    text = text_in_words(record)
    found: list[Border] = []
    end = 0
    for word in words:
        start = end
        while not text.startswith(word, start):
            if not text[start : start + 1].isspace():
                raise Refusal(
                    f"record {number + 1:,}: the words do not spell the text at character {start}, where '{word}' was "
                    "expected; give the words of this very text, or leave the column 'text' out"
                )
            start += 1
        end = start + len(word)
        found.append((start, end))
    if text[end:].strip():
        raise Refusal(
            f"record {number + 1:,}: the words end at character {end} of the {len(text):,} of the text; "
            "give the words of all of it, or leave the column 'text' out"
        )
    return found


def text_in_words(record: Record) -> str:
    """The text of a record with the column `words`: its own, or its words side by side."""
    text = record.get("text")
    return text if isinstance(text, str) else "".join(record["words"])


def read_words(record: Record, number: int) -> list[str]:
    """The words of a segmented record, what stands between two being one more; together they are the text.

    `number` counts records from 0.

    Raises:
        Refusal: the record is not segmented, or wrongly; names the record and what is wrong.
    """
    if "words" in record:
        return in_pieces(text_in_words(record), borders(record, number))
    text, entities = record.get("text"), record.get("entities")
    if not isinstance(text, str) or not isinstance(entities, list):
        raise Refusal(
            f"record {number + 1:,}: expected a column 'words' with the words of a sentence, not "
            f"{', '.join(record) or 'nothing'}; segmented files are read by kind words, or by kind pfr with "
            "'marks: words'"
        )
    try:
        spans = sorted((int(entity["start"]), int(entity["end"])) for entity in entities)
    except (KeyError, TypeError, ValueError):
        raise Refusal(
            f"record {number + 1:,}: column 'entities' must be a list of {{start, end, label}}; mend the record"
        ) from None
    ends = [0, *(end for _, end in spans), len(text)]
    if any(start < before or end <= start for before, (start, end) in zip(ends, spans, strict=False)) or (
        ends[-2] > len(text)
    ):
        raise Refusal(f"record {number + 1:,}: entities overlap or leave the text, so they are no words; mend them")
    return in_pieces(text, spans)


def in_pieces(text: str, spans: Sequence[Border]) -> list[str]:
    """The words at ascending `spans`, and what stands before, between and after them as words of its own."""
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    return [text[start:end] for start, end in pairwise(edges) if start < end]
