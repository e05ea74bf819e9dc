"""Shards that lie elsewhere: the same rows, each once an epoch, and no more files here than may be held."""

import json
import shutil
import threading
import time
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from danlu.refusal import Refusal
from danlu.text.batching import depot, shards
from danlu.text.batching.depot import Depot, depot_of, grouped
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.batching.flat import DocumentRows, FlatTokens, PackedRows, write_tokens
from danlu.text.batching.origin import Origin
from danlu.text.batching.reader import Reader
from danlu.text.batching.rows import Rows, write_rows
from danlu.text.batching.shards import Manifest, Shard
from danlu.text.batching.stored_rows import StoredRows

KINDS = ["rows", "packed", "documents"]


def made(folder: Path, kind: str, count: int = 60) -> Manifest:
    """Shards of about 100 tokens each."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    documents = [rng.integers(0, 900, int(rng.integers(3, 30))).astype(np.int32) for _ in range(count)]
    if kind == "rows":
        examples = [Encoded(number, (Row(ids),), {"label": number % 3}) for number, ids in enumerate(documents)]
        written = write_rows(folder, ([each] for each in examples), shard=100)
    else:
        written = write_tokens(folder, ([each] for each in documents), 1000, shard=100)
    manifest = Manifest("rows" if kind == "rows" else "tokens", "hash", tuple(written), {"vocabulary": 1000})
    shards.write(folder, manifest)
    return manifest


def rows_of(folder: Path, manifest: Manifest, kind: str, where: Depot | None) -> StoredRows:
    if kind == "rows":
        return Rows(folder, manifest, where)
    flat = FlatTokens(folder, manifest, where)
    if kind == "packed":
        return PackedRows(flat, 16, lambda row: {"tokens": row.input_ids})
    return DocumentRows(flat, 16, lambda row: {"tokens": row.input_ids}, overlap=1)


def elsewhere(tmp_path: Path, kind: str, groups: float = 2.0) -> tuple[Manifest, Path, Depot]:
    """A folder with all but the data of its shards, groups of which have so many of them."""
    manifest = made(tmp_path / "origin" / "shards", kind)
    here = tmp_path / "here"
    names = manifest.data_files
    shutil.copytree(tmp_path / "origin" / "shards", here, ignore=lambda _, found: set(found) & names)
    largest = max(shard.files[shard.file]["bytes"] for shard in manifest.shards)
    depot.write(here, str(tmp_path / "origin"), int(3 * groups * largest))
    found = depot_of(here, manifest)
    assert found is not None
    return manifest, here, found


def here_now(folder: Path, manifest: Manifest) -> set[str]:
    return {name for name in manifest.data_files if (folder / name).exists()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_is_fetched_is_the_row_that_is_here(tmp_path: Path, kind: str) -> None:
    manifest, here, where = elsewhere(tmp_path, kind)
    assert len(manifest.shards) > 6
    streamed = rows_of(here, manifest, kind, where)
    whole = rows_of(tmp_path / "origin" / "shards", manifest, kind, None)
    assert streamed.sizes.widths.tolist() == whole.sizes.widths.tolist()
    assert len(streamed) == len(whole)
    assert (streamed.groups or [0])[-1] == len(whole)
    assert whole.groups is None
    for number in np.random.default_rng(1).permutation(len(whole)).tolist():
        one, other = streamed[number], whole[number]
        assert one.rows[0].input_ids.tolist() == other.rows[0].input_ids.tolist()
        assert one.record == other.record


@pytest.mark.parametrize("kind", KINDS)
def test_two_epochs_read_each_row_twice_and_never_hold_more_than_three_groups(tmp_path: Path, kind: str) -> None:
    manifest, here, where = elsewhere(tmp_path, kind)
    streamed = rows_of(here, manifest, kind, where)
    reader = Reader(streamed.sizes, 3, tokens=64, window=8, groups=streamed.groups)
    read: list[int] = []
    near: tuple[int, ...] = ()
    most = max(sum(manifest.shards[number].files[manifest.shards[number].file]["bytes"] for number in group)
               for group in where.groups)  # fmt: skip
    for step in range(2 * reader.an_epoch(2)):
        if near != (near := reader.near(step, 2)):
            streamed.near(near)
            for thread in threading.enumerate():
                if thread.name == "danlu-depot":
                    thread.join()
        for piece in reader.step(step, 2):
            read += piece.examples.tolist()
            assert {int(np.searchsorted(streamed.groups, row, "right")) for row in piece.examples} <= set(near)
            _ = [streamed[row] for row in piece.examples.tolist()]
        held = sum((here / name).stat().st_size for name in here_now(here, manifest))
        assert held <= 4 * most  # a step may end one group and begin the next
    assert sorted(read) == sorted([*range(len(streamed))] * 2)
    assert len(where.groups) > 3


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(1, 400))
def test_a_group_is_a_third_of_what_may_be_held_at_most(sizes: list[int], held: int) -> None:
    entries = tuple(Shard(f"{n}", 1, 1, {f"{n}": {"bytes": size, "sha256": ""}}) for n, size in enumerate(sizes))
    manifest = Manifest("tokens", "", entries)
    if 3 * max(sizes) > held:
        with pytest.raises(Refusal, match=r"held: .* GiB are too few, for 3 files"):
            grouped(manifest, held)
        return
    groups = grouped(manifest, held)
    assert [number for group in groups for number in group] == list(range(len(sizes)))
    assert all(3 * sum(sizes[number] for number in group) <= held for group in groups)


def test_a_file_is_fetched_once_by_all_who_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, here, where = elsewhere(tmp_path, "rows")
    came: list[str] = []
    bring = Origin.bring

    def slowly(self: Origin, name: str, *others: object) -> None:
        came.append(name)
        time.sleep(0.05)
        bring(self, name, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(Origin, "bring", slowly)
    other = Depot(here, manifest, where.origin, 10**9)  # as of another process
    threads = [threading.Thread(target=each.path, args=(0,)) for each in (where, where, other, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert came == [f"shards/{manifest.shards[0].file}"]


def test_what_does_not_come_is_tried_again_and_what_is_another_file_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depot, "PAUSES", (0.0, 0.0))
    manifest, here, where = elsewhere(tmp_path, "rows")
    tries: list[str] = []
    bring = Origin.bring

    def at_the_third(self: Origin, name: str, *others: object) -> None:
        tries.append(name)
        if len(tries) < 3:
            raise Refusal(f"{name}: the network is away")
        bring(self, name, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(Origin, "bring", at_the_third)
    assert where.path(0).is_file()
    assert len(tries) == 3
    tries.clear()
    (tmp_path / "origin" / "shards" / manifest.shards[1].file).write_bytes(b"other")
    tries += ["", ""]
    with pytest.raises(Refusal, match=r"rows-00001\.arrow: is not the file of .* SHA-256 differs"):
        where.path(1)
    assert len(tries) == 3
    monkeypatch.setattr(Origin, "bring", lambda *_: (_ for _ in ()).throw(Refusal("the network is away")))
    with pytest.raises(Refusal, match="the network is away"):
        where.path(2)
    assert not here_now(here, manifest) - {manifest.shards[0].file}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_another_process_drops_before_it_is_opened_comes_again(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, here, where = elsewhere(tmp_path, kind)
    path, dropped = Depot.path, []

    def dropping(self: Depot, number: int) -> Path:
        found = path(self, number)
        if len(dropped) < 3:
            dropped.append(number)
            found.unlink()
        return found

    monkeypatch.setattr(Depot, "path", dropping)
    whole = rows_of(tmp_path / "origin" / "shards", manifest, kind, None)
    assert rows_of(here, manifest, kind, where)[0].rows[0].input_ids.tolist() == whole[0].rows[0].input_ids.tolist()
    assert dropped == [0, 0, 0]


def test_what_a_kill_has_left_half_written_is_fetched_anew(tmp_path: Path) -> None:
    manifest, here, where = elsewhere(tmp_path, "packed")
    whole = (tmp_path / "origin" / "shards" / manifest.shards[0].file).read_bytes()
    (here / manifest.shards[0].file).write_bytes(whole[:-1] + b"?")
    assert where.path(0).read_bytes() == whole


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"path": "a", "held": "x"}', '{"path": "a"}', "\xff"])
def test_a_note_that_cannot_be_read_is_one_sentence(tmp_path: Path, text: str) -> None:
    manifest, here, _ = elsewhere(tmp_path, "packed")
    (here / depot.NAME).write_text(text, "latin-1")
    with pytest.raises(Refusal, match=r"streamed\.json: cannot be read .* run the stage of kind 'fetch' again"):
        depot_of(here, manifest)


@pytest.mark.parametrize("change", ["absent", "damaged", "other", "counts"])
def test_sizes_that_do_not_fit_are_refused(tmp_path: Path, change: str) -> None:
    manifest, here, where = elsewhere(tmp_path, "rows")
    shard = manifest.shards[0]
    (index,) = [name for name in shard.files if name != shard.file]
    table = np.load(here / index)
    if change == "absent":
        shard.files.pop(index)
    elif change == "damaged":
        (here / index).write_bytes(b"\x93NUMPY")
    elif change == "counts":
        np.save(here / index, table[:-1])
    else:
        np.save(here / index, table + 1)
    reasons = {"absent": "older danlu", "damaged": "cannot be read", "counts": "no sizes of", "other": "do not fit"}
    with pytest.raises(Refusal, match=reasons[change]):
        _ = Rows(here, manifest, where)[0]


def test_shards_of_a_folder_are_read_without_those_that_come_later(tmp_path: Path) -> None:
    _, here, _ = elsewhere(tmp_path, "packed")
    with pytest.raises(Refusal, match="this shard is missing"):
        shards.read(here)
    manifest = shards.read(here, whole=False)
    index = next(name for name in manifest.shards[0].files if name != manifest.shards[0].file)
    (here / index).unlink()
    with pytest.raises(Refusal, match="this shard is missing"):
        shards.read(here, whole=False)
    assert json.loads((here / depot.NAME).read_text("utf-8"))["path"] == str(tmp_path / "origin")


def test_a_lock_that_a_process_of_another_machine_left_holds_nobody_up(tmp_path: Path) -> None:
    manifest, here, where = elsewhere(tmp_path, "packed")
    name = manifest.shards[0].file
    (here / f".{name}.lock").write_text("77 another-machine", "utf-8")
    (here / f".{name}.0123abcd.partial").write_bytes(b"what was fetched until then")
    assert where.path(0).is_file()
    assert not list(here.glob("*.partial"))


@pytest.mark.parametrize("held_by_another", [False, True])
def test_who_stops_waits_for_nothing_that_is_under_way(
    tmp_path: Path, held_by_another: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, here, where = elsewhere(tmp_path, "packed")
    heard: list[tuple[str, float]] = []
    where.waits = lambda why, seconds: (heard.append((why, seconds)), where.stopped.set())[0]
    begun = time.monotonic()
    if held_by_another:
        other = FileLock(here / f".{manifest.shards[0].file}.lock", is_singleton=False)
        threading.Timer(0.3, where.stopped.set).start()
        with other, pytest.raises(CancelledError):
            where.path(0)
    else:
        monkeypatch.setattr(Origin, "bring", lambda *_: (_ for _ in ()).throw(Refusal("the network is away")))
        with pytest.raises(CancelledError):
            where.path(0)
        assert heard == [("the network is away", depot.PAUSES[0])]
    assert time.monotonic() - begun < sum(depot.PAUSES) / 2


@pytest.mark.parametrize("kind", KINDS)
def test_rows_read_anywhere_never_hold_more_than_may_be(tmp_path: Path, kind: str) -> None:
    manifest, here, where = elsewhere(tmp_path, kind)
    streamed = rows_of(here, manifest, kind, where)
    for number in [*range(len(streamed)), *range(0, len(streamed), 7)]:
        _ = streamed[number]
        assert sum((here / name).stat().st_size for name in here_now(here, manifest)) <= where.held


def test_a_row_costs_the_same_among_few_and_among_many(tmp_path: Path) -> None:
    manifest = made(tmp_path / "rows", "rows")
    rows = Rows(tmp_path / "rows", manifest)
    assert rows.sizes is rows.sizes
    assert len(rows) == len(rows.sizes) == manifest.count


def test_a_manifest_that_counts_other_rows_than_there_are_is_refused(tmp_path: Path) -> None:
    manifest = made(tmp_path / "rows", "rows")
    first, *others = manifest.shards
    wrong = replace(manifest, shards=(replace(first, count=first.count + 1), *others))
    with pytest.raises(Refusal, match="sizes do not fit its rows; write the shards again"):
        Rows(tmp_path / "rows", wrong)
