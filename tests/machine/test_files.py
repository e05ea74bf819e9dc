import errno
import hashlib
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from danlu.machine.files import (
    copy_file,
    folder_in_place,
    full_disk_refused,
    refuse_unwritable,
    sha256,
    write_bytes,
    write_text,
)
from danlu.refusal import Refusal


def test_text_is_written_in_utf8_without_traces(tmp_path: Path) -> None:
    write_text(tmp_path / "deep" / "a.txt", "丹炉\n")
    assert (tmp_path / "deep" / "a.txt").read_bytes() == b"\xe4\xb8\xb9\xe7\x82\x89\n"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.txt"]


def test_an_older_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"long before")
    write_bytes(tmp_path / "a", b"now")
    assert (tmp_path / "a").read_bytes() == b"now"


def test_sha256_is_that_of_the_standard(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    # the example of FIPS 180-4
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "b").write_bytes(bytes(10_000_000))
    assert sha256(tmp_path / "b") == hashlib.sha256(bytes(10_000_000)).hexdigest()


def test_a_folder_appears_only_when_whole(tmp_path: Path) -> None:
    final = tmp_path / "bundle"
    with folder_in_place(final) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "a").write_text("a")
        assert folder.parent == tmp_path
        assert not final.exists()
    assert (final / "inner" / "a").read_text() == "a"
    assert list(tmp_path.iterdir()) == [final]


def test_a_folder_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    final = tmp_path / "bundle"
    with folder_in_place(final) as folder:
        (folder / "a").write_text("old")

    def fail_half_way() -> None:
        with folder_in_place(final) as folder:
            (folder / "a").write_text("new")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert (final / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [final]


def test_a_whole_folder_replaces_an_older_one(tmp_path: Path) -> None:
    final = tmp_path / "bundle"
    for text in ("old", "new"):
        with folder_in_place(final) as folder:
            (folder / text).write_text(text)
    assert [path.name for path in final.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [final]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_is_one_sentence() -> None:
    with (
        pytest.raises(Refusal, match="jsonl: the disk is full"),
        full_disk_refused(Path("runs/log.jsonl")),
        Path("/dev/full").open("w") as file,
    ):
        file.write("x" * 100_000)


def test_a_file_that_finds_no_room_leaves_nothing_half_written(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    script = (
        "import resource, sys; from pathlib import Path; from danlu.machine.files import write_bytes\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_bytes(Path(sys.argv[1]), b'x' * 5000)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a")], check=False, capture_output=True, text=True
    )
    assert "Refusal" in ran.stderr
    assert "the disk is full" in ran.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def test_a_full_disk_reported_by_other_libraries_is_recognised(tmp_path: Path) -> None:
    words = "Error while serializing: I/O error: No space left on device (os error 28)"
    with pytest.raises(Refusal, match="bundle: the disk is full"), folder_in_place(tmp_path / "bundle"):
        raise ValueError(words)
    assert list(tmp_path.iterdir()) == []


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), full_disk_refused(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "no")


def test_a_place_that_cannot_be_written_to_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    refuse_unwritable(tmp_path / "new" / "page.html")
    refuse_unwritable(tmp_path / "file")
    with pytest.raises(Refusal, match="is a folder; name a file in it"):
        refuse_unwritable(tmp_path)
    with pytest.raises(Refusal, match="file is no folder that may be written to"):
        refuse_unwritable(tmp_path / "file" / "page.html")
    with pytest.raises(Refusal, match="/dev/null: is no ordinary file"):
        refuse_unwritable(Path("/dev/null"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_copy_is_whole_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"long " * 1000)
    (tmp_path / "b").write_bytes(b"old")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(Refusal, match="the disk is full"):
            copy_file(tmp_path / "a", tmp_path / "b")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (tmp_path / "b").read_bytes() == b"old"
    copy_file(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
