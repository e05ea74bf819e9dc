"""Multiple-choice examinations answered by likelihood, with examples of the same subject before each question.

The wording is that of each examination's own authors. What is compared is the likelihood of the letter, or, where the
choices are not shown, that of each choice's text divided by its length (Brown et al., 2020).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np

from danlu.data.reading.subjects import Layout, Question, Subject
from danlu.data.record import Record
from danlu.evaluate.scoring.examine import Examination, digest
from danlu.evaluate.scoring.metric import measures
from danlu.evaluate.scoring.proportion import mean_of, share_of
from danlu.evaluate.scoring.score import score_sides
from danlu.evaluate.scoring.side import Side
from danlu.evaluate.scoring.worst_errors import worst
from danlu.prompt.answering import BLOCK, LEAST, divided
from danlu.prompt.rewritten import rewritten
from danlu.prompt.scorer import Scorer
from danlu.recipe.part import find
from danlu.recipe.yaml_text import parse
from danlu.refusal import Refusal
from danlu.task.task import Prediction, Task
from danlu.text.dialogue.template import Template
from danlu.text.prompting.filled import Filled, example, filled
from danlu.text.prompting.read import by_a_decoder
from danlu.text.prompting.template import CHOICE, PromptTemplate
from danlu.text.tokenizing.tokenized import tokenized

By = Literal["letter", "text"]
DivideBy = Literal["tokens", "characters", "nothing"]

_OUTSIDE = 8
"""Tokens that a tokenizer puts around a text at most."""

_INSTRUCTIONS: dict[Layout, str] = {
    "mmlu": "The following are multiple choice questions (with answers) about {subject}.",
    "ceval": "以下是中国关于{subject}考试的单项选择题，请选出其中的正确答案。",
    "cmmlu": "以下是关于{subject}的单项选择题，请直接给出正确答案的选项。",
}
_FORMS: dict[Layout, tuple[str, str]] = {
    "mmlu": ("{question}", "Answer: "),
    "ceval": ("{question}", "答案："),
    "cmmlu": ("题目：{question}", "答案是："),
}


@dataclass(frozen=True)
class Marks:
    """What came of one subject: questions that were asked, that were right, and the mean share of a guess."""

    asked: int
    right: int
    chance: float


@dataclass(frozen=True)
class Benchmark:
    """What came of an examination.

    - `fewer`: questions that fewer examples were shown before, so that the model could take them.
    - `found`: the answers of all questions, as any evaluation keeps them.
    """

    by: By
    divide_by: DivideBy
    shots: int
    fewer: int
    subjects: dict[str, Marks]
    found: Examination

    def to_plain(self) -> dict[str, Any]:
        """As it stands in `benchmark.json`: each subject by itself, all questions alike (micro), subjects alike."""
        shares = {name: share_of(marks.right, marks.asked) for name, marks in self.subjects.items()}
        asked, right = (sum(getattr(marks, name) for marks in self.subjects.values()) for name in ("asked", "right"))
        return {
            "by": self.by,
            "divide_by": self.divide_by,
            "shots": self.shots,
            "questions": asked,
            "fewer_examples": self.fewer,
            "micro": share_of(right, asked).to_plain(),
            "macro": mean_of(list(shares.values())).to_plain(),
            "chance": sum(marks.asked * marks.chance for marks in self.subjects.values()) / asked,
            "subjects": {
                name: {"questions": marks.asked, "right": marks.right, "accuracy": shares[name].to_plain()}
                for name, marks in self.subjects.items()
            },
        }


def template_for(
    subject: Subject, by: By = "letter", divide_by: DivideBy = "nothing", *, chat: bool = False
) -> PromptTemplate:
    """How questions of a subject are put; a number of choices has letters of its own."""
    asked, answer = _FORMS[subject.layout]
    letters = subject.questions[0].letters
    shown = [asked, *(f"{letter}. {{{letter}}}" for letter in letters if by == "letter")]
    given: dict[str, Any] = {"verbalizer": {letter: letter for letter in letters}} if by == "letter" else {}
    slot = "{label}" if by == "letter" else f"{{{CHOICE}}}"
    return PromptTemplate.model_validate(
        {
            "text": "\n".join([*shown, answer + slot]),
            "instruction": _INSTRUCTIONS[subject.layout].format(subject=_called(subject)),
            "calibrate": False,
            "divide_by": divide_by,
            "chat": chat,
            **given,
        }
    )


def _called(subject: Subject) -> str:
    """The name of a subject in a prompt: of CMMLU as its authors call it, else that of its file."""
    plain = subject.name.replace("_", " ").strip()
    return _chinese().get(subject.name, plain) if subject.layout == "cmmlu" else plain


@cache
def _chinese() -> dict[str, str]:
    name = "subjects_of_cmmlu.yaml"
    found: dict[str, str] = parse((files("danlu.prompt") / name).read_text(encoding="utf-8"), name)[0]
    return found


def take_benchmark(
    scorer: Scorer,
    subjects: Sequence[Subject],
    *,
    by: By = "letter",
    divide_by: DivideBy = "nothing",
    chat: bool = False,
    resamples: int = 1000,
    seen: Callable[[int], object] = lambda _count: None,
) -> Benchmark:
    """Put all questions to a model, each behind the examples of its subject, which are read once for a batch.

    Where a prompt is longer than the model takes, the last examples are left out. `seen` is told how many questions
    are answered.

    Raises:
        Refusal: a question alone is too long, or a choice whose text is asked for is empty.
    """
    marks, fewer = dict[str, Marks](), 0
    records, predictions, gold = list[Record](), list[Prediction](), list[int]()
    for subject in subjects:
        template = template_for(subject, by, divide_by, chat=chat)
        prompts, left_out = _prompts(scorer, template, subject, by)
        fewer += left_out
        right = 0
        for question, prediction in zip(subject.questions, _answers(scorer, template, prompts), strict=True):
            letter = question.letters[question.answer]
            told = {"text": question.text, "choices": list(question.choices), "answer": letter}
            records.append({**told, "subject": subject.name})
            predictions.append(prediction | {"option": question.choices[prediction["choice"]]})
            gold.append(question.answer)
            right += prediction["choice"] == question.answer
            seen(len(records))
        guesses = [1 / len(question.choices) for question in subject.questions]
        marks[subject.name] = Marks(len(guesses), right, float(np.mean(guesses)))
    found = _examination(records, predictions, gold, resamples)
    return Benchmark(by, divide_by, max(len(subject.examples) for subject in subjects), fewer, marks, found)


def _prompts(scorer: Scorer, template: PromptTemplate, subject: Subject, by: By) -> tuple[list[Filled], int]:
    """What is read of each question, and of how many with fewer examples than there are."""
    if by == "text":
        _refuse_empty([*subject.examples, *subject.questions])
    shown = [
        example(template, record, (question.letters if by == "letter" else record["choices"])[question.answer], "")
        for question, record in zip(subject.examples, _records(scorer, template, subject.examples), strict=True)
    ]
    found, fewer = [], 0
    for question, record in zip(subject.questions, _records(scorer, template, subject.questions), strict=True):
        words = tuple(question.letters) if by == "letter" else tuple(record["choices"])
        values = template.values(record, question.where)
        for count in range(len(shown), -1, -1):
            prompt = filled(template, values, shown[:count], question.where, words)
            if _fits(scorer, prompt, template.chat):
                break
        else:
            raise Refusal(
                f"{question.where}: the question alone has more than the {scorer.limit:,} tokens that the model takes; "
                "leave it out, or give a model that takes more"
            )
        fewer += count < len(shown)
        found.append(Filled(prompt.before, prompt.after, prompt.where, words, loose=by == "text"))
    return found, fewer


def _records(scorer: Scorer, template: PromptTemplate, questions: Sequence[Question]) -> list[Record]:
    """What the slots are filled with, in the form that the model's training data had."""
    plain = [
        {
            "question": question.text,
            **dict(zip(question.letters, question.choices, strict=True)),
            "choices": list(question.choices),
        }
        for question in questions
    ]
    return rewritten(template, plain, scorer.rewriters)


