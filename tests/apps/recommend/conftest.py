"""A small world: items of two sorts, users who read one sort or the other."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from servers import serving

from danlu.apps.recommend.deed import USUAL, Deed, weights_of
from danlu.apps.recommend.item import Item
from danlu.apps.recommend.ledger import Ledger
from danlu.apps.recommend.recommender import Recommender

DAY = 86_400.0
BEGIN = 1_790_000_000.0
END = BEGIN + 40 * DAY
WORDS = {"tea": "绿茶 乌龙茶 泡茶 茶壶 leaves steep kettle", "bike": "骑车 链条 车轮 单速 wheel chain brake"}


@pytest.fixture(scope="session")
def items() -> list[Item]:
    """24 items of two sorts; every sixth came later."""
    rng = np.random.default_rng(5)
    found = []
    for number in range(24):
        sort = ("tea", "bike")[number % 2]
        words = rng.permutation(WORDS[sort].split())[:4]
        time = BEGIN + number * DAY if number % 6 == 5 else BEGIN - DAY
        found.append(Item(f"{sort}-{number}", f"{sort} {number}", " ".join(words), time))
    return found


@pytest.fixture(scope="session")
def deeds(items: list[Item]) -> list[Deed]:
    """16 users, each of whom reads mostly one sort, one item after the other, in 30 days."""
    rng = np.random.default_rng(7)
    found = []
    for user in range(16):
        sort = ("tea", "bike")[user % 2]
        for step in range(9):
            time = BEGIN + (step * 3.2 + float(rng.random())) * DAY
            there = [item for item in items if item.time <= time and (item.id.startswith(sort) or rng.random() < 0.1)]
            item = there[int(rng.integers(len(there)))]
            action = list(USUAL)[int(rng.integers(4))]
            found.append(Deed(f"u{user}", item.id, action, round(time, 3)))
    return found


Opened = Callable[..., Recommender]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """A function that opens the place of a test, at a time that stands still."""
    found: list[Recommender] = []

    def open_(clock: float = END, **settings: object) -> Recommender:
        found.append(Recommender(Ledger(tmp_path / "place"), weights_of(USUAL), clock=lambda: clock, **settings))  # type: ignore[arg-type]
        return found[-1]

    try:
        yield open_
    finally:
        for each in found:
            each.close()


@pytest.fixture
def filled(opened: Opened, items: list[Item], deeds: list[Deed]) -> Recommender:
    """The small world in the place of a test."""
    found = opened()
    found.put(items)
    found.take(deeds)
    return found


@pytest.fixture(scope="module")
def recommender(
    tmp_path_factory: pytest.TempPathFactory, items: list[Item], deeds: list[Deed]
) -> Iterator[Recommender]:
    """The small world, open for a module."""
    with Recommender(Ledger(tmp_path_factory.mktemp("served")), weights_of(USUAL), clock=lambda: END) as found:
        found.put(items)
        found.take(deeds)
        yield found


@pytest.fixture(scope="module")
def served(recommender: Recommender) -> Iterator[httpx2.Client]:
    """A client of a server of the small world."""
    from danlu.apps.recommend.routes import Routes

    with serving(site=Routes(recommender).site()) as live, live.client() as found:
        yield found
