import errno
import hashlib
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from danlu.machine.files import (
    copy_file,
    folder_in_place,
    full_disk_refused,
    refuse_itself,
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


def test_a_place_that_cannot_be_written_to_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    refuse_unwritable(tmp_path / "new" / "page.html")
    refuse_unwritable(tmp_path / "file")
    with pytest.raises(Refusal, match="is a folder; name a file in it"):
        refuse_unwritable(tmp_path)
    with pytest.raises(Refusal, match="file is no folder that may be written to"):
        refuse_unwritable(tmp_path / "file" / "page.html")
    refuse_unwritable(Path("/dev/null"))
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("socket")
        with pytest.raises(Refusal, match="socket: is no ordinary file"):
            refuse_unwritable(tmp_path / "socket")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "socket"]


def _link(path: Path) -> Path:
    path.with_name("target").write_text("before")
    path.symlink_to(path.with_name("target"))
    return path.with_name("target")


def _link_to_link(path: Path) -> Path:
    target = _link(path.with_name("second"))
    path.symlink_to("second")
    return target


def _dangling(path: Path) -> Path:
    path.symlink_to(path.with_name("target"))
    return path.with_name("target")


@pytest.mark.parametrize("plant", [_link, _link_to_link, _dangling])
def test_what_a_link_points_to_is_written_and_the_link_stays(tmp_path: Path, plant: Callable[[Path], Path]) -> None:
    target = plant(tmp_path / "name")
    refuse_unwritable(tmp_path / "name")
    write_text(tmp_path / "name", "after")
    assert (tmp_path / "name").is_symlink()
    assert not target.is_symlink()
    assert target.read_text() == "after"
    assert not list(tmp_path.glob(".*"))


def test_a_pipe_stays_one_and_its_reader_gets_what_is_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refuse_unwritable(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE, text=True) as reader:
        write_text(tmp_path / "pipe", "through")
        assert reader.communicate()[0] == "through"
    assert (tmp_path / "pipe").is_fifo()


def test_standard_output_is_gone_on_with_where_it_stands(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from danlu.machine.files import write_text; write_text(Path('/dev/stdout'), 'b')"
    )
    with (tmp_path / "out").open("w") as out:
        out.write("a")
        out.flush()
        subprocess.run([sys.executable, "-c", script], stdout=out, check=True)
        out.seek(0, os.SEEK_END)
        out.write("c")
    assert (tmp_path / "out").read_text() == "abc"


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


def test_a_folder_that_is_reached_through_a_link_is_replaced_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "releases" / "3").mkdir(parents=True)
    link = tmp_path / "current"
    link.symlink_to(tmp_path / "releases" / "3")
    with folder_in_place(link) as folder:
        (folder / "a").write_text("new")
    assert link.is_symlink()
    assert (tmp_path / "releases" / "3" / "a").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["current", "releases"]
    assert [path.name for path in (tmp_path / "releases").iterdir()] == ["3"]


def test_a_link_to_no_folder_is_refused_and_what_it_names_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "a").symlink_to(tmp_path / "file")
    (tmp_path / "b").symlink_to(tmp_path / "c")
    (tmp_path / "c").symlink_to(tmp_path / "b")
    for name in ("a", "b"):
        with pytest.raises(Refusal, match="is a link to no folder"), folder_in_place(tmp_path / name):
            pass
    assert (tmp_path / "file").read_text() == "x"
    (tmp_path / "later").symlink_to("releases")
    with folder_in_place(tmp_path / "later") as folder:
        (folder / "a").write_text("new")
    assert (tmp_path / "releases" / "a").read_text() == "new"


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for output in ("a", "b"):
        with pytest.raises(Refusal, match="is the file that is read, and would be lost; give another name"):
            refuse_itself(tmp_path / output, str(tmp_path / "a"))
    refuse_itself(tmp_path / "c", tmp_path / "a")
    refuse_itself(tmp_path / "a", "-")
