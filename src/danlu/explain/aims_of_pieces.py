"""What is explained of tasks that answer with pieces of a text: the label of one, or where an answer stands.

N variants of a row, T tokens, K tokens of a piece.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from danlu.data.labels import known_label
from danlu.data.record import Record
from danlu.explain.aim import Aim, Said, log_odds
from danlu.explain.inside import Inside
from danlu.explain.rows import Wanted, answer_of, covering, found_in, nearest_of, windows_of
from danlu.explain.tokens import Token
from danlu.refusal import Refusal
from danlu.task.columns import text_in
from danlu.task.excerpts import NOWHERE
from danlu.task.questions import CONTEXT, QUESTION
from danlu.task.tagger import Tagger
from danlu.task.tasks.answer import SIDES, Answer
from danlu.text.batching.batch import Batch
from danlu.text.batching.bio import class_names


def aims_of_tags(inside: Inside, record: Record, wanted: Wanted) -> list[Aim]:
    """The mean log-odds of a label over the tokens of a piece: of the first that was found, or of the one at `at`.

    Raises `Refusal` where nothing was found and no piece is named.
    """
    task = inside.task
    assert isinstance(task, Tagger)
    text, encoded = task.text(record, 0), windows_of(inside, record)
    start, end, label = _piece(answer_of(inside, encoded, record)["entities"], text, wanted, task)
    texts = {"text": text}
    characters = task.cut == "characters"
    windows = [(item, found_in(item, texts, inside.tokenizer, characters=characters)) for item in encoded]
    number, places = covering(windows, "text", start, end)
    item, tokens = windows[number]
    places = _speaking(task, tokens, record, start, end) or places
    classes = [0] * len(places)
    if label != "O":
        first = 1 + 2 * task.labels.index(label)
        classes = [first, *[first + 1] * (len(places) - 1)]

    def of(said: Said, _: Batch) -> Tensor:
        each = [log_odds(said["logits"][:, place], kind) for place, kind in zip(places, classes, strict=True)]
        return torch.stack(each).mean(0)

    assert max(classes) < len(class_names(task.labels))
    return [Aim(f"{label}: {text[start:end]}", "log-odds", item, texts, tokens, of)]


def _speaking(task: Tagger, tokens: Sequence[Token], record: Record, start: int, end: int) -> list[int]:
    """The tokens that speak for characters of a piece."""
    offsets_T2 = np.array([(each.start, each.end) if each.column == "text" else (0, 0) for each in tokens], np.int32)
    said_T2 = task.speaking(offsets_T2, record, window=True)
    return np.flatnonzero((said_T2[:, 0] < end) & (said_T2[:, 1] > start)).tolist()


def _piece(entities: list[dict[str, object]], text: str, wanted: Wanted, task: Tagger) -> tuple[int, int, str]:
    """Characters and label of what is explained."""
    label = wanted.target
    if label is not None and label != "O":
        label = known_label(label, task.labels)
        if label is None:
            raise nearest_of(str(wanted.target), (*task.labels, "O"), task.label_means)
    found = [(int(str(each["start"])), int(str(each["end"])), str(each["label"])) for each in entities]
    if wanted.at is not None:
        start = text.find(wanted.at)
        if start < 0 or not wanted.at.strip():
            raise Refusal(f"--at '{wanted.at:.80}' does not stand in the text; give a piece of it, letter by letter")
        end = start + len(wanted.at)
        there = [each for each in found if each[0] < end and each[1] > start]
        if label is None and there:
            return there[0]
        return start, end, label or "O"
    of_label = [each for each in found if label in (None, each[2])]
    if not of_label:
        raise Refusal(
            f"nothing{f' of the {task.label_means} {label}' if label else ''} was found in the text; name a piece of "
            "it with --at and a label with --target"
        )
    return of_label[0]


def aims_of_answer(inside: Inside, record: Record, wanted: Wanted) -> list[Aim]:
    """The mean log-odds of where an answer begins and ends, among the tokens that it may; or of one of the two."""
    task = inside.task
    assert isinstance(task, Answer)
    wanted.refuse_at(task)
    sides = SIDES if wanted.target is None else (wanted.target,)
    if not set(sides) <= set(SIDES):
        raise nearest_of(str(wanted.target), SIDES, "side of an answer")
    texts = {QUESTION: text_in(record, 0, QUESTION), CONTEXT: text_in(record, 0, CONTEXT)}
    encoded = windows_of(inside, record)
    told = answer_of(inside, encoded, record)
    characters = task.cut == "characters"
    windows = [(item, found_in(item, texts, inside.tokenizer, characters=characters)) for item in encoded]
    number, places, piece = 0, [NOWHERE], "no answer"
    if told["text"]:
        piece = str(told["text"])
        number, places = covering(windows, CONTEXT, told["start"], told["end"])
    item, tokens = windows[number]
    at = dict(zip(SIDES, (places[0], places[-1]), strict=True))

    def of(said: Said, batch: Batch) -> Tensor:
        inside_NT = batch.targets["inside"].to(said[SIDES[0]].device)
        each = []
        for side in sides:
            logits_NT = said[side].float()
            logits_NT = logits_NT.masked_fill(~inside_NT, torch.finfo(logits_NT.dtype).min)
            each.append(log_odds(logits_NT, at[side]))
        return torch.stack(each).mean(0)

    name = piece if len(sides) == len(SIDES) else f"{sides[0]}: {piece}"
    return [Aim(name, "log-odds", item, texts, tokens, of)]
