"""Files that are either whole or not there: written beside, synced, and renamed into place."""

import errno
import glob
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from danlu.refusal import Refusal

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def full_disk_refused(path: Path) -> Iterator[None]:
    """Turn what goes wrong for want of space while `path` is written into one sentence.

    Libraries report a full disk in their own ways (`OSError`, Rust's text, torch's stream writer), so their
    words and the space that is left are looked at as well as the error's number.

    Raises:
        Refusal: the disk that holds `path` is full.
    """
    try:
        yield
    except Refusal:
        raise
    except Exception as error:
        if _means_full_disk(error, path):
            raise Refusal(
                f"{path}: the disk is full, so this was not written; free some space or choose another folder, "
                "then run the same command again"
            ) from error
        raise


@contextmanager
def bytes_in_place(path: Path) -> Iterator[IO[bytes]]:
    """A stream of bytes that become the file once all are written: readers see the old one or the new one.

    What a link points to is written, and the link stays; what is no file (a pipe, a terminal, `/dev/stdout`) takes
    the bytes as they come.

    Raises:
        Refusal: the disk is full; the old file is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if _is_stream(path):
        with _opened(path) as stream:
            yield stream
        return
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    temporary = _beside(path)
    try:
        with full_disk_refused(path):
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file as a whole, as `bytes_in_place` does.

    Raises:
        Refusal: the disk is full; the old file is untouched.
    """
    with bytes_in_place(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 as a whole, as `write_bytes` does.

    Raises:
        Refusal: the disk is full; the old file is untouched.
    """
    write_bytes(path, text.encode("utf-8"))


def copy_file(source: Path, final: Path) -> None:
    """Copy a file as a whole.

    Raises:
        Refusal: the disk is full; what was there before is untouched.
    """
    temporary = _beside(final)
    try:
        with full_disk_refused(final):
            shutil.copyfile(source, temporary)
            move_into_place(temporary, final)
    finally:
        temporary.unlink(missing_ok=True)


def refuse_itself(output: Path, given: str | Path) -> None:
    """Raise `Refusal` where what is to be written is the very file that is read."""
    if output.is_file() and Path(given).exists() and output.samefile(given):
        raise Refusal(f"{output}: is the file that is read, and would be lost; give another name")


@contextmanager
def folder_in_place(final: Path) -> Iterator[Path]:
    """A new folder beside `final` that becomes `final` once all is written, and is removed if that fails.

    A `final` that is there already is replaced only when the new folder is whole.

    Raises:
        Refusal: the disk is full; what was there before is untouched.
    """
    if final.is_symlink():  # it stays, and what it names is new
        named = Path(os.path.realpath(final))
        if named.is_symlink() or (named.exists() and not named.is_dir()):
            raise Refusal(f"{final}: is a link to no folder; remove it, or give another name")
        final = named
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(final)
    replaced = _beside(final)
    try:
        with full_disk_refused(final):
            temporary.mkdir()
            yield temporary
            sync_tree(temporary)
        if final.exists():
            final.rename(replaced)
        temporary.rename(final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        if replaced.exists() and not final.exists():
            replaced.rename(final)
        raise
    _sync_folder(final.parent)
    shutil.rmtree(replaced, ignore_errors=True)


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """A new folder for work on what will be `beside`, on the same disk; removed at the end, whatever happens.

    What a killed process left of such a folder is removed too: one process at a time works on `beside`.

    Raises:
        Refusal: the disk is full.
    """
    beside.parent.mkdir(parents=True, exist_ok=True)
    for left in beside.parent.glob(f".{glob.escape(beside.name)}.*.scratch"):
        shutil.rmtree(left, ignore_errors=True)
    folder = _beside(beside).with_suffix(".scratch")
    try:
        with full_disk_refused(beside):
            folder.mkdir()
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def refuse_unwritable(path: Path) -> None:
    """Tell before the work, and not after it, that its result could not be written to a file of this name.

    Raises:
        Refusal: the path is a folder, a disk or a socket, or lies where nothing may be written.
    """
    if path.is_dir():
        raise Refusal(f"{path}: is a folder; name a file in it")
    if path.is_block_device() or path.is_socket():
        raise Refusal(f"{path}: is no ordinary file; name another, or leave it out")
    if _is_stream(path):
        if not os.access(path, os.W_OK):
            raise Refusal(f"{path}: may not be written to; choose another place")
        return
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise Refusal(f"{path}: {there} is no folder that may be written to; choose another place")


def move_into_place(written: Path, final: Path) -> None:
    """Rename a file that was written on the same disk, once its bytes are safe."""
    _sync(written)
    written.replace(final)
    _sync_folder(final.parent)


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_stream(path: Path) -> bool:
    """Whether a path stands for something that flows: a pipe, a terminal, or a file that is open already."""
    if str(path.absolute().parent) in ("/dev", "/dev/fd", "/proc/self/fd"):
        return path.exists()
    return path.exists() and not path.is_file()


def _opened(path: Path) -> IO[bytes]:
    """A stream to write to; standard output is gone on with where it stands, not begun anew."""
    for number in (1, 2):
        if os.path.samestat(path.stat(), os.fstat(number)):
            return os.fdopen(os.dup(number), "wb")
    return path.open("wb")


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")


def _means_full_disk(error: Exception, path: Path) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    if any(words in str(error) for words in ("No space left", "os error 28", "StorageFull")):
        return True
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    return shutil.disk_usage(folder).free < 2**16  # bytes: less than any file that we write


def sync_tree(folder: Path) -> None:
    """Make sure that all in a folder is on the disk."""
    for root, _, names in os.walk(folder):
        for name in names:
            _sync(Path(root) / name)
        _sync_folder(Path(root))


def _sync_folder(folder: Path) -> None:
    if os.name != "nt":  # Windows has no handle of a folder to sync
        _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
