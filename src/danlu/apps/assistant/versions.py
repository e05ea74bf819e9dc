"""Versions of how answers are found: each stays, one of them serves, and what serves changes in one step."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from danlu.apps.assistant.ranking import Ranking
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True)
class Version:
    """A ranking with its threshold; `embedder`: the folder of a bundle that was tuned for it, below the assistant's.

    - `told`: what it was made of, and how it compares with the one before.
    """

    number: int
    time: float
    ranking: Ranking
    embedder: str | None
    told: dict[str, Any]


FIRST = Version(0, 0.0, Ranking(), None, {})
"""Before anything was learnt."""


def all_of(connection: "Connection") -> list[Version]:
    """All that were kept, in order."""
    from danlu.apps.assistant.tables import VERSIONS

    return [_version(row) for row in connection.execute(VERSIONS.select().order_by(VERSIONS.c.number))]


def serving(connection: "Connection") -> Version:
    """The one that answers."""
    from danlu.apps.assistant.tables import SERVING, VERSIONS

    row = connection.execute(
        VERSIONS.select().join(SERVING, SERVING.c.number == VERSIONS.c.number).where(SERVING.c.id == 1)
    ).first()
    return FIRST if row is None else _version(row)


def keep(connection: "Connection", version: Version, serve: bool) -> None:
    """Keep a version, and let it answer from now on if it is to `serve`."""
    from danlu.apps.assistant.tables import VERSIONS

    row = {
        "number": version.number,
        "time": version.time,
        "ranking": json.dumps(version.ranking.plain()),
        "embedder": version.embedder,
        "told": json.dumps(version.told, ensure_ascii=False),
    }
    connection.execute(VERSIONS.insert().values(row))
    if serve:
        _serve(connection, version.number)


def go_back(connection: "Connection", number: int | None = None) -> Version:
    """Let a version answer again; None: the last that was kept before the one that answers.

    Raises:
        Refusal: there is none of this number, or none before.
    """
    there = all_of(connection)
    now = serving(connection).number
    before = [version for version in there if version.number < now and version.told.get("served", True)]
    found = [version for version in there if version.number == number] if number is not None else before[-1:]
    if not found:
        told = ", ".join(str(version.number) for version in there) or "none"
        which = f"version {number}" if number is not None else f"version before {now} that has answered"
        raise Refusal(f"there is no {which}; kept are: {told}")
    _serve(connection, found[0].number)
    return found[0]


def _serve(connection: "Connection", number: int) -> None:
    from danlu.apps.assistant.tables import SERVING

    if connection.execute(SERVING.update().where(SERVING.c.id == 1).values(number=number)).rowcount == 0:
        connection.execute(SERVING.insert().values(id=1, number=number))


def _version(row: Any) -> Version:
    return Version(row.number, row.time, Ranking.read(json.loads(row.ranking)), row.embedder, json.loads(row.told))
