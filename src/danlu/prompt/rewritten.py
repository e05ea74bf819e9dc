"""Records in the form that the model's training data had, whatever the columns of the slots are called."""

from collections.abc import Sequence

from danlu.data.cleaning.clean import ROUNDS
from danlu.data.cleaning.cleaner import Rewriter
from danlu.data.cleaning.rewriting import move_answers, rewrite_list
from danlu.data.record import Record
from danlu.text.prompting.template import CHOICE, EXCERPT, PromptTemplate

ANSWERS = "answers"


def rewritten(template: PromptTemplate, records: Sequence[Record], rewriters: Sequence[Rewriter]) -> list[Record]:
    """The records with the texts of the slots, the choices and the marked answers as the training data had them.

    Raises:
        Refusal: answers are not of the form in which they could move with their text.
    """
    found = list(records)
    for _ in range(ROUNDS + 1 if len(rewriters) > 1 else 1):
        before = list(found)
        for rewriter in rewriters:
            _rewrite(template, found, rewriter)
        if all(one is other for one, other in zip(before, found, strict=True)):
            break
    return found


def _rewrite(template: PromptTemplate, records: list[Record], rewriter: Rewriter) -> None:
    about = template.answer_column
    if template.asks == CHOICE:
        rewrite_list(records, rewriter, about, answered=True)
    for column in dict.fromkeys([*template.columns.values(), *([about] if template.asks == EXCERPT else [])]):
        rows = [row for row, record in enumerate(records) if isinstance(record.get(column), str)]
        texts = [records[row][column] for row in rows]
        for row, old, new in zip(rows, texts, rewriter.rewrite(texts), strict=True):
            if new == old:
                continue
            record = records[row] | {column: new}
            if template.asks == EXCERPT and column == about and ANSWERS in record:
                move_answers(record, rewriter.trace(old), new)
            records[row] = record