def _refuse_empty(questions: Sequence[Question]) -> None:
    for question in questions:
        for letter, choice in zip(question.letters, question.choices, strict=True):
            if not choice:
                raise Refusal(
                    f"{question.where}: choice {letter} is empty, so its text has no likelihood; mend the row, or give "
                    "--by letter"
                )


def _fits(scorer: Scorer, prompt: Filled, chat: Template | None) -> bool:
    """Whether a model takes a prompt with the longest of its words; texts that are surely short are not cut."""
    if chat is not None:  # which puts more around it
        (read,) = by_a_decoder([prompt], scorer.tokenizer, chat)
        return len(read.ids) + max(map(len, read.follow)) <= scorer.limit
    longest = prompt.whole(max(prompt.words, key=lambda word: len(word.encode())))
    if len(longest.encode()) + _OUTSIDE <= scorer.limit:
        return True
    texts = [prompt.whole(word) for word in prompt.words]
    return max(len(each.ids) for each in tokenized(texts, scorer.tokenizer, offsets=False)) + 1 <= scorer.limit


def _answers(scorer: Scorer, template: PromptTemplate, prompts: Sequence[Filled]) -> Iterator[Prediction]:
    """The likeliest choice of each question, the first of equal ones, with the share of each."""
    for start in range(0, len(prompts), BLOCK):
        for scored in scorer.scored(prompts[start : start + BLOCK], template.chat):
            logs_L = np.maximum([divided(template, each) for each in scored], LEAST)
            shares_L = np.exp(logs_L - logs_L.max())
            yield {"choice": int(logs_L.argmax()), "scores": (shares_L / shares_L.sum()).tolist()}


def _examination(
    records: Sequence[Record], predictions: Sequence[Prediction], gold: list[int], resamples: int
) -> Examination:
    """The answers as `danlu compare` reads them."""
    task = find(Task, "choose")()  # type: ignore[type-abstract]
    side = Side(task.examined_form, (), gold)
    errors = worst(task.examined_form, records, gold, side.taking(predictions))
    scores = score_sides(measures(task.metrics, task.examined_as), side, resamples=resamples)
    return Examination(task.kind, scores, errors, [digest(record) for record in records], side)
