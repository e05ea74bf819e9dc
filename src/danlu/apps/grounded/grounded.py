"""A question answered from passages: every piece that an answer rests on stands in its document, or there is no answer.

With a bundle of `answer` the answer is a piece of a passage; with one that writes, its sentences that a passage
supports; with neither, the sentence that holds most of the question's words.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from danlu.apps.grounded.asked import asked, checked_question
from danlu.apps.grounded.bar import PLAIN, Bar
from danlu.apps.grounded.cite import verified
from danlu.apps.grounded.cited import Cited, Look, standing, stands
from danlu.apps.grounded.extract import Piece, best_piece, refuse_other_readers
from danlu.apps.grounded.sentence import best_sentence
from danlu.apps.grounded.signals import Signals, signals
from danlu.apps.grounded.write import refuse_other_writers, written
from danlu.index.document import Found

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering

Why = Literal["", "nothing_found", "unsure", "no_answer", "changed"]
"""Why there is no answer: no passage was found; none is likely enough to answer; the bundle finds no answer in them;
the documents were changed meanwhile."""


@dataclass(frozen=True)
class Grounded:
    """An answer with what it rests on, or why there is none.

    - `way`: how it came about: 'extract', 'write' or 'sentence'; `sure`: how probably the passages answer, 0 to 1.
    - `cited`: pieces of documents, of which the first is the best; `passages`: what was looked at, `[1]` first.
    - `dropped`: what was written and is supported by nothing.
    """

    question: str
    text: str
    way: str
    sure: float
    cited: tuple[Cited, ...]
    passages: tuple[Found, ...]
    why: Why = ""
    dropped: tuple[str, ...] = ()

    @property
    def answered(self) -> bool:
        """Whether there is an answer."""
        return not self.why

    def to_plain(self) -> dict[str, Any]:
        """As programs read it."""
        return {
            "question": self.question,
            "answered": self.answered,
            "text": self.text,
            "way": self.way,
            "why": self.why,
            "sure": round(self.sure, 4),
            "cited": [each.to_plain() for each in self.cited],
            "dropped": list(self.dropped),
            "passages": [
                {
                    "number": number,
                    **{name: getattr(each, name) for name in ("document", "title", "start", "end", "text")},
                }
                for number, each in enumerate(self.passages, 1)
            ],
        }


@dataclass(frozen=True)
class Grounder:
    """What answers from passages: `reader` is a bundle of `answer`, `generator` one that writes; neither is needed."""

    reader: "Answering | None" = None
    generator: "Answering | None" = None
    bar: Bar = PLAIN

    def __post_init__(self) -> None:
        """Raise `Refusal` for bundles that cannot do it."""
        if self.reader is not None:
            refuse_other_readers(self.reader)
        if self.generator is not None:
            refuse_other_writers(self.generator)

    def answer(self, question: str, passages: Sequence[Found], look: Look) -> Grounded:
        """The answer, from passages of which the first is `[1]`; `look` gives their documents as they are now.

        Raises:
            Refusal: the question is empty or too long.
        """
        question = checked_question(question)
        there = standing(passages, look)
        if not there:
            return Grounded(question, "", "", 0.0, (), (), "changed" if passages else "nothing_found")
        told, piece, sentence = self._looked(question, there)
        none = Grounded(question, "", "", self.bar.sure(told), (), tuple(there))
        if piece is not None and piece.denied and "piece" not in self.bar.weights:
            return replace(none, why="no_answer")
        if not self.bar.passes(told):
            return replace(none, why="unsure")
        if self.generator is not None:
            checked = verified(written(question, there, self.generator), there)
            none = replace(none, dropped=checked.dropped)
            if checked.cited and all(stands(each, look) for each in checked.cited):
                return replace(none, text=checked.text, way="write", cited=checked.cited)
        best = piece.cited if piece is not None else sentence
        if best is None or not stands(best, look):
            return replace(none, why="no_answer" if best is None else "changed")
        return replace(none, text=best.text, way="extract" if piece else "sentence", cited=(best,))

    def signals(self, question: str, passages: Sequence[Found]) -> Signals:
        """What the bar is fitted on; see `danlu.apps.grounded.bar.fitted`. Empty where no passage was found."""
        return self._looked(checked_question(question), passages)[0] if passages else {}

    def _looked(self, question: str, passages: Sequence[Found]) -> tuple[Signals, Piece | None, Cited | None]:
        """What is said of the passages, the best piece, and the best sentence."""
        weighed = asked(question, passages)
        sentence, share = best_sentence(weighed, passages)
        told = signals(weighed, passages, share)
        piece = None if self.reader is None else best_piece(weighed, passages, self.reader)
        if self.reader is not None:
            told["piece"] = piece.odds if piece is not None else -9.0
            told["found"] = float(piece is not None and not piece.denied)
        return told, piece, sentence
