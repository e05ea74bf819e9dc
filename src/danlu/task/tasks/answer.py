"""Extractive question answering: where the answer begins and ends (Rajpurkar et al., 2016; Devlin et al., 2018)."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from danlu.answer.matching import best_shared
from danlu.answer.worded import nothing
from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.columns import text_in
from danlu.task.excerpts import AMONG, NOWHERE, Findings, Found, content, findings, point, shares
from danlu.task.followed import Followed, Outcomes
from danlu.task.inputs import lengths_of
from danlu.task.questions import ANSWERS, CONTEXT, QUESTION, piece_in, question_in, right_answers
from danlu.task.task import Inputs, Output, Prediction, Truth
from danlu.task.texts import batch_of
from danlu.text.batching.align import without_space
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.batching.windows import TooLong, windows_of_pairs
from danlu.text.tokenizing.tokenizer import Tokenizer

SIDES = ("start", "end")


class Answer(Followed):
    """Find the piece of a context that answers a question, or say that there is none.

    A context that is too long slides under its question, in windows that share a quarter of a row. Output of a row:
    start and end logits (T, 2).
    """

    auto_class: ClassVar[str] = "AutoModelForQuestionAnswering"
    columns: ClassVar[dict[str, str]] = {
        CONTEXT: "text",
        QUESTION: "text",
        ANSWERS: "list of {text, start}; empty where the context has no answer",
    }
    answer_form: ClassVar[str] = "excerpt"
    metrics: ClassVar[tuple[str, ...]] = ("token_f1", "exact_match")
    baseline: ClassVar[str | None] = "sliding_window"
    characters_of: ClassVar[str] = CONTEXT
    sample: ClassVar[tuple[Record, ...]] = (
        {
            CONTEXT: "李白生于碎叶城，后来去了长安。",
            QUESTION: "李白生于哪里？",
            ANSWERS: [{"text": "碎叶城", "start": 4}],
        },
        {
            CONTEXT: "The museum opened in 1998 and was rebuilt ten years later.",
            QUESTION: "When did the museum open?",
            ANSWERS: [{"text": "1998", "start": 21}, {"text": "in 1998", "start": 18}],
        },
        {CONTEXT: "今天没有新闻。", QUESTION: "谁去了长安？", ANSWERS: []},
    )

    too_long: TooLong = "split"
    answers: int = Field(default=5, ge=1, le=AMONG, description="the best answers that a prediction names")
    longest_answer: int = Field(default=64, ge=1, description="tokens that an answer has at most")
    no_answer: bool | None = Field(
        default=None, description="whether there may be no answer; None: if the training data have such questions"
    )
    cut: Literal["tokenizer", "characters"] = Field(
        default="tokenizer",
        description="characters: no token holds two characters of a script without spaces, or two signs, so that an "
        "answer may begin and end at any, and rows are longer; tokenizer: as that cuts",
    )
    threshold: float | None = Field(
        default=None,
        description="by how much no answer must be likelier (logarithms) to be given; None: fitted on validation data",
    )

    def fitted(self, records: Sequence[Record]) -> Self:
        """This task, knowing whether there are questions without an answer.

        Raises `Refusal` for an empty question or context, and an answer that does not stand where it says.
        """
        found = [piece_in(record, number) for number, record in enumerate(records)]
        if not any(found):
            raise Refusal("column 'answers': there is no answer in the training data; check the column's name")
        no_answer = None in found if self.no_answer is None else self.no_answer
        if self.threshold is not None and not no_answer:
            raise Refusal(
                "task.threshold has an effect where there may be no answer alone, and there always is one; leave it "
                "out, or set 'no_answer' to true"
            )
        return self.model_copy(update={"no_answer": no_answer})

    def config(self) -> dict[str, Any]:
        """Two numbers a token: whether the answer begins there, and whether it ends there."""
        return {"num_labels": len(SIDES)}

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a question, or one a window; the targets `start` and `end` are positions of tokens."""
        limit = min(limit, self.max_length or limit)
        contexts = [text_in(record, number, CONTEXT) for number, record in enumerate(records)]
        questions = [question_in(record, number) for number, record in enumerate(records)]
        pieces = [piece_in(record, number) for number, record in enumerate(records)] if labelled else None
        overlap = max(1, (limit - 4) // 4)
        characters, sides = self.cut == "characters", (questions, contexts)
        encoded = windows_of_pairs(
            *sides, tokenizer, limit, self.too_long, overlap=overlap, offsets=True, characters=characters
        )
        for item in encoded:
            if item.cut and self.too_long == "split":  # only what does not slide can lose anything
                raise Refusal(
                    f"record {item.record + 1:,}: the question is {item.cut:,} tokens longer than the half of a row of "
                    f"{limit:,} tokens that it may take; shorten it"
                )
            assert item.row.offsets is not None
            item.row.offsets = without_space(item.row.offsets, contexts[item.record])
        if pieces is not None:
            for record, windows in groupby(encoded, key=lambda item: item.record):
                point(list(windows), pieces[record], len(contexts[record]))
        return encoded

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The targets `start` and `end` (B,), and `inside` (B, T): the tokens that may be either, and the first."""
        inside_BT = torch.zeros(len(encoded), width, dtype=torch.bool)
        for row, item in enumerate(encoded):
            inside_BT[row, torch.from_numpy(content(item))] = True
            inside_BT[row, NOWHERE] = True
        targets = {side: torch.tensor([item.targets.get(side, -100) for item in encoded]) for side in SIDES}
        counts = {side: int((places_B >= 0).sum()) for side, places_B in targets.items()}
        return batch_of(encoded, width, tokenizer, targets | {"inside": inside_BT}, counts)

    def forward(self, model: nn.Module, inputs: Inputs, places: Tensor | None = None) -> dict[str, Tensor]:
        """The logits of both sides, (B, T) each."""
        said = model(**inputs)
        return {side: said[f"{side}_logits"] for side in SIDES}

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Half the cross-entropy of each side over the tokens that it may be, summed over the rows."""
        outside_BT = ~batch.targets["inside"]
        found = {}
        for side in SIDES:
            logits_BT = said[side].float()
            logits_BT = logits_BT.masked_fill(outside_BT, torch.finfo(logits_BT.dtype).min)
            found[side] = functional.cross_entropy(logits_BT, batch.targets[side], reduction="sum") / len(SIDES)
        return found

    def role_says(self, model: nn.Module, row: Batch) -> dict[str, Tensor]:
        """The logits of both sides, (T, 1) each."""
        return {side: logits_1T[0, :, None] for side, logits_1T in self.forward(model, row.inputs).items()}

    def outcomes(self, said: Mapping[str, Tensor], batch: Batch) -> Outcomes:
        """The logits of the tokens that either side may be, the starts of all rows before the ends."""
        inside_BT = batch.targets["inside"]
        sides = [said[side].reshape(inside_BT.shape).masked_fill(~inside_BT, -torch.inf) for side in SIDES]
        return Outcomes("one", torch.cat(sides))

    def things(self, batch: Batch) -> int:
        """Two a row."""
        return len(SIDES) * len(batch.examples)

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """Start and end logits (T, 2) of each row."""
        logits_BT2 = torch.stack([said[side].float() for side in SIDES], -1).cpu().numpy()
        return [logits_T2[:length] for logits_T2, length in zip(logits_BT2, lengths_of(batch.inputs), strict=True)]

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """`{"text", "start", "end", "score", "answers": [...]}`, each answer being `context[start:end]`.

        The score is the probability among the twenty best and no answer, which has an empty text and no place, and is
        held against the threshold.
        """
        return self._said(findings(outputs, encoded, self.longest_answer, AMONG), str(record[CONTEXT]))

    def settled(self, records: Sequence[Record], outputs: Iterable[tuple[list[Output], list[Encoded]]]) -> Self:
        """This task with the threshold that gives the best F1 on these records (Rajpurkar et al., 2018)."""
        if not self.no_answer or self.threshold is not None:
            return self
        lacks, gains = [], []
        for (number, record), (logits, windows) in zip(enumerate(records), outputs, strict=True):
            found, truths = findings(logits, windows, self.longest_answer, AMONG), self.gold(record, number)
            piece = str(record[CONTEXT])[slice(*found.pieces[0][:2])] if found.pieces else ""
            lacks.append(found.lack)
            gains.append(best_shared(truths, piece) - best_shared(truths, ""))
        return self.model_copy(update={"threshold": best_threshold(lacks, gains)})

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """Which of the tokens that may be it are the answer."""
        start, end = (int(batch.targets[side][row]) for side in SIDES)
        inside = batch.targets["inside"][row].tolist()
        inside[NOWHERE] = False
        answer = range(start, end + 1) if start > NOWHERE else ()
        truths = [
            Truth("answer", 0) if place in answer else Truth() if may else None for place, may in enumerate(inside)
        ]
        return "" if answer else "no answer here", list(truths)

    @property
    def reads(self) -> tuple[str, ...]:
        """The context and the question."""
        return CONTEXT, QUESTION

    def gold(self, record: Record, number: int = 0) -> tuple[str, ...]:
        """The right texts, each once; an empty one where there is no answer."""
        return tuple(dict.fromkeys(str(answer["text"]) for answer in right_answers(record, number))) or ("",)

    def _said(self, found: Findings, context: str) -> Prediction:
        scores, none = shares(found, (self.threshold or 0.0) if self.no_answer else None)
        told = [_told(piece, context, score) for piece, score in zip(found.pieces, scores, strict=True)]
        empty = nothing(none)
        best = empty if not told or (self.no_answer and found.lack > (self.threshold or 0.0)) else told[0]
        if self.no_answer:
            told = sorted([*told, empty], key=lambda answer: -answer["score"])
        others = [answer for answer in told if answer is not best]
        return {**best, "answers": [best, *others][: self.answers]}


def best_threshold(lacks: Sequence[float], gains: Sequence[float]) -> float:
    """The lack of an answer from which it is best to give none; 0 where all are as good.

    `gains` is what each question gains if its best piece is given rather than nothing. The threshold lies in the
    middle between two lacks, so that what is a little unlike them does not change sides.
    """
    order = np.argsort(lacks, kind="stable")
    ordered = np.array(lacks)[order]
    kept = np.r_[0.0, np.cumsum(np.array(gains)[order])]  # what is gained if the first n are answered
    distinct = np.r_[True, ordered[1:] != ordered[:-1], True] if len(ordered) else np.array([True])
    kept = np.where(distinct, kept, -np.inf)
    edges = np.r_[ordered[:1] - 1, (ordered[1:] + ordered[:-1]) / 2, ordered[-1:] + 1]
    usable = np.flatnonzero((kept >= kept.max() - 1e-9) & np.isfinite(edges)) if len(edges) else np.zeros(0, int)
    return float(min(edges[usable], key=abs)) if len(usable) else 0.0


def _told(piece: Found, context: str, score: float) -> dict[str, Any]:
    return {"text": context[piece.start : piece.end], "start": piece.start, "end": piece.end, "score": score}
