"""Questions about a context, with the pieces of it that answer them."""

from dataclasses import dataclass

from danlu.answer.matching import nearest_piece
from danlu.data.record import Record, answers_of
from danlu.refusal import Refusal
from danlu.task.columns import missing, text_in

CONTEXT, QUESTION, ANSWERS = "context", "question", "answers"
_SHOWN = 80  # characters of an answer


@dataclass(frozen=True)
class Piece:
    """Characters of a context, end exclusive; no white space at either end."""

    start: int
    end: int


def question_in(record: Record, number: int) -> str:
    """The question; `number` counts records from 0.

    Raises `Refusal` naming the record where there is none, or an empty one.
    """
    question = text_in(record, number, QUESTION)
    if not question.strip():
        raise Refusal(f"record {number + 1:,}: the question is empty; write one, or leave the record out")
    return question


def right_answers(record: Record, number: int) -> list[dict[str, str | int]]:
    """The answers of a record as `{"text", "start"}`; none where its context has none.

    Raises `Refusal` naming the record where the column is missing or of another form.
    """
    if ANSWERS not in record:
        raise Refusal(missing(record, number, ANSWERS, "a list of {text, start}"))
    found = answers_of(record)
    if found is None:
        raise Refusal(
            f"record {number + 1:,}: column 'answers' must be a list of {{text, start}}, empty where the context has "
            "no answer"
        )
    return found


def piece_in(record: Record, number: int) -> Piece | None:
    """Where the first answer of a record stands in its context; None where there is none.

    Raises `Refusal` naming the record for an empty context, and for an answer that does not stand at its start, with
    where it does stand, or what is most like it.
    """
    context, answers = text_in(record, number, CONTEXT), right_answers(record, number)
    if not context.strip():
        raise Refusal(f"record {number + 1:,}: the context is empty; write one, or leave the record out")
    found = [_standing(context, str(answer["text"]), int(answer["start"]), number) for answer in answers]
    return found[0] if found else None


def _standing(context: str, text: str, start: int, number: int) -> Piece:
    shown = text[:_SHOWN] + ("…" if len(text) > _SHOWN else "")
    if not text.strip():
        raise Refusal(f"record {number + 1:,}: an answer is empty; where there is none, leave 'answers' empty")
    if start >= 0 and context.startswith(text, start):
        return Piece(start + len(text) - len(text.lstrip()), start + len(text.rstrip()))
    at = context.find(text)
    if at >= 0:
        raise Refusal(
            f"record {number + 1:,}: the answer '{shown}' does not stand at character {start} of the context, but at "
            f"{at}; mend its 'start', or read the file with kind squad, which does"
        )
    near = nearest_piece(context, text)
    there = f"; most like it is '{context[slice(*near)][:_SHOWN]}' at character {near[0]}" if near else ""
    raise Refusal(
        f"record {number + 1:,}: the answer '{shown}' is nowhere in the context{there}; mend it, or leave it out"
    )
