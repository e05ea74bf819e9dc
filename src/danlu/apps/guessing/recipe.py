"""From what was guessed of data to a recipe with comments."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from danlu.apps.guessing.calls import MARKS, kept_calls
from danlu.apps.guessing.columns import shape_of
from danlu.apps.guessing.files import Files
from danlu.apps.guessing.look import Measured, Read
from danlu.apps.guessing.models import Found
from danlu.apps.guessing.refused import command
from danlu.apps.guessing.settings import (
    LARGER,
    Script,
    network_for,
    shares,
    task_settings,
    tokenizer_for,
    training_for,
    tuning_for,
)
from danlu.apps.guessing.words import Told, Words
from danlu.language import translator
from danlu.recipe.commented import commented
from danlu.recipe.part import find, kind_of
from danlu.recipe.yaml_text import Keys
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.task.text_to_text import TextToText

FEWEST = 10
"""Records of which some can be held out for validation and test."""


@dataclass(frozen=True)
class Guessed:
    """What was found out about data.

    - `read`: of the first file of the training split; `sections`: how each split is read, as recipes have it.
    - `left_out`: given splits that lack what the task learns from; `counted`: the training split.
    - `cleaners`: with the share of the texts that each changes; `classes`: names of labels that are numbers.
    - `model`: None for a fresh one; `asked`: what was said of it; `places`: where one was looked for.
    - `nested`: whether entities lie over one another; `again`: the command that guesses so.
    """

    task: type[Task]
    data: str
    files: Files
    read: Read
    sections: dict[str, list[dict[str, Any]]]
    left_out: tuple[str, ...]
    counted: Measured
    script: Script
    cleaners: dict[str, float]
    classes: dict[str, str]
    model: Found | None
    asked: str | None
    places: tuple[Path, ...]
    nested: bool
    again: str

    @property
    def held_out(self) -> dict[str, float]:
        """The shares of the splits that were not given."""
        return shares(self.counted.rows, [name for name in self.sections if name != "train"])

    @property
    def calls(self) -> bool:
        """Whether tools are called in the conversations that are learnt."""
        return kind_of(self.task) == "chat" and kept_calls(self.counted.records)

    @property
    def rare(self) -> list[str]:
        """The labels of which not every split can have a text."""
        needed = 1 + len(self.held_out)
        return [label for label in self.counted.labels if self.counted.scarce[label] < needed]


def recipe_of(guessed: Guessed, name: str, path: Path, language: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The text of the recipe, and each guess with how to change it, in the language that is asked for.

    Raises:
        Refusal: there are too few records, or labels, for a model to be trained and tested.
    """
    _refuse_few(guessed)
    stages: dict[str, dict[str, Any]] = {"clean": _prepare(guessed)}
    if guessed.model is None:
        tokenizer = tokenizer_for(guessed.task, guessed.counted, guessed.script)
        if guessed.calls:
            tokenizer = {"kind": "extended", "base": tokenizer, "special": MARKS}
        stages["vocab"] = {"kind": "tokenizer", "data": "@clean", "tokenizer": tokenizer}
    if guessed.model is None:
        stages |= {role: _taught(guessed, kind) for role, kind in guessed.task.role_learns.items()}
    stages["model"] = _train(guessed)
    stages["test"] = {"kind": "evaluate", "bundle": "@model", "data": "@clean:test"}
    if guessed.calls:
        stages["test"]["metrics"] = ["tool_calls"]
    plain = {"name": name, "language": language, "stages": stages}
    told = Words(guessed, plain, path, translator(language)).all()
    return commented(plain, _comments(told), _head(guessed, path, language)), tuple((t.what, t.how) for t in told)


