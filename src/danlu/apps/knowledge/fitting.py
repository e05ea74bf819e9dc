"""The threshold of a folder, fitted on questions: with their documents they are inside, without them outside.

Each question is sought twice, the second time without the document that answers it, as if that had never been there:
what is then found is as near to the question as anything else in the folder. Questions on other matters may be added.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from danlu.answer.matching import best_shared, one_of
from danlu.apps.grounded.asked import checked_question
from danlu.apps.grounded.bar import Bar, fitted
from danlu.apps.grounded.signals import Signals
from danlu.apps.knowledge.knowledge import LOOKED_AT, Knowledge
from danlu.data.reading.format import open_records
from danlu.refusal import Refusal

MOST = 20_000
"""Questions."""

DEEP = 4
"""Times as many passages are sought, so that enough are left without a document."""


@dataclass(frozen=True)
class Question:
    """A question of which it is known what answers it.

    - `document`: the id of the document; empty: the one that is found first. `answers`: right texts, if any are known.
    """

    text: str
    document: str = ""
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fit:
    """A threshold, and what was seen when it was fitted.

    - `found`: questions whose document is among the five best passages, of those whose document is known.
    - `right`, `holding`, `shared`: of questions with right texts that are answered where others have set the threshold,
      how many answers say one, how many hold one, and F1; `asked` is how many these are.
    """

    bar: Bar
    found: tuple[int, int]
    right: int
    holding: int
    shared: float
    asked: int

    def to_plain(self) -> dict[str, Any]:
        """As programs read it."""
        from danlu.evaluate.scoring.proportion import share_of

        told: dict[str, Any] = dict(self.bar.rates)
        if self.found[1]:
            told["found"] = share_of(*self.found).to_plain()
        if self.asked:
            told["holding"] = share_of(self.holding, self.asked).to_plain()
            told |= {"exact_match": share_of(self.right, self.asked).to_plain(), "f1": self.shared / self.asked}
        return told


def read_questions(path: str) -> list[Question]:
    """The questions of a file: `question`, and where known `document` (its id) and `answer`, a text or several.

    Raises:
        Refusal: it cannot be read, or holds none.
    """
    found = []
    for number, record in enumerate(open_records(path), 1):
        if number > MOST:
            raise Refusal(f"{path}: holds more than {MOST:,} questions; give fewer")
        text = record.get("question", record.get("text"))
        if not isinstance(text, str):
            raise Refusal(f"{path}: record {number:,} has no 'question'; give a column of this name")
        right = record.get("answer") or record.get("answers") or ()
        if isinstance(right, dict):  # {"text": [...], "answer_start": [...]}, as SQuAD is told in columns
            right = right.get("text") or ()
        if not isinstance(right, str | list | tuple):
            raise Refusal(f"{path}: record {number:,}: 'answer' is no text and no list of texts; mend it")
        answers = (right,) if isinstance(right, str) else tuple(map(_text, right))
        try:
            question = checked_question(text)
        except Refusal as refusal:
            raise Refusal(f"{path}: record {number:,}: {refusal}") from None
        found.append(Question(question, str(record.get("document") or ""), tuple(filter(None, answers))))
    if not found:
        raise Refusal(f"{path}: holds no question; give one a row")
    return found


def fit(
    knowledge: Knowledge,
    inside: Sequence[Question],
    outside: Iterable[Question] = (),
    *,
    refuse: float | None = None,
    answer: float | None = None,
) -> Fit:
    """Fit the threshold of a folder, and keep it.

    Raises:
        Refusal: a document is not there, or there are too few questions.
    """
    known = set(knowledge.index.names())
    if missing := next((each.document for each in inside if each.document and each.document not in known), None):
        raise Refusal(f"document '{missing:.200}': is not in the index; refresh, or correct the column 'document'")
    kept: list[Signals] = []
    left_out: list[Signals] = []
    among = named = 0
    for each in inside:
        passages = knowledge.search(each.text, DEEP * LOOKED_AT)
        own = each.document or (passages[0].document if passages else "")
        kept.append(knowledge.grounder.signals(each.text, passages[:LOOKED_AT]))
        rest = [passage for passage in passages if passage.document != own]
        left_out.append(knowledge.grounder.signals(each.text, rest[:LOOKED_AT]))
        named += bool(each.document)
        among += bool(each.document) and own in [passage.document for passage in passages[:5]]
    others = [knowledge.grounder.signals(each.text, knowledge.search(each.text)) for each in outside]
    bar, answered = fitted(kept, [*left_out, *others], refuse=refuse, answer=answer, models=knowledge.models.told)
    knowledge.keep_threshold(bar)
    open_bar = replace(knowledge.grounder, bar=replace(bar, least=-inf))  # what is answered was told above
    texts = [
        (each.answers, open_bar.answer(each.text, knowledge.search(each.text), knowledge.document).text)
        for each, passed in zip(inside, answered, strict=True)
        if each.answers and passed
    ]
    return Fit(
        bar,
        (among, named),
        right=sum(one_of(answers, text) for answers, text in texts),
        holding=sum(any(_bare(answer) in _bare(text) for answer in answers) for answers, text in texts),
        shared=sum(best_shared(answers, text) for answers, text in texts),
        asked=len(texts),
    )


def _bare(text: str) -> str:
    """A text without white space: its lines may end anywhere."""
    return "".join(text.split())


def _text(right: Any) -> str:
    return str(right.get("text", "")) if isinstance(right, dict) else str(right)
