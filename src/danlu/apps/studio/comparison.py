"""What differs between runs: settings, environment, scores."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from danlu.apps.studio.runs import Runs
from danlu.recipe import lock as locks
from danlu.serve.problem import Problem

MOST = 8
"""Runs side by side."""

ROWS = 400
"""Settings that differ and are told."""

LONGEST = 300
"""Characters of a value that are told."""


def compared(runs: Runs, names: list[str]) -> dict[str, Any]:
    """Scores, settings and environment of some runs; of settings those that differ alone.

    Raises:
        Problem: there is none of this name, or they are too many.
    """
    if not 1 <= len(names) <= MOST:
        raise Problem(400, "invalid_value", f"1 to {MOST} runs are compared at once, not {len(names)}", "runs")
    notes: list[str] = []
    glances = [runs.at_a_glance(name) for name in names]
    found = [_locks(runs, runs.folder(name), glance, notes) for name, glance in zip(names, glances, strict=True)]
    settings = _differing([_settings(each) for each in found])
    environment = _differing([_environment(each) for each in found])
    return {
        "runs": [
            {
                "name": glance["name"],
                "state": glance["state"],
                "seconds": glance["seconds"],
                "logs": [each["name"] for each in glance["stages"] if each["log"]],
            }
            for glance in glances
        ],
        "scores": _scores(glances),
        "settings": settings[:ROWS],
        "more": max(0, len(settings) - ROWS),
        "environment": environment[:ROWS],
        "notes": notes,
    }


def _locks(runs: Runs, folder: Path, glance: Mapping[str, Any], notes: list[str]) -> dict[str, locks.Lock]:
    found = {}
    for stage in glance["stages"]:
        lock = runs.whole(folder / stage["name"] / locks.NAME)
        if isinstance(lock, locks.Lock):
            found[stage["name"]] = lock
        elif lock is not None:
            notes.append(str(lock))
    return found


def _settings(found: Mapping[str, locks.Lock]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, lock in found.items():
        flat.update(_flat(lock.section, name))
        flat[f"{name}.seed"] = str(lock.seed)
        flat.update({f"{name}: {file}": digest[:12] for file, digest in lock.inputs.items()})
    return flat


def _environment(found: Mapping[str, locks.Lock]) -> dict[str, str]:
    told: dict[str, set[str]] = {}
    for lock in found.values():
        for package, version in lock.versions.items():
            told.setdefault(package, set()).add(version)
    return {package: ", ".join(sorted(versions)) for package, versions in told.items()}


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}")
    elif isinstance(value, list) and value and any(isinstance(each, dict | list) for each in value):
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{name}.{place}")
    else:
        yield name, _told(value)


def _told(value: Any) -> str:
    text = value if isinstance(value, str) else "–" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _differing(sides: list[dict[str, str]]) -> list[dict[str, Any]]:
    names = dict.fromkeys(name for side in sides for name in side)
    rows = [{"name": name, "values": [side.get(name) for side in sides]} for name in names]
    return [row for row in rows if len({*row["values"]}) > 1]


def _scores(glances: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a stage and metric, with the value and the interval of each run."""
    sides = [
        {(stage["name"], score["metric"]): score for stage in each["stages"] for score in stage["scores"]}
        for each in glances
    ]
    keys = dict.fromkeys(key for side in sides for key in side)
    return [
        {"stage": stage, "metric": metric, "values": [side.get((stage, metric)) for side in sides]}
        for stage, metric in keys
    ]
