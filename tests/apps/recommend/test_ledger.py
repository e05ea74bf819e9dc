"""All that is kept, in SQLite and in PostgreSQL alike; several who write at once lose nothing."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import postgres_server
import pytest

from danlu.apps.recommend.deed import USUAL, Deed, weights_of
from danlu.apps.recommend.item import Item
from danlu.apps.recommend.ledger import Ledger
from danlu.apps.recommend.opening import kept_weights
from danlu.apps.recommend.recommender import Recommender
from danlu.machine.database import Unreachable
from danlu.refusal import Refusal

NO_POSTGRES = postgres_server.missing()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path_factory.mktemp("ledger") / "a folder")
    elif NO_POSTGRES:
        pytest.skip(NO_POSTGRES)
    else:
        with postgres_server.server() as url:
            yield url


def test_several_who_open_a_place_at_once_make_its_tables_once(place: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        for ledger in list(threads.map(lambda _: Ledger(place), range(6))):
            with ledger:
                assert ledger.everything() == ([], [])


def test_items_deeds_vectors_and_settings_come_back_as_they_were_given(place: str, items, deeds) -> None:
    with Ledger(place) as ledger:
        assert ledger.put(items) == (24, 0)
        assert ledger.put([*items[:3], Item(items[4].id, "other", "", None)]) == (0, 1)
        assert ledger.add(deeds, 1.8e9) == len(set(deeds))
        assert ledger.add(deeds[:5], 1.9e9) == 0
        news = ledger.since(0, 0)
        assert {item.id: item for item in news.items} == {item.id: item for item in items} | {
            items[4].id: Item(items[4].id, "other", "", None)
        }
        assert set(news.deeds) == set(deeds)
        assert ledger.since(news.revision, news.number).items == []
        assert ledger.remove([items[0].id, "none"]) == 1
        assert ledger.since(news.revision, news.number).removed == [items[0].id]
        assert len(ledger.everything()[0]) == 24
        ledger.keep_vectors("one", {"a": ("d", b"\x00\x01"), "b": ("e", b"")})
        ledger.keep_vectors("two", {"a": ("f", b"\x02")})
        assert ledger.vectors("one") == {"b": ("e", b"")}
        assert ledger.vectors("two") == {"a": ("f", b"\x02")}
        assert kept_weights(ledger, None).plain() == USUAL
        kept_weights(ledger, "view=1,收藏=3")
        assert kept_weights(ledger, None).plain() == {"view": 1, "收藏": 3}
        assert ledger.since(0, 0).learnt is not None


def test_who_writes_at_once_loses_nothing_and_who_reads_sees_all(place: str) -> None:
    def write(number: int) -> int:
        with Ledger(place) as ledger:
            return sum(
                ledger.add([Deed(f"w{number % 4}", f"thing {step}", "view", 1e9 + step)], 1.8e9) for step in range(12)
            )

    with Recommender(Ledger(place), weights_of(USUAL), clock=lambda: 1.8e9) as reader:
        before = sum(map(len, reader.behaviour.waiting.values()))
        with ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(reader.catch_up) for _ in range(20)]
            added = list(threads.map(write, range(8)))
            for each in asked:
                each.result()
        assert sum(added) == 4 * 12, "each twice, and kept once"
        reader.catch_up()
        assert sum(map(len, reader.behaviour.waiting.values())) == before + 4 * 12


def test_a_place_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for wrong, words in (
        (str(tmp_path / "file"), "is a file"),
        ("mysql://x/y", "is no database that can be used"),
        (f"sqlite:///{tmp_path}", "cannot be opened"),
    ):
        with pytest.raises(Refusal, match=words):
            Ledger(wrong)


def test_a_database_that_goes_away_is_told_without_its_password(monkeypatch) -> None:
    if sys.platform == "win32" or NO_POSTGRES:
        pytest.skip(NO_POSTGRES)
    with postgres_server.server() as url:
        ledger = Ledger(url)
        assert ledger.put([Item("a", "a")]) == (1, 0)
    with pytest.raises(Unreachable, match="does not answer") as told:
        ledger.put([Item("b", "b")])
    assert postgres_server.PASSWORD not in str(told.value)
    ledger.close()
