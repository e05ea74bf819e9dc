"""An answer that a bundle of the task `answer` points at, in the best of several passages."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

from danlu.apps.grounded.asked import Asked
from danlu.apps.grounded.cited import Cited, cited
from danlu.index.document import Found
from danlu.refusal import Refusal
from danlu.task.questions import CONTEXT, QUESTION

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering

READ = 3
"""Passages that are read, the best first."""

_LEAST = 1e-4


@dataclass(frozen=True)
class Piece:
    """What a bundle points at.

    - `probability`: what it gives the piece in its passage; `denied`: whether it says of all passages that they hold
      no answer.
    """

    cited: Cited
    probability: float
    denied: bool

    @property
    def odds(self) -> float:
        """The logarithm of the odds of the probability, -9 to 9."""
        share = min(max(self.probability, _LEAST), 1 - _LEAST)
        return log(share / (1 - share))


def refuse_other_readers(reader: "Answering") -> None:
    """Raise `Refusal` for a bundle that points at no piece of a passage."""
    if reader.task.kind != "answer":
        raise Refusal(
            f"{reader.folder}: was trained for {reader.task.kind}, and pieces of passages are found by a bundle of "
            "answer"
        )


def best_piece(asked: Asked, passages: Sequence[Found], reader: "Answering") -> Piece | None:
    """The likeliest piece; that of a passage counts for more, the more words of the question stand there.

    Raises:
        Refusal: the question is longer than the bundle reads.
    """
    read = [passage for passage in passages[:READ] if passage.text.strip()]
    if not read:
        return None
    told = reader.predict([{CONTEXT: passage.text, QUESTION: asked.question} for passage in read])
    found: list[tuple[float, Piece]] = []
    denied = all(prediction["start"] is None for prediction in told)
    for passage, prediction in zip(read, told, strict=True):
        fit = asked.covered(f"{passage.title}\n{passage.text}")
        number = passages.index(passage) + 1
        for answer in prediction["answers"]:
            if answer["start"] is not None and answer["text"].strip():
                piece = Piece(cited(passage, number, answer["start"], answer["end"]), float(answer["score"]), denied)
                found.append((piece.probability * fit**2, piece))
    return max(found, key=lambda each: each[0], default=(0.0, None))[1]
