"""A PostgreSQL server of its own in a temporary folder, from Debian's package."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "not-to-be-told"


def missing() -> str:
    """Why there can be no server here; empty where there can."""
    if not _binaries():
        return "no PostgreSQL in /usr/lib/postgresql (Debian: apt-get install postgresql)"
    if os.name != "posix" or (os.geteuid() == 0 and not shutil.which("runuser")):
        return "PostgreSQL does not run as root, and there is no runuser"
    return ""


@contextmanager
def server() -> Iterator[str]:
    """The URL of its database, with a password, while it runs."""
    folder = Path(tempfile.mkdtemp(prefix="danlu-postgres-"))  # not below pytest's folder, which others may not enter
    try:
        password = folder / "password"
        password.write_text(PASSWORD)
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if user:
            for path in (folder, password):
                shutil.chown(path, "postgres")
        data = folder / "data"
        _run(user, "initdb", "-D", data, "-U", "me", "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        _run(user, "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            _run(user, "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    return found[-1] if found else None


def _run(user: list[str], program: str, *words: object) -> None:
    folder = _binaries()
    assert folder is not None
    command = [*user, str(folder / program), *map(str, words)]
    done = subprocess.run(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
