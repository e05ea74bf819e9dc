"""Explain what a bundle answers: which words of a text an answer goes back to."""

from collections.abc import Callable, Mapping, Sequence
from math import fsum
from typing import Any

import numpy as np

from danlu.bundle.bundle import Bundle
from danlu.data.record import Record, refuse_halves
from danlu.engine.predict import Predictor
from danlu.explain.aim import Aim
from danlu.explain.aims_of_language import aims_of_blanks, aims_of_written
from danlu.explain.aims_of_pieces import aims_of_answer, aims_of_tags
from danlu.explain.aims_of_texts import aims_of_label, aims_of_labels, aims_of_number
from danlu.explain.asked import Asked
from danlu.explain.explainer import Explainer
from danlu.explain.explanation import Explanation
from danlu.explain.faithful import faithfulness
from danlu.explain.inside import Inside
from danlu.explain.rows import Wanted
from danlu.explain.tokens import unread
from danlu.explain.words import words_of
from danlu.refusal import Refusal
from danlu.task.one_label import OneLabel
from danlu.task.rewritten import rewritten
from danlu.task.tagger import Tagger
from danlu.task.tasks.answer import Answer
from danlu.task.tasks.causal_lm import CausalLm
from danlu.task.tasks.classify import Classify
from danlu.task.tasks.masked_lm import MaskedLm
from danlu.task.tasks.multilabel import Multilabel
from danlu.task.tasks.regress import Regress
from danlu.task.tasks.relate import Relate

USUAL = "integrated_gradients"

_AIMS: dict[type, Callable[[Inside, Record, Wanted], list[Aim]]] = {
    Classify: aims_of_label,
    Relate: aims_of_label,
    Multilabel: aims_of_labels,
    Regress: aims_of_number,
    Tagger: aims_of_tags,
    Answer: aims_of_answer,
    MaskedLm: aims_of_blanks,
}


def explain(
    bundle: Bundle,
    items: Sequence[str | Record],
    method: Explainer | Mapping[str, Any] | str = USUAL,
    *,
    target: str | None = None,
    at: str | None = None,
    written: int = 8,
    checked: bool = True,
    adapter: str | None = None,
) -> list[Explanation]:
    """One explanation of each text or record, in order; several where several things are answered of one.

    - `method`: an explainer of `danlu list explainer`, by name or with its settings.
    - `target`: a label, where not the one is meant that the model gives; of a blank a word, of an answer 'start' or
      'end'.
    - `at`: the piece of a text whose label is explained, of tasks that find pieces.
    - `written`: tokens that a model writes and that are explained one by one.
    - `checked`: whether words are hidden to see how faithful the explanation is.

    Texts without words are left out. Raises `Refusal` where none has any, for a task that is not explained, a label,
    layer or piece that is not there, and an engine without the gradients that a method needs.
    """
    if isinstance(items, str | dict):
        raise Refusal("explain takes a list of texts or records; write [text] for a single one")
    explainer = method if isinstance(method, Explainer) else Explainer.model_validate(method)
    predictor = bundle.predictor_of(bundle.serves if adapter is None else adapter)
    inside = Inside(predictor.network, predictor.task, predictor.tokenizer)
    wanted = Wanted(target, at, written)
    found = []
    for number, item in enumerate(items):
        given = {"text": item} if isinstance(item, str) else dict(item)
        if len(items) > 1 and _is_blank(given, predictor.task.reads):
            continue
        try:
            found += _of_record(predictor, inside, explainer, given, number, wanted, checked=checked)
        except Refusal as refusal:
            if len(items) == 1:
                raise
            raise Refusal(f"record {number + 1:,}: {str(refusal).removeprefix('record 1: ')}") from None
    if items and not found:
        raise Refusal("there is no word that the model reads, so there is nothing to explain; give a text with some")
    return found


def _is_blank(record: Record, columns: Sequence[str]) -> bool:
    """Whether nothing stands in the columns that a task reads and that are there."""
    there = [record[name] for name in ("text", "tokens", "words", *columns) if name in record]
    return bool(there) and all(value is None or not str(value).strip() or value == [] for value in there)


def _of_record(
    predictor: Predictor,
    inside: Inside,
    explainer: Explainer,
    given: Record,
    number: int,
    wanted: Wanted,
    *,
    checked: bool,
) -> list[Explanation]:
    refuse_halves(given, 0)
    (record,) = rewritten([given], predictor.rewriters)
    found = [
        _explained(inside, explainer, aim, number, cleaned=record is not given, checked=checked)
        for aim in aims_of(predictor, inside, record, wanted)
    ]
    return [told for told in found if told is not None]


def aims_of(predictor: Predictor, inside: Inside, record: Record, wanted: Wanted) -> list[Aim]:
    """What is explained of a record, as its task answers.

    Raises `Refusal` for a task that is not explained.
    """
    task = inside.task
    for kind, aims in _AIMS.items():
        if isinstance(task, kind):
            return aims(inside, record, wanted)
    if task.answers_by == "generate" or isinstance(task, CausalLm):
        return aims_of_written(inside, predictor, record, wanted)
    what = "one label" if isinstance(task, OneLabel) else f"a {task.answer_form}"
    raise Refusal(
        f"the task {task.kind} is not explained: it answers with {what} that goes back to several texts, or to no one "
        "number; explained are classify, multilabel, regress, tag, tag_words, answer, relate, masked_lm, and tasks "
        "that write"
    )


def _explained(
    inside: Inside, explainer: Explainer, aim: Aim, number: int, *, cleaned: bool, checked: bool
) -> Explanation | None:
    """The explanation of one number; None of a row without words."""
    words = words_of(aim.texts, aim.tokens)
    if not words:
        return None
    asked = Asked(inside, aim, words)
    found = explainer.explain(asked)
    scores = [fsum(found.scores[list(word.tokens)]) for word in words]
    return Explanation(
        record=number,
        task=inside.task.kind,
        method=explainer.kind,
        target=aim.target,
        unit=aim.unit,
        value=asked.value,
        shown=aim.shown(asked.value),
        whole=aim.whole,
        signed=explainer.signed,
        texts=aim.texts,
        words=tuple(words),
        scores=tuple(scores),
        tokens=tuple(token.name for token in aim.tokens),
        token_scores=tuple(found.scores.tolist()),
        unread=unread(aim.texts, aim.tokens) if inside.filled(aim.item) else {},
        limit=inside.limit,
        rewritten=cleaned,
        gap=found.gap,
        unreliable=found.unreliable,
        facts=found.facts,
        faithfulness=faithfulness(asked, np.array(scores)) if checked else None,
        attention=found.attention,
    )
