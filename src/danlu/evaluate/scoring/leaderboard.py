"""Evaluations in order, those of the same records together, and which are worse than the best beyond chance."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from danlu.evaluate.scoring.compare import compared_sides, side_in
from danlu.evaluate.scoring.examine import ANSWERS, SCORES, form_of, read_lines, read_scores
from danlu.evaluate.scoring.metric import Metric, measures, unknown_metric
from danlu.evaluate.scoring.resample import Interval
from danlu.recipe import lock as locks
from danlu.recipe.part import find, kinds
from danlu.refusal import Refusal

MOST = 500  # evaluations
LEVEL = 0.05
"""Of all that are as good as the best, a share of boards in which one is called worse all the same."""

_NOT_SETTINGS = ("bundle", "data")  # of the stage that evaluates: names of stages


@dataclass(frozen=True)
class Entry:
    """An evaluation: where it lies, its scores, what it was made with as `key: value`, and the records it saw."""

    name: str
    folder: Path
    scores: dict[str, Any]
    settings: dict[str, str]
    records: str


@dataclass(frozen=True)
class Place:
    """An evaluation on a board: its score, how far it is behind the best, and how often chance alone would do that.

    - `p`: of all comparisons with the best together (Holm, 1979); None of the best.
    """

    entry: Entry
    score: Interval
    behind: Interval | None = None
    p: float | None = None

    @property
    def worse(self) -> bool:
        """Whether it is behind the best beyond chance."""
        return self.p is not None and self.p <= LEVEL


@dataclass(frozen=True)
class Board:
    """Evaluations of the same records, the best first; `differing` are settings that they do not all share."""

    metric: str
    records: int
    places: list[Place]
    differing: list[str]


def leaderboards(
    folders: Sequence[Path], metric: str | None = None, *, resamples: int = 1000, seed: int = 0
) -> list[Board]:
    """A board of each set of records that evaluations below these folders saw, those with most evaluations first.

    `metric` is what they are ordered by; None: the first that all of a board have. Raises `Refusal` where there is no
    evaluation, or none with this metric.
    """
    if metric is not None and (unknown := unknown_metric(metric)):
        raise Refusal(f"{unknown}.")
    groups: dict[str, list[Entry]] = {}
    for entry in _entries(folders):
        groups.setdefault(entry.records, []).append(entry)
    if not groups:
        named = ", ".join(map(str, folders))
        raise Refusal(
            f"{named}: there is no evaluation here; run a recipe with a stage of kind 'evaluate', or `danlu evaluate "
            "BUNDLE DATA --output FOLDER`"
        )
    found = [_board(entries, metric, resamples, seed) for entries in groups.values()]
    boards = [board for board in found if board is not None]
    if not boards:
        known = sorted({name for entries in groups.values() for entry in entries for name in entry.scores["metrics"]})
        raise Refusal(f"metric '{metric}': no evaluation here has it; they have: {', '.join(known)}")
    return sorted(boards, key=lambda board: -len(board.places))


def holm(chances: Sequence[float]) -> list[float]:
    """P-values that hold for all of these tests together (Holm, 1979), in their order."""
    adjusted, highest = [1.0] * len(chances), 0.0
    for rank, place in enumerate(np.argsort(chances, kind="stable").tolist()):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[place]))
        adjusted[place] = highest
    return adjusted


def _entries(folders: Sequence[Path]) -> Iterator[Entry]:
    seen: set[Path] = set()
    for folder in folders:
        if not folder.exists():
            raise Refusal(f"{folder}: there is no such folder; give the folder of a run, runs/NAME")
        top = folder if folder.is_dir() else folder.parent
        for file in sorted(top.rglob(SCORES)):
            place = file.parent
            hidden = any(part.startswith(".") for part in place.relative_to(top).parts)
            if hidden or place.resolve() in seen or not (place / ANSWERS).is_file():
                continue
            seen.add(place.resolve())
            if len(seen) > MOST:
                raise Refusal(f"{folder}: more than {MOST} evaluations lie here; give fewer folders")
            inside = place.relative_to(top).as_posix()
            name = top.resolve().name if inside == "." else f"{top.resolve().name}/{inside}"
            yield Entry(name, place, read_scores(place), _settings(place), _fingerprint(place))


def _fingerprint(folder: Path) -> str:
    """Of the records that were evaluated, in their order, and the form of the answers."""
    found = hashlib.sha256(str(read_scores(folder).get("form")).encode())
    for line in read_lines(folder / ANSWERS):
        found.update(line["digest"].encode())
    return found.hexdigest()


def _settings(folder: Path) -> dict[str, str]:
    """What the stage and those that it builds on were run with; nothing where no recipe has made it."""
    lock = locks.load(folder)
    if lock is None:
        return {}
    found = {f"{lock.stage}.{key}": value for key, value in _flat(lock.section) if key not in _NOT_SETTINGS}
    waiting, done = dict(lock.stages), {lock.stage}
    while waiting:
        name, fingerprint = waiting.popitem()
        if name in done:
            continue
        for place in locks.folders_of(folder.parent / name, fingerprint):
            other = locks.load(place)
            if other is not None and other.fingerprint == fingerprint:
                done.add(name)
                found |= {f"{name}.{key}": value for key, value in _flat(other.section)}
                found[f"{name}.seed"] = str(other.seed)
                waiting |= {stage: known for stage, known in other.stages.items() if stage not in done}
    return found


def _flat(section: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", str(value)


def _board(entries: Sequence[Entry], wanted: str | None, resamples: int, seed: int) -> Board | None:
    form = form_of(entries[0].scores)
    shared = [
        name
        for name in entries[0].scores["metrics"]
        if name in kinds(Metric) and all(name in entry.scores["metrics"] for entry in entries)
    ]
    name = wanted if wanted is not None else next(iter(shared), None)
    if wanted is not None:
        entries = [entry for entry in entries if wanted in entry.scores["metrics"]]
    if form is None or name is None or not entries:
        return None
    measure = find(Metric, name)  # type: ignore[type-abstract]
    better = 1 if measure.higher_is_better else -1
    scored = [(entry, Interval(**_numbers(entry.scores["metrics"][name]))) for entry in entries]

    def order(each: tuple[Entry, Interval]) -> float:
        value = each[1].value
        if not isfinite(value):
            return float("inf")
        return -better * value if measure.best is None else abs(value - measure.best)

    scored.sort(key=order)
    metric = measures([name], form.kind)
    labels = list(dict.fromkeys(label for entry in entries for label in entry.scores.get("labels", [])))
    needs = metric[name].needs_scores
    (best, score), *rest = scored
    top = side_in(best.folder, form, labels, scored=needs)
    behind = []
    for entry, _ in rest:
        (found,) = compared_sides(
            metric, top, side_in(entry.folder, form, labels, scored=needs), resamples=resamples, seed=seed
        )
        behind.append((found.difference, 1.0 if found.p is None or found.p != found.p else found.p))
    adjusted = holm([p for _, p in behind])
    places = [Place(entry, each, gap, p) for (entry, each), (gap, _), p in zip(rest, behind, adjusted, strict=True)]
    return Board(name, best.scores["records"], [Place(best, score), *places], _differing(entries))


def _numbers(plain: dict[str, Any]) -> dict[str, float]:
    return {key: float("nan") if plain[key] is None else plain[key] for key in ("value", "low", "high")}


def _differing(entries: Sequence[Entry]) -> list[str]:
    """Settings of which those that have any do not all have the same."""
    told = [entry.settings for entry in entries if entry.settings]
    names = dict.fromkeys(name for settings in told for name in settings)
    return [name for name in names if len({settings.get(name) for settings in told}) > 1]