def _prepare(guessed: Guessed) -> dict[str, Any]:
    stage: dict[str, Any] = {"kind": "prepare"}
    skip = {"on_bad_row": "skip"} if guessed.counted.bad else {}
    for split, sections in guessed.sections.items():
        read = [section | skip for section in sections]
        stage["data" if split == "train" else split] = read[0] if len(read) == 1 else read
    if issubclass(guessed.task, TextToText):
        stage["dedup"] = "none"  # a text has several right answers; they stay on one side of the split
    if guessed.cleaners:
        stage["cleaners"] = list(guessed.cleaners)
    if guessed.rare:
        stage["minimum_label_count"] = 1 + len(guessed.held_out)
    texts = [name for name in guessed.read.columns if name == "messages" or shape_of(guessed.task, name)[0] == "text"]
    if texts and "text" not in texts:
        stage |= {"text": texts[0] if len(texts) == 1 else texts, "dedup": "exact"}
    if "messages" in guessed.task.columns:
        stage["text"] = "messages"
    if {"head", "choices"} & guessed.task.columns.keys():  # a text may be marked, or asked about, in several ways
        stage |= {"dedup": "none", "conflicts": "keep"}
    if guessed.held_out:
        stage["split"] = guessed.held_out
        if (column := guessed.task.characters_of) != "text":  # many records may share what they are about
            stage["split"] = {**guessed.held_out, "group": column}
    return stage


def _train(guessed: Guessed) -> dict[str, Any]:
    task, counted, script, model = guessed.task, guessed.counted, guessed.script, guessed.model
    learner = _learner(guessed) if task.role_learns else {}
    if learner:
        model = None
    source = {"kind": "pretrained", "path": model.path} if model else network_for(task, counted)
    tuning = tuning_for(model)
    own = {"nested": "longest"} if guessed.nested else {}
    if guessed.calls and not model:
        own["template"] = "chatml"
    return {
        "kind": "train",
        "data": "@clean",
        **({} if model else {"tokenizer": "@vocab"}),
        "model": source,
        **learner,
        **({"tuning": tuning} if tuning else {}),
        "task": {"kind": kind_of(task)} | task_settings(task, counted, script, model) | own,
        "train": training_for(task, counted, script, model),
    }


def _taught(guessed: Guessed, kind: str) -> dict[str, Any]:
    """How a network of the next size learns the task that a role is taken with."""
    network = network_for(guessed.task, guessed.counted)
    task = find(Task, kind)  # type: ignore[type-abstract]
    return _train(replace(guessed, task=task)) | {"model": network | {"size": LARGER[network["size"]]}}


def _learner(guessed: Guessed) -> dict[str, Any]:
    """A fresh network beside those that it learns from, and where these are."""
    model, names = guessed.model, guessed.task.role_learns
    paths = dict.fromkeys(names, model.path) if model else {name: f"@{name}" for name in names}
    tokenizer = {"kind": "pretrained", "path": model.path} if model else "@vocab"
    roles = {name: {"kind": "pretrained", "path": path} for name, path in paths.items()}
    return {"tokenizer": tokenizer, "model": network_for(guessed.task, guessed.counted), "roles": roles}


def _refuse_few(guessed: Guessed) -> None:
    counted = guessed.counted
    if counted.rows < FEWEST:
        raise Refusal(
            f"{guessed.data}: of {counted.rows} records none can be held out to test a model; give {FEWEST} at least, "
            "such as a text a line"
        )
    if len(counted.labels) - len(guessed.rare) < 2 and counted.labels:
        raise Refusal(
            f"{guessed.data}: only {len(counted.labels) - len(guessed.rare)} of the {len(counted.labels)} labels in "
            f"'{guessed.read.columns.get('label', 'label')}' have texts for every split that are not alike; give more "
            f"rows, or name another column: {command(kind_of(guessed.task), guessed.data, 'label=NAME')}"
        )


def _head(guessed: Guessed, path: Path, language: str) -> str:
    _ = translator(language)
    lines = [
        _("Written by `{command}`; it runs as it is: danlu run {path}").format(command=guessed.again, path=path),
        _("Each comment says what was guessed, and behind the arrow how to change it: here, or by guessing again."),
    ]
    return "\n".join(lines)


def _comments(told: list[Told]) -> Mapping[Keys, str]:
    found: dict[Keys, str] = {}
    for each in told:
        line = f"{each.what} → {each.how}" if each.how else each.what
        found[each.place] = f"{found[each.place]}\n{line}" if each.place in found else line
    return found
