"""Sources that come, change, fail and go: each is looked at when there is something to see, and told where not."""

import os
from pathlib import Path
from typing import Any

import pytest
from monitor_streams import COARSE, plain_judge

from danlu.apps.monitor.monitor import Monitor
from danlu.apps.monitor.settings import Settings
from danlu.apps.monitor.site import state
from danlu.apps.monitor.sources import GONE, Gone, Sources
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import SOURCES
from danlu.apps.monitor.watched import files_of

NOON = 1.78e9


@pytest.fixture(autouse=True)
def quick_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.apps.monitor.watched.QUIET", 0.0)


def rows(store: Store) -> dict[str, Any]:
    with store.begin() as connection:
        return {Path(row.name).name: row for row in connection.execute(SOURCES.select())}


def test_files_at_rest_take_no_transaction(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.csv").write_text(f"text\n{name}\n")
    own = Sources(store, 0.0, say=lambda _: None)
    assert own.fetch_due(files_of(folder), lambda: NOON) == 2
    with monkeypatch.context() as patch:
        patch.setattr(store, "begin", lambda: 1 / 0)
        assert own.fetch_due(files_of(folder), lambda: NOON) == 0
    with (folder / "b.csv").open("a") as file:
        file.write("c\n")
    assert own.fetch_due(files_of(folder), lambda: NOON) == 1


def test_a_file_that_failed_is_read_at_once_where_it_has_changed(store: Store, tmp_path: Path) -> None:
    file, lines = tmp_path / "a.csv", list[str]()
    file.write_text("name\nx\n")
    own = Sources(store, 5.0, say=lines.append)
    for _ in range(3):
        assert own.fetch_due(files_of(file), lambda: NOON) == 0
    assert rows(store)["a.csv"].failures == 1
    file.write_text("text\nfirst\n")
    assert own.fetch_due(files_of(file), lambda: NOON) == 1
    assert f"{file}: can be read again" in lines
    told = file.stat()
    file.write_text("name\nx\n")
    own.fetch_due(files_of(file), lambda: NOON)
    file.write_text("text\nfirst\n")
    os.utime(file, ns=(told.st_atime_ns, told.st_mtime_ns))  # as it was when it was read
    own.fetch_due(files_of(file), lambda: NOON)
    assert rows(store)["a.csv"].error is None


def test_a_place_that_goes_away_and_folders_in_one_are_told(store: Store, tmp_path: Path) -> None:
    folder, lines = tmp_path / "inbox", list[str]()
    (folder / "2026").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    own = Sources(store, 0.0, say=lines.append)
    for _ in range(2):
        own.fetch_due(files_of(folder), lambda: NOON)
    told = "holds 1 folders, in which nothing is read; name one under 'watch' to have it read"
    assert lines == [f"{folder} (all files): {told}"]
    folder.rename(tmp_path / "away")
    own.fetch_due(files_of(folder), lambda: NOON)
    assert lines[1:] == [f"{folder}: is not there; what is put there will be read"]


def test_a_sentiment_that_is_not_understood_is_told(store: Store, tmp_path: Path) -> None:
    file, lines = tmp_path / "a.csv", list[str]()
    file.write_text("text,sentiment,date\nfirst,-0.6,2026-05-01\nsecond,mixed,2026-05-01\n")
    Sources(store, 0.0, say=lines.append).fetch_due(files_of(file), lambda: NOON)
    assert lines == [f"{file}: 1 texts tell a sentiment that is not understood, and are judged here"]


def test_sources_that_are_none_any_more_are_not_shown_and_forgotten_after_a_day(store: Store, tmp_path: Path) -> None:
    own = Sources(store, 0.0, say=lambda _: None)
    (tmp_path / "inbox").mkdir()
    for name in ("here", "gone"):
        (tmp_path / "inbox" / f"{name}.csv").write_text("name\nx\n")
    own.fetch_due(files_of(tmp_path / "inbox"), lambda: NOON)
    (tmp_path / "inbox" / "gone.csv").unlink()
    monitor = Monitor(store, Settings(watch=["inbox"], alarm=COARSE), {}, plain_judge(), tmp_path)
    with store.reading() as connection:
        shown = state(monitor, connection, {})["sources"]
    assert [Path(source["name"]).name for source in shown] == ["inbox (all files)", "here.csv"]
    now = [0.0]
    gone = Gone(store, lambda: now[0])
    gone.remove(monitor.source_names())
    age(store)
    gone.remove(monitor.source_names())
    assert "gone.csv" in rows(store), "its place may be away for a moment"
    now[0] += GONE
    gone.remove(monitor.source_names())
    assert sorted(rows(store)) == ["here.csv", "inbox (all files)"]


def age(store: Store) -> None:
    with store.begin() as connection:
        connection.execute(SOURCES.update().values(due=store.clock(connection) - 100_000, succeeded=1.0))


def test_files_at_rest_that_another_process_watches_are_no_more_forgotten_than_those_that_are_too_many(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inbox").mkdir()
    for name in ("a", "b"):
        (tmp_path / "inbox" / f"{name}.csv").write_text("text\nx\n")
    own = Sources(store, 0.0, say=lambda _: None)
    own.fetch_due(files_of(tmp_path / "inbox"), lambda: NOON)
    age(store)
    names = {source.name for source in files_of(tmp_path / "inbox")}
    own.note_seen(names)
    assert rows(store)["a.csv"].succeeded > 1.0
    now = [0.0]
    gone = Gone(store, lambda: now[0])
    gone.remove(())
    now[0] += GONE
    gone.remove(())
    assert len(rows(store)) == 3
    monkeypatch.setattr("danlu.apps.monitor.watched.FILES", 1)
    monitor = Monitor(store, Settings(watch=["inbox"], alarm=COARSE), {}, plain_judge(), tmp_path)
    assert (len(monitor.source_names()), monitor.source_names(whole=True)) == (2, names)


def test_a_file_that_cannot_be_asked_holds_up_no_other_of_its_folder(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"text,date\n{name},2026-05-01\n")
    (tmp_path / "c.csv").symlink_to(tmp_path / "nowhere")
    asked, lines = Path.stat, list[str]()

    def stat(path: Path, **options: Any) -> os.stat_result:
        if path.name == "a.csv":
            raise PermissionError(13, "Permission denied")
        return asked(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    assert Sources(store, 0.0, say=lines.append).fetch_due(files_of(tmp_path), lambda: NOON) == 1
    assert [line.partition(";")[0] for line in lines] == [f"{tmp_path / 'a.csv'}: cannot be read (Permission denied)"]
