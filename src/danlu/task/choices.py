"""Questions with choices of which one is right: how a record says them, and which one is the answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Literal, get_args

from danlu.data.labels import label_of
from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.columns import missing, text_in

CHOICES, ANSWER, QUESTION = "choices", "answer", "question"

Reading = Literal["text", "number", "letter"]
"""By what the right choice is named: its own text, its number from 0, its letter from A."""


@dataclass(frozen=True)
class Asked:
    """What a record asks, and what it offers; `question` is empty where the text is all."""

    text: str
    question: str
    choices: tuple[str, ...]


def asked_in(record: Record, number: int) -> Asked:
    """What a record asks; `number` counts records from 0.

    Raises `Refusal` naming the record for columns that are missing or of another sort, a choice that stands alone or
    is empty, and two that are equal.
    """
    text = text_in(record, number)
    question = "" if record.get(QUESTION) is None else text_in(record, number, QUESTION)
    if CHOICES not in record:
        raise Refusal(missing(record, number, CHOICES, "list of texts"))
    given = record[CHOICES]
    if not isinstance(given, list) or not all(isinstance(choice, str) for choice in given):
        raise Refusal(f"record {number + 1:,}: column '{CHOICES}' must be a list of texts, and it is {given!r:.60}")
    if len(given) < 2:
        raise Refusal(f"record {number + 1:,}: has {len(given)} of the two choices or more that a question needs")
    for place, choice in enumerate(given):
        if not choice.strip():
            raise Refusal(f"record {number + 1:,}: choice {place} (counted from 0) is empty; give it a text")
        if choice in given[:place]:
            raise Refusal(
                f"record {number + 1:,}: choices {given.index(choice)} and {place} (counted from 0) are both "
                f"'{choice:.60}'; leave one of them out"
            )
    return Asked(text, question, tuple(given))


def answer_in(record: Record, number: int, reading: Reading | None) -> int:
    """The number of the right choice, from 0, read as the task says; None: in the one way that fits.

    Raises `Refusal` naming the record where it is missing, names no choice, or names one or another as it is read.
    """
    choices = asked_in(record, number).choices
    if ANSWER not in record:
        raise Refusal(missing(record, number, ANSWER, "the right choice"))
    given = record[ANSWER]
    if reading is None:
        _refuse_ambiguous(record, number, get_args(Reading))
    for how in (reading,) if reading else get_args(Reading):
        place = _place(given, choices, how)
        if place is not None:
            return place
    if reading == "letter" and len(choices) > len(ascii_uppercase):
        raise Refusal(
            f"record {number + 1:,}: has {len(choices)} choices, and there are {len(ascii_uppercase)} letters to name "
            "the right one by; name it by its number or its text in every record"
        )
    last = len(choices) - 1
    ways = {"text": "its text", "number": f"its number (0 to {last})", "letter": f"its letter (A to {_letter(last)})"}
    by = ways[reading] if reading else ", ".join(ways.values())
    raise Refusal(
        f"record {number + 1:,}: the answer {given!r:.60} is none of its {len(choices)} choices, named by {by}; mend "
        "the record"
    )


def reading_of(records: Sequence[Record]) -> Reading:
    """By what all records name the right choice, the one of text, number and letter that fits all of them.

    Raises `Refusal` for the first record that does not fit where none does, and for one in which two of them that fit
    all records name different choices.
    """
    fitting: dict[Reading, int] = {}
    whole: list[Reading] = []
    for how in get_args(Reading):
        fits = [
            _place(record.get(ANSWER), asked_in(record, number).choices, how) is not None
            for number, record in enumerate(records)
        ]
        fitting[how] = sum(fits)
        whole += [how] if all(fits) else []
    for number, record in enumerate(records if len(whole) > 1 else ()):
        _refuse_ambiguous(record, number, whole)
    if whole:
        return whole[0]
    best = max(fitting, key=lambda how: fitting[how])
    for number, record in enumerate(records):
        answer_in(record, number, best if fitting[best] else None)
    raise AssertionError("one of the records did not fit")


def _refuse_ambiguous(record: Record, number: int, readings: Sequence[Reading]) -> None:
    places = {how: _place(record[ANSWER], record[CHOICES], how) for how in readings}
    told = {how: place for how, place in places.items() if place is not None}
    if len(set(told.values())) > 1:
        ways = ", ".join(f"as a {how} choice {place}" for how, place in told.items())
        raise Refusal(
            f"record {number + 1:,}: the answer {record[ANSWER]!r:.60} can be read in more than one way ({ways}, "
            f"counted from 0); say by the task's 'answer_is' which is meant: {' or '.join(told)}"
        )


def _place(given: object, choices: Sequence[str], how: Reading) -> int | None:
    place = -1
    if how == "text":
        place = choices.index(given) if isinstance(given, str) and given in choices else -1
    elif how == "number" and not isinstance(given, bool):
        text = label_of(given) or ""  # 1.0 where a table has a gap elsewhere
        place = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
    elif how == "letter" and isinstance(given, str):
        letter = given.strip().strip("().:（）、：").upper()
        place = ascii_uppercase.index(letter) if len(letter) == 1 and letter in ascii_uppercase else -1
        place = place if len(choices) <= len(ascii_uppercase) else -1
    return place if 0 <= place < len(choices) else None


def _letter(place: int) -> str:
    return ascii_uppercase[min(place, len(ascii_uppercase) - 1)]
