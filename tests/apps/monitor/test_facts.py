"""What a database is told by."""

from pathlib import Path

from danlu.apps.monitor.detector import Change
from danlu.apps.monitor.facts import key_of
from danlu.apps.monitor.store import Store


def test_two_monitors_tell_of_the_same_change_by_other_keys(tmp_path: Path) -> None:
    change = Change(**{**dict.fromkeys(Change.__dataclass_fields__, 1), "direction": "up", "step": 7})  # type: ignore[arg-type]
    found = []
    for name in ("one", "two"):
        store = Store(f"sqlite:///{tmp_path / name}.db")
        for _ in range(2):
            with store.begin() as connection:
                found.append(key_of(store, connection, "all", change))
        store.close()
    assert found[0] == found[1] != found[2] == found[3]
