"""Drafts of a wish: what a bundle reads, how it writes, and what it has written, in order."""

from collections.abc import Sequence
from dataclasses import dataclass

from danlu.apps.bundles import Role
from danlu.apps.write.brief import brief
from danlu.apps.write.ranked import Candidate, Draft, ranked
from danlu.apps.write.wish import Wish
from danlu.bundle.answering import Answering
from danlu.data.record import Record
from danlu.engine.predict import Predictor
from danlu.model.policies.words import Words
from danlu.model.written import Written
from danlu.refusal import Refusal
from danlu.task.task import Prediction, Task
from danlu.task.text_to_text import TextToText

MORE = 2
"""For each draft that is wanted so many are written where there is a tone to choose by."""
TOKENS_PER_UNIT = {"characters": 3, "words": 8}
"""At most, a byte a token."""
SPARE = 16
_KINDS = ("chat", "causal_lm", "rewrite", "summarise")


@dataclass(frozen=True)
class Asking:
    """What is asked of the bundle that writes.

    - `records`: one for each draft; `policy`: how each is written, by its number.
    """

    records: list[Record]
    policy: Words


def refuse_others(bundle: Answering) -> None:
    """Raises `Refusal` for a bundle that does not write a text for a brief."""
    if bundle.task.kind not in _KINDS:
        raise Refusal(
            f"{bundle.folder}: is of the task {bundle.task.kind}, and the writer takes one of {', '.join(_KINDS)}; "
            "give a bundle that goes on with texts, answers in conversations, or writes a text for a text"
        )


def refuse_no_tones(bundle: Answering) -> None:
    """Raises `Refusal` for a bundle that does not tell one label of a text."""
    if bundle.task.kind != "classify":
        raise Refusal(
            f"{bundle.folder}: is of the task {bundle.task.kind}, and tones are judged by one of the task classify"
        )


WRITER, TONES = "writer", "tones"
ROLES = {WRITER: Role(refuse_others), TONES: Role(refuse_no_tones)}
"""The bundles that write, and that judge tones."""


def asking(wish: Wish, predictor: Predictor, form: str | None = None, *, judged: bool = False) -> Asking:
    """What a bundle is asked for a wish; with `judged` more is written, so that there is something to choose by tone.

    Raises:
        Refusal: the wish says nothing or too much.
    """
    wish.checked()
    low, high = wish.bounds
    text = brief(wish, form)
    task = predictor.task
    if task.kind == "chat":
        record: Record = {"messages": [{"role": "user", "content": text}]}
    else:
        record = {"text": text if isinstance(task, TextToText) else f"{text}\n\n"}
    count = 1 if not wish.temperature else wish.drafts * (MORE if judged else 1)
    room = TOKENS_PER_UNIT[wish.unit] * high + SPARE
    policy = Words(
        words=tuple(wish.words),
        at_least=low,
        at_most=high,
        unit=wish.unit,
        temperature=wish.temperature,
        seed=wish.seed,
        max_new_tokens=min(room, max(1, predictor.network.limit // 2)),
    )
    return Asking([record] * count, policy)


def weighed(written: Sequence[Written], tones: Sequence[Prediction] | None, wish: Wish) -> list[Draft]:
    """What was written in order; `tones` are what a bundle says of each, where a tone is asked for."""
    told = [None] * len(written) if tones is None else [float(each["scores"].get(wish.tone, 0.0)) for each in tones]
    return ranked(
        [
            Candidate(
                text.text.strip(),
                text.log_probability,
                len(text.ids) + (text.ended == "end"),
                text.ended == "end",
                tone,
            )
            for text, tone in zip(written, told, strict=True)
        ],
        wish,
    )


def drafts(bundle: Answering, wish: Wish, tones: Answering | None = None, form: str | None = None) -> list[Draft]:
    """Drafts in order, by bundles of their `ROLES`.

    Raises:
        Refusal: the wish says nothing or too much, or its words cannot be written.
    """
    judge = None if tones is None else judged(wish, tones.task)
    asked = asking(wish, bundle.predictor, form, judged=judge is not None)
    written = [text for (text,) in bundle.predictor.write(asked.records, asked.policy)]
    said = None if tones is None or judge is None else tones.predict([text.text.strip() for text in written])
    return weighed(written, said, wish)


def judged(wish: Wish, task: Task) -> str | None:
    """The tone that a bundle is to judge; None where none is asked for. Raises `Refusal` for one that it knows not."""
    if not wish.tone:
        return None
    if wish.tone not in task.label_names():
        raise Refusal(
            f"the tone '{wish.tone:.60}' is none of those that are judged here: {', '.join(task.label_names())}"
        )
    return wish.tone
