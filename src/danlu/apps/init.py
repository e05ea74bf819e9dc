"""`danlu init`: looks at data, guesses what a recipe must say of them, and writes that recipe with comments."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from danlu.apps.guessing import refused
from danlu.apps.guessing.classes import names_in
from danlu.apps.guessing.files import Files, Given, find_files
from danlu.apps.guessing.look import Measured, Read, Unfit, measured, opened, read, read_alike
from danlu.apps.guessing.models import found_locally, named, well_known
from danlu.apps.guessing.recipe import Guessed, recipe_of
from danlu.apps.guessing.settings import cleaners_for, script_of
from danlu.apps.guessing.split_names import split_of
from danlu.data.labels import key_of
from danlu.machine.files import refuse_unwritable, write_text
from danlu.recipe.part import find, kind_of, kinds, nearest
from danlu.recipe.read import keyed
from danlu.refusal import Refusal
from danlu.task.task import Task

SCRATCH = "scratch"
_GIVEN = ("validation", "test")


@dataclass(frozen=True)
class Outcome:
    """The recipe that was written, the command that guesses again, and each guess with how to change it."""

    path: Path
    again: str
    guesses: tuple[tuple[str, str], ...]


def init(
    task: str,
    data: str,
    settings: Sequence[str] = (),
    *,
    model: str | None = None,
    output: Path | None = None,
    force: bool = False,
    language: str = "en",
    places: Sequence[Path] | None = None,
) -> Outcome:
    """Write a recipe for `task` that runs on `data` without an edit.

    - `settings`: `key=value`, a column of the task (its name or number in the data), a key of the format, or
      `validation` and `test`, a path or `none`.
    - `model`: a folder, a name on the hub, or `scratch`; None: what lies in `places`, else scratch.

    Raises:
        Refusal: the data do not fit the task, a guess cannot be made, or the file is there already.
    """
    _refuse_unknown(task)
    path = output or Path(f"{_name(data)}.yaml")
    if path.exists() and not force:
        raise Refusal(f"{path}: is there already; write another with --output, or replace it with --force")
    refuse_unwritable(path)
    text, found = drafted(task, data, settings, model=model, output=output, language=language, places=places)
    write_text(path, text)
    return found


def drafted(
    task: str,
    data: str,
    settings: Sequence[str] = (),
    *,
    model: str | None = None,
    output: Path | None = None,
    language: str = "en",
    places: Sequence[Path] | None = None,
) -> tuple[str, Outcome]:
    """The text that `init` would write, and what it would tell; raises as it does, but for a file that is there."""
    _refuse_unknown(task)
    kind: type[Task] = find(Task, task)  # type: ignore[type-abstract]
    path = output or Path(f"{_name(data)}.yaml")
    options = [["--model", model] if model else [], ["--output", str(output)] if output else []]
    again = refused.command(task, data, *settings, *chain.from_iterable(options))
    places = well_known() if places is None else places
    guessed = guess(kind, data, keyed(settings), model=model, places=places, again=again)
    text, guesses = recipe_of(guessed, _checked(path.stem), path, language)
    return text, Outcome(path, again, guesses)


_KNOWN_AS = {
    **dict.fromkeys(("ner", "pos", "token-classification", "sequence-labeling"), "tag"),
    **dict.fromkeys(("sentiment", "text-classification", "classification", "intent"), "classify"),
    **dict.fromkeys(("sft", "instruct", "instruction", "dialogue", "conversation"), "chat"),
    **dict.fromkeys(("qa", "mrc", "question-answering"), "answer"),
    **dict.fromkeys(("dpo", "orpo", "kto", "simpo", "rlhf", "preference"), "prefer"),
    **dict.fromkeys(("mt", "translation"), "translate"),
    **dict.fromkeys(("summarization", "summarisation", "summarize", "summary"), "summarise"),
    **dict.fromkeys(("re", "relation", "relation-extraction"), "relate"),
    **dict.fromkeys(("embedding", "simcse", "contrastive"), "embed"),
    **dict.fromkeys(("rerank", "reranker", "reranking"), "rank"),
    **dict.fromkeys(("clm", "pretrain", "pretraining", "lm"), "causal_lm"),
    "mlm": "masked_lm",
    "regression": "regress",
    "seq2seq": "rewrite",
}
"""What other tools call tasks."""


def _refuse_unknown(task: str) -> None:
    if task not in kinds(Task):
        if known := _KNOWN_AS.get(task.lower()):
            raise Refusal(f"there is no task '{task}'; here it is called '{known}': danlu init {known}")
        raise Refusal(f"there is no task '{task}'{nearest(task, kinds(Task))}; there are: {', '.join(kinds(Task))}")


def guess(
    task: type[Task], data: str, settings: Mapping[str, Any], *, model: str | None, places: Sequence[Path], again: str
) -> Guessed:
    """All that is guessed of the data; see `init`."""
    columns = {name: value for name, value in settings.items() if name in {*task.columns, *task.other_columns}}
    stated = {name: value for name, value in settings.items() if name not in {*columns, *_GIVEN}}
    alone = stated.keys() & {"member", "kind"} and not Path(data).is_dir()  # said to be one file, or a name on the hub
    labelled = "label" in {*task.columns, *task.other_columns}
    files = Files({"train": [Given(data)]}) if alone else find_files(data, labelled=labelled)
    files = _with_splits(files, settings, labelled=labelled)
    first = files.splits["train"][0]
    try:
        found = read(task, first, stated, columns)
    except Unfit as failed:
        given = first if alone else find_files(data).splits["train"][0]  # with what names say, for other tasks
        raise Refusal(refused.sentence(task, data, given, failed, stated)) from None
    if "group" in found.settings:
        refused.reserved(str(found.settings["group"]))
    splits, left_out = _fitting(task, files, stated, found, {name for name in _GIVEN if name in settings})
    sections = {name: [_section(each, found) for each, found in reads] for name, reads in splits.items()}
    counted = measured(
        [opened(Given(str(each["path"])), each) for each in sections["train"]], _size(files.splits["train"])
    )
    if not labelled:
        counted = replace(counted, labels=Counter(), scarce=Counter())
    _refuse_unseen(task, data, sections, counted)
    classes = names_in(files.class_list, list(counted.labels), whole=counted.whole) if files.class_list else {}
    if classes:
        sections = {name: [each | {"names": classes} for each in given] for name, given in sections.items()}
    nested = _refuse_unlearnable(task, data, found, counted)
    texts = counted.texts
    local = None
    if model != SCRATCH:
        local = named(model, task, texts) if model else found_locally(task, texts, places)
    return Guessed(
        task=task,
        data=data,
        files=files,
        read=found,
        sections=sections,
        left_out=tuple(left_out),
        counted=counted,
        script=script_of(texts),
        cleaners=cleaners_for(texts) if "text" in found.columns and "words" not in found.columns else {},
        classes=classes,
        model=local,
        asked=model,
        places=tuple(places),
        nested=nested,
        again=again,
    )


def _with_splits(files: Files, settings: Mapping[str, Any], *, labelled: bool) -> Files:
    """The files with the validation and test that were named, or left out."""
    splits = dict(files.splits)
    for name in _GIVEN:
        if settings.get(name) == "none":
            splits.pop(name, None)
        elif name in settings:
            splits[name] = find_files(str(settings[name]), labelled=labelled).splits["train"]
    return replace(files, splits=splits)


def _fitting(
    task: type[Task], files: Files, stated: Mapping[str, Any], first: Read, asked: set[str]
) -> tuple[dict[str, list[tuple[Given, Read]]], list[str]]:
    """What is read of each split, and the splits that were found and say nothing of what is to be learnt.

    Raises:
        Refusal: the training split cannot be read as its first file, or a split that was `asked` for cannot.
    """
    found: dict[str, list[tuple[Given, Read]]] = {}
    left_out = []
    for name, given in files.splits.items():
        try:
            found[name] = [(each, read_alike(task, each, stated, first)) for each in given]
        except (Unfit, Refusal) as error:
            if name == "train":
                raise Refusal(f"{given[0].shown}: the files of the training split differ; name one of them") from error
            if name in asked:
                why = (
                    str(error)
                    or f"{given[0].shown}: lacks what the task {kind_of(task)} learns from; give rows with it"
                )
                raise Refusal(f"the setting {name}=: {why}") from error
            left_out.append(given[0].shown)
    return found, left_out


def _section(given: Given, found: Read) -> dict[str, Any]:
    """The section of the recipe that reads a place."""
    settings = {"kind": found.settings["kind"], "path": given.path} | dict(found.settings)
    columns = {name: column for name, column in found.columns.items() if column != name}
    named = {column: name for name, column in columns.items()}
    if "header" in settings:  # names that are ours to give
        settings["header"] = [named.get(column, column) for column in settings["header"]]
        columns = {}
    if "join" in settings:
        settings["join"] = {named.get(column, column): end for column, end in settings["join"].items()}
        settings["join"] = {name: end for name, end in settings["join"].items() if name in found.columns}
        settings = {name: value for name, value in settings.items() if name != "join" or value}
    return settings | ({"columns": columns} if columns else {})


def _refuse_unlearnable(task: type[Task], data: str, found: Read, counted: Measured) -> bool:
    """Refuse records that the task cannot learn from; tells whether entities over one another must be thinned out."""
    column = found.columns.get("label", "label")
    if len(counted.labels) == 1 and "label" in task.columns:
        raise Refusal(refused.one_label(task, data, next(iter(counted.labels)), column, found.there))
    try:
        task().fitted(counted.records)
    except Refusal as refusal:
        if "nested" in task.model_fields:
            with suppress(Refusal):
                task.model_validate({"nested": "longest"}).fitted(counted.records)
                return True
        if counted.whole:
            raise Refusal(f"{data}: {refusal}") from refusal
    return False


def _refuse_unseen(
    task: type[Task], data: str, sections: Mapping[str, Sequence[Mapping[str, Any]]], counted: Measured
) -> None:
    """Refuse a given split with labels that the training split does not have."""
    known = set(map(key_of, counted.labels))
    for name, given in sections.items():
        if name == "train" or not known or not counted.whole:
            continue
        there = measured([opened(Given(str(each["path"])), each) for each in given], None).labels
        if unseen := sorted(label for label in there if key_of(label) not in known):
            raise Refusal(
                f"{given[0]['path']}: has the label '{unseen[0]}' ({len(unseen)} such labels), which no training row "
                f"has; mend it, or leave the split out: {refused.command(kind_of(task), data, f'{name}=none')}"
            )


def _size(given: Sequence[Given]) -> int | None:
    """Bytes of the files, where they lie here unpacked."""
    paths = [Path(each.path) for each in given]
    return sum(path.stat().st_size for path in paths) if all(path.is_file() for path in paths) else None


def _name(data: str) -> str:
    """A name for what is made of data: that of the file, or of its folder where the file is called train."""
    path = Path(data.partition(":")[2] if data.startswith("package:") else data.rstrip("/"))
    stem = path.name.partition(".")[0]
    parent = path.absolute().parent.name
    return _checked(parent if split_of(stem) and re.fullmatch(r"\W*\w{2,10}\W*", stem) and parent else stem)


def _checked(name: str) -> str:
    """A name that recipes take: letters, digits, - and _."""
    bare = re.sub(r"[^\w-]+", "-", name).strip("-_")[:60]
    return bare or "data"
