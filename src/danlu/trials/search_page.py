"""What a search has found, as one HTML file: its course, what counts, and every trial."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from danlu.evaluate.pages.charts import Point
from danlu.evaluate.pages.markup import Html, cell, element, facts, figure, section, table, together
from danlu.evaluate.pages.page import page
from danlu.evaluate.pages.scatter import Dot, scatter
from danlu.evaluate.reporting.wording import duration, metric_name, number
from danlu.language import translator
from danlu.machine.files import write_text
from danlu.trials.search import Searched, command_line
from danlu.trials.study import WHY

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

NAME = "search.html"
ROWS = 500  # of the table of trials
WORDS = 200  # characters of why a trial came to nothing

Say = Callable[[str], str]


def write_page(path: Path, found: Searched, language: str) -> None:
    """Write the page; `language` is "en" or "zh".

    Raises `Refusal` for a full disk.
    """
    _ = translator(language)
    metric = metric_name(found.objective.metric, _)
    told = _("danlu {version}; each trial is a run of the recipe").format(version=version("danlu"))
    header = element("header", element("h1", found.recipe.name), element("p", told, class_="quiet"))
    parts = [section(_("Search"), facts(_facts(found, metric, _)), *_best(found, _))]
    if (drawn := _course(found, metric, _)) is not None:
        parts.append(section(_("Course"), figure(_("the value of each trial, and the best so far"), drawn)))
    if found.importances:
        told = _("what share of the differences between trials each value makes")
        parts.append(section(_("What counts"), figure(told, _importances(found))))
    if clouds := _clouds(found, metric):
        parts.append(section(_("Values and results"), element("div", *clouds, class_="charts")))
    parts.append(section(_("Trials"), _trials(found, metric, _)))
    body = together(header, element("main", *parts))
    write_text(path, page(f"{found.recipe.name} · search", body, language))


def _facts(found: Searched, metric: str, _: Say) -> list[tuple[str, str]]:
    states = [trial.state.name for trial in found.trials]
    told = [(_("trials"), f"{len(states):,}")]
    for state, name in (("COMPLETE", _("complete")), ("PRUNED", _("stopped early")), ("FAIL", _("came to nothing"))):
        if states.count(state):
            told.append((name, f"{states.count(state):,}"))
    if found.best is not None:
        told.append((_("best {metric}").format(metric=metric), number(found.best.value)))
    seconds = sum(trial.duration.total_seconds() for trial in found.trials if trial.duration)
    return [*told, (_("time"), duration(seconds, _))]


def _best(found: Searched, _: Say) -> list[Html]:
    if found.best is None:
        return []
    told = _("trial {number} is the best; this command takes its results back").format(number=found.best.number)
    return [figure(told, element("pre", command_line(found.command)))]


def _course(found: Searched, metric: str, _: Say) -> Html | None:
    sign = 1 if found.objective.higher_is_better else -1
    line: list[Point] = []
    dots = []
    for trial in _complete(found):
        value = float(trial.value or 0.0)
        best = max(sign * value, sign * line[-1][1]) * sign if line else value
        line.append((trial.number, best))
        dots.append(Dot(trial.number, value, f"{trial.number}: {number(value)}"))
    return scatter(dots, _("trial"), metric, line=line)


def _importances(found: Searched) -> Html:
    most = max(found.importances.values()) or 1.0
    rows: list[list[object]] = []
    for key, share in found.importances.items():
        bar = element("td", element("span"), class_="bar", style=f"--share:{share / most:.3f}")
        rows.append([element("th", key, scope="row"), bar, cell(f"{share:.0%}")])
    return table(["", "", ""], rows, class_="bars")


def _clouds(found: Searched, metric: str) -> list[Html]:
    """For each number that was sought, its values and what came of them."""
    clouds = []
    for each in found.space.sought:
        if each.choices:
            continue
        dots = [
            Dot(float(trial.params[each.key]), float(trial.value or 0.0), f"{trial.number}: {number(trial.value)}")
            for trial in _complete(found)
        ]
        drawn = scatter(dots, each.key, metric, log=each.log)
        if drawn is not None:
            clouds.append(figure(each.key, drawn))
    return clouds


def _trials(found: Searched, metric: str, _: Say) -> Html:
    keys = found.space.sought
    told = {
        "COMPLETE": _("complete"),
        "PRUNED": _("stopped early"),
        "FAIL": _("came to nothing"),
        "RUNNING": _("not ended"),
        "WAITING": _("not ended"),
    }
    sign = -1 if found.objective.higher_is_better else 1
    trials = sorted(found.trials, key=lambda trial: (trial.state.name != "COMPLETE", sign * (trial.value or 0.0)))
    rows: list[list[object]] = []
    for trial in trials[:ROWS]:
        values = [cell(each.shown(trial.params[each.key]) if each.key in trial.params else "–") for each in keys]
        state = told[trial.state.name]
        if why := trial.user_attrs.get(WHY):
            state = f"{state}: {why[:WORDS]}"
        value = number(trial.value) if trial.state.name == "COMPLETE" else "–"
        rows.append([element("th", trial.number, scope="row"), cell(value), *values, state])
    return table([_("trial"), metric, *(each.key for each in keys), _("outcome")], rows)


def _complete(found: Searched) -> "list[FrozenTrial]":
    return [trial for trial in found.trials if trial.state.name == "COMPLETE"]
