"""Answers of which is known how good they are, and the two rows that an example is made of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from danlu.data.labels import key_of, label_of
from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.columns import missing, text_in
from danlu.task.conversing import last_alone, next_learnt, shortened
from danlu.text.batching.encoded import Encoded, Ids, Row
from danlu.text.dialogue.ids import encoded
from danlu.text.dialogue.messages import Message, asked, tools_in
from danlu.text.dialogue.rendered import conversation
from danlu.text.dialogue.writer import Tools
from danlu.text.tokenizing.tokenizer import Tokenizer

CHOSEN, REJECTED, LABEL = "chosen", "rejected", "label"
GOOD, BAD, NEITHER = 1, 0, -100

TooLong = Literal["stop", "truncate", "drop"]

Needs = Literal["pairs", "judgements", "answers"]
"""What is asked of records: two answers, or one that is known to be good or bad, or one or two."""

_SAID = {"true": GOOD, "1": GOOD, "false": BAD, "0": BAD}


@dataclass(frozen=True)
class Judged:
    """What was asked in record `number`, from 0, and answers to it, each `GOOD`, `BAD` or `NEITHER`.

    - `strict`: how many of the answers have to fit; of the others the beginning will do.
    - `tools`: what the model is told of before it answers.
    """

    number: int
    messages: list[Message]
    answers: tuple[tuple[str, int], ...]
    strict: int = 2
    tools: Tools = None

    def apart(self, other: "Judged") -> "Iterator[Judged]":
        """Each answer by itself, beside one to the question of another record."""
        for place, answer in enumerate(self.answers):
            strange, _ = other.answers[min(place, len(other.answers) - 1)]
            yield replace(self, answers=(answer, (strange, NEITHER)), strict=1)


def judged(messages: list[Message], record: Record, number: int, needs: Needs) -> Judged:
    """The answers of a record: `chosen` and `rejected`; or, unless pairs are needed, its last message and `label`.

    Raises:
        Refusal: there are no such, one is empty, or both are the same; names the record.
    """
    if CHOSEN not in record and REJECTED not in record and messages[-1]["role"] == "assistant" and needs != "pairs":
        if "tool_calls" in messages[-1]:
            raise Refusal(
                f"record {number + 1:,}: column 'messages' ends with a call of a tool, which cannot be judged; write "
                "it as text ('calls: text' of data), or leave the record out"
            )
        answer = _filled(messages[-1]["content"], number, "the last message")
        good = _judgement(record, number, needs)
        return Judged(number, asked(messages, number), ((answer, good),), tools=tools_in(record, number))
    for name in (CHOSEN, REJECTED):
        if name not in record:
            if messages[-1]["role"] == "assistant":
                raise Refusal(
                    f"record {number + 1:,}: has one answer, and there is no column '{name}'; give two, or learn with "
                    "'objective: kto' from a 'label' that is true or false"
                )
            raise Refusal(
                missing(record, number, name, "text") + "; to have an answer written, ask with --generate, or generate"
            )
    if messages[-1]["role"] == "assistant":
        raise Refusal(
            f"record {number + 1:,}: column 'messages' ends with an answer, and '{CHOSEN}' is another; leave that "
            "message out"
        )
    chosen, rejected = (_filled(text_in(record, number, name), number, f"'{name}'") for name in (CHOSEN, REJECTED))
    if chosen.strip() == rejected.strip():
        raise Refusal(
            f"record {number + 1:,}: '{CHOSEN}' and '{REJECTED}' are the same, so neither can be preferred; mend one, "
            "or leave the record out"
        )
    both = ((chosen, GOOD), (rejected, BAD))
    return Judged(number, asked(messages, number), both, tools=tools_in(record, number))


def rows_of(
    given: Judged, jinja: str, tokenizer: Tokenizer, limit: int, too_long: TooLong, *, whole: bool
) -> Encoded | None:
    """An example of two rows of `limit` tokens at most; a single answer stands in both.

    What does not fit loses the oldest turns under "truncate", in both rows, after them the ends of the answers. None
    for an example that is dropped, and where `whole` for one of which nothing to tell apart is left.

    Raises:
        Refusal: it is too long under "stop"; names the record.
    """
    texts = [text for text, _ in given.answers]

    def written(messages: Sequence[Message]) -> list[tuple[Ids, NDArray[np.bool_]]]:
        talks = [[*messages, {"role": "assistant", "content": text}] for text in texts]
        spans = [conversation(talk, jinja, tokenizer, given.number, given.tools) for talk in talks]
        return [(ids, last_alone(learnt)) for ids, learnt in (encoded(each, tokenizer) for each in spans)]

    def longest(rows: Sequence[tuple[Ids, NDArray[np.bool_]]]) -> int:
        return max(len(ids) for ids, _ in rows[: given.strict])

    found = written(given.messages)
    size = sum(len(ids) for ids, _ in found)
    if longest(found) > limit and too_long == "stop":
        raise Refusal(
            f"record {given.number + 1:,}: the conversation has {longest(found):,} tokens with an answer and a row "
            f"takes {limit:,}; shorten it, or set the task's 'too_long' to 'truncate' or 'drop'"
        )
    if longest(found) > limit and too_long == "truncate":
        found = written(shortened(given.messages, lambda fewer: longest(written(fewer)) <= limit))
    if longest(found) > limit and too_long == "drop":
        return None
    cut = [(ids[:limit], learnt[:limit]) for ids, learnt in found]
    same = len(cut) == 2 and given.strict == 2 and np.array_equal(cut[0][0], cut[1][0])
    if whole and (same or not all(learnt[1:].any() for _, learnt in cut[: given.strict])):
        return None
    (first, _), (second, _) = cut[0], cut[-1]
    targets = {
        "tokens": np.concatenate([next_learnt(*cut[0]), next_learnt(*cut[-1])]),
        "preferred": np.array([given.answers[0][1], given.answers[-1][1]], np.int32),
    }
    lost = size - sum(len(ids) for ids, _ in cut)
    return Encoded(given.number, (Row(first), Row(second)), targets, cut=lost)


def _filled(text: str, number: int, what: str) -> str:
    if not text.strip():
        raise Refusal(f"record {number + 1:,}: {what} is empty, so there is no answer to judge; write it")
    return text


def _judgement(record: Record, number: int, needs: Needs) -> int:
    if LABEL not in record:
        if needs == "judgements":
            raise Refusal(missing(record, number, LABEL, "true for a good answer, false for a bad one"))
        return NEITHER
    found = _SAID.get(key_of(label_of(record[LABEL]) or ""))
    if found is None:
        raise Refusal(
            f"record {number + 1:,}: column '{LABEL}' is '{record[LABEL]!s:.40}'; write true for a good answer and "
            "false for a bad one"
        )
    return found
