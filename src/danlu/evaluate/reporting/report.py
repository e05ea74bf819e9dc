"""The report of a run: one HTML file with its results, curves, errors, data and recipe, which needs no network.

No script runs in it, and what the data holds cannot become markup: every text is escaped, and the page's own
policy forbids scripts and requests.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from danlu.evaluate.pages.markup import Html, element, escaped, section, together
from danlu.evaluate.pages.page import page
from danlu.evaluate.reporting.sections.data import data_section
from danlu.evaluate.reporting.sections.in_turn import in_turn
from danlu.evaluate.reporting.sections.retained import retained
from danlu.evaluate.reporting.sections.seeds import seeds_section
from danlu.evaluate.reporting.wording import duration
from danlu.language import translator
from danlu.machine.door import opened
from danlu.machine.files import write_text
from danlu.recipe import lock
from danlu.refusal import Refusal

NAME = "report.html"
LOG, SCORES, SURVEY, RETAINED, IN_TURN = "log.jsonl", "scores.json", "survey.json", "retained.json", "continual.json"


@dataclass(frozen=True)
class _Part:
    """One section of the page: where it comes in the page, its place in the menu, and what it holds."""

    rank: int
    name: str
    title: Html
    body: Html


def write_report(run_folder: Path, language: str) -> Path:
    """Write `report.html` into the folder of a run and return its path; `language` is "en" or "zh".

    Raises `Refusal` if the folder holds no stage, or a file that cannot be read.
    """
    if not run_folder.is_dir():
        raise Refusal(f"{run_folder}: there is no such folder; give the folder of a run, runs/NAME.")
    _ = translator(language)
    stages = _stages(run_folder)
    if not stages:
        raise Refusal(f"{run_folder}: holds no stage of a run; run a recipe first, or give runs/NAME.")
    parts = []
    outdated = _outdated(stages)
    for folder in stages:
        with opened(folder, "what it has left cannot be shown", "run its stage again, or move the folder away"):
            parts += _parts(folder, outdated.get(folder.name), _)
    if spread := seeds_section(run_folder, _):
        parts.append(_Part(-1, "seeds", escaped(_("Seeds")), spread))
    parts.sort(key=lambda part: part.rank)
    recipe = [_recipe(folder) for folder in stages]
    body = together(
        _header(run_folder.resolve().name, stages, parts, _),
        element(
            "main",
            *(section(part.title, part.body, identity=f"part-{place}") for place, part in enumerate(parts)),
            section(_("Recipe"), *recipe, identity="recipe"),
        ),
    )
    path = run_folder / NAME
    write_text(path, page(run_folder.resolve().name, body, language))
    return path


def _parts(folder: Path, changed: str | None, _: Callable[[str], str]) -> list[_Part]:
    """What the page says of a stage, told by the files that it has left; `changed` is the one behind its results."""
    name, found = folder.name, []
    if (folder / SCORES).is_file():
        found += _scored(folder, _)
    if (folder / IN_TURN).is_file():
        found.append(_part(0, name, _("Learnt in turn"), _, in_turn(_whole(folder / IN_TURN), _)))
    if (folder / LOG).is_file():
        from danlu.evaluate.reporting.sections.curves import curves  # brings torch

        left = _whole(folder / RETAINED) if (folder / RETAINED).is_file() else {}
        found.append(_part(1, name, _("Training"), _, together(curves(_log(folder / LOG), _), retained(left, _))))
    if (folder / SURVEY).is_file():
        found.append(_part(2, name, _("Data"), _, data_section(_whole(folder / SURVEY), folder, _)))
    if changed:
        told = _("made of earlier results of '{changed}', which other ones have replaced since; run '{name}' again")
        warning = element("p", told.format(changed=changed, name=name), class_="warning")
        found = [replace(part, body=together(warning, part.body)) for part in found if part.body]
    return [part for part in found if part.body]


def _scored(folder: Path, _: Callable[[str], str]) -> list[_Part]:
    """What an evaluation found; what it takes to show that brings torch and scipy, and other stages need neither."""
    from danlu.evaluate.reporting.judged import bits_in_words
    from danlu.evaluate.reporting.sections.calibration import calibration_section, outside_section
    from danlu.evaluate.reporting.sections.confusion import confusion_section
    from danlu.evaluate.reporting.sections.errors import errors
    from danlu.evaluate.reporting.sections.otherwise import otherwise_section
    from danlu.evaluate.reporting.sections.results import results
    from danlu.evaluate.reporting.sections.slices import slices_section
    from danlu.evaluate.scoring.examine import ERRORS, form_of, read_lines, read_scores

    scores, name = read_scores(folder), folder.name
    form = form_of(scores)
    worst = errors(read_lines(folder / ERRORS), form, _) if form else Html()
    bits = [element("p", line, class_="quiet") for line in bits_in_words(scores, _)]
    otherwise = otherwise_section(scores, _)
    shown = together(results(scores, _), *bits, otherwise, confusion_section(scores, _), worst)
    return [
        _part(0, name, _("Results"), _, shown),
        _part(0, name, _("Calibration"), _, calibration_section(scores, _)),
        _part(0, name, _("Weak slices"), _, slices_section(scores, _)),
        _part(0, name, _("Other texts"), _, outside_section(scores, _)),
    ]


def _part(rank: int, name: str, kind: str, _: Callable[[str], str], body: Html) -> _Part:
    told = _("{name}: {value}").format(name=kind, value=name)
    return _Part(rank, told, together(kind, " ", element("span", name, class_="stage")), body)


def _stages(run_folder: Path) -> list[Path]:
    """The folders of stages, each after those that it builds on; what lies beside them is left out."""
    locks = {}
    for folder in sorted(path for path in run_folder.iterdir() if path.is_dir() and "." not in path.name):
        found = lock.load(folder)
        if found is not None and found.stage == folder.name:
            locks[folder.name] = found
    ordered: list[str] = []
    while len(ordered) < len(locks):
        ready = [
            name
            for name in locks
            if name not in ordered and all(needed in ordered or needed not in locks for needed in locks[name].stages)
        ]
        ordered += ready or [name for name in locks if name not in ordered]
    return [run_folder / name for name in ordered]


def _outdated(stages: list[Path]) -> dict[str, str]:
    """The stages whose results were made of others than those that lie here, each with the stage that has changed."""
    found: dict[str, str] = {}
    prints: dict[str, str] = {}
    for folder in stages:
        own = lock.load(folder)
        assert own is not None
        for name, fingerprint in own.stages.items():
            if name in prints and (prints[name] != fingerprint or name in found):
                found.setdefault(folder.name, found.get(name, name))
        prints[folder.name] = own.fingerprint
    return found


def _recipe(folder: Path) -> Html:
    text = (folder / lock.NAME).read_text(encoding="utf-8", errors="replace")
    return element("details", element("summary", folder.name), element("pre", text))


def _header(name: str, stages: list[Path], parts: list[_Part], _: Callable[[str], str]) -> Html:
    links = [element("a", part.name, href=f"#part-{place}") for place, part in enumerate(parts)]
    links.append(element("a", _("Recipe"), href="#recipe"))
    seconds = sum((found.seconds or 0.0) for folder in stages if (found := lock.load(folder)))
    told = _("danlu {version}; stages: {stages}; time: {time}").format(
        version=version("danlu"), stages=" → ".join(folder.name for folder in stages), time=duration(seconds, _)
    )
    return element("header", element("h1", name), element("p", told, class_="quiet"), element("nav", *links))


def _log(file: Path) -> list[dict[str, Any]]:
    """The lines of a log that are whole; a run that is under way may be writing the last one."""
    found = []
    for line in file.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and "step" in value:
            found.append(value)
    return found


def _whole(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Refusal(f"{file}: this is no whole file of json ({error}); run its stage again.") from None
    return found
