"""What the files of a stage say at a glance: its lock, its scores."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.machine.door import parse_json
from danlu.recipe.lock import NAME as LOCK
from danlu.recipe.lock import Lock, load
from danlu.refusal import Refusal

MOST_LOCK, MOST_SCORES = 2**22, 2**24
"""Bytes of a lock and of scores that are read."""

_TOP = re.compile(r"^(stage|state|seed|seconds|fingerprint): *(.*?) *$", re.MULTILINE)
_KIND = re.compile(r"^section:\n(?:  .*\n)*?  kind: *(\S+)$", re.MULTILINE)
_STAGES = re.compile(r"^stages:\n((?:  .*\n)+)", re.MULTILINE)
_LONG = re.compile(r"^  train:\n(?:    .*\n)*?    (steps|epochs): *([\d.e+-]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Glance:
    """What a lock says, without all of it being understood, which takes a hundred times as long.

    - `needs`: the fingerprints of the stages that it builds on; `steps`, `epochs`: how long it trains, where it does.
    """

    stage: str
    state: str
    kind: str
    fingerprint: str
    seconds: float | None
    needs: dict[str, str]
    steps: float | None
    epochs: float | None


def glance(path: Path) -> Glance:
    """What a `recipe.lock.yaml` says. Raises `Refusal` for one that is damaged, or cannot be read."""
    where = f"{path.parent.name}/{LOCK}"
    try:
        with path.open("rb") as file:
            text = file.read(MOST_LOCK + 1).decode("utf-8", "replace")
    except OSError as error:
        raise _unread(where, error) from error
    top = {name: _plain(value) for name, value in _TOP.findall(text)}
    if len(text) > MOST_LOCK or top.get("state") not in ("running", "done") or "stage" not in top:
        raise Refusal(f"{where}: this is not a lock that danlu wrote; move the folder away to run the stage anew")
    kind, needs, long = _KIND.search(text), _STAGES.search(text), _LONG.search(text)
    lasts = {long[1]: _number(long[2])} if long else {}
    return Glance(
        stage=top["stage"],
        state=top["state"],
        kind=_plain(kind[1]) if kind else "",
        fingerprint=top.get("fingerprint", ""),
        seconds=_number(top.get("seconds", "")),
        needs={_plain(name): _plain(told) for name, _, told in _lines(needs[1] if needs else "")},
        steps=lasts.get("steps"),
        epochs=lasts.get("epochs") if "steps" not in lasts else None,
    )


def whole_lock(path: Path) -> Lock:
    """All that a lock says. Raises `Refusal` where its settings cannot be known."""
    found = None
    with suppress(Refusal, OSError):
        found = load(path.parent)
    if found is None:
        where = f"{path.parent.parent.name}/{path.parent.name}/{LOCK}"
        raise Refusal(f"{where}: cannot be read, so its settings are not compared")
    return found


def scored(path: Path) -> list[dict[str, Any]]:
    """The metrics of a `scores.json`: name, value, interval. Raises `Refusal` where there are none."""
    where = f"{path.parent.name}/{path.name}"
    try:
        with path.open("rb") as file:
            data = file.read(MOST_SCORES + 1)
        if len(data) > MOST_SCORES:
            raise Refusal(f"{where}: is longer than {MOST_SCORES:,} bytes, so it is not read")
        metrics = parse_json(data, Path(where), "run its stage again").get("metrics")
    except OSError as error:
        raise _unread(where, error) from error
    found = []
    for name, told in metrics.items() if isinstance(metrics, dict) else ():
        value = told.get("value") if isinstance(told, dict) else None
        if isinstance(value, int | float):
            ends = [told.get("low"), told.get("high")]
            low, high = ends if all(isinstance(end, int | float) for end in ends) else (None, None)
            found.append({"metric": str(name)[:100], "value": value, "low": low, "high": high})
    if not found:
        raise Refusal(f"{where}: holds no scores that danlu wrote; run its stage again")
    return found


def _unread(where: str, error: OSError) -> Refusal:
    return Refusal(f"{where}: cannot be read ({str(error.strerror).lower()})")


def _lines(text: str) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in text.splitlines()]


def _plain(text: str) -> str:
    return text.strip().strip("'\"")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
