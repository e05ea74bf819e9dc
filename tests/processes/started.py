"""Processes of Python that begin where danlu, torch and transformers were imported already, in a twentieth of a second.

`Popen` and `run` are those of `subprocess`, but a process such as `[sys.executable, "-m", "danlu", ...]` is forked from
one that has imported everything once, which takes 6 processor seconds (2026-11), and is as fresh otherwise: it has its
own environment, folder, standard streams, signals, `__main__` and exit functions. What is about the start itself
(options of Python, variables that are read on importing) is started as ever, as is everything off Linux.
"""

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
import warnings
from pathlib import Path
from types import FunctionType
from typing import Any, TextIO

READ_ON_IMPORTING = ("OMP", "MKL", "PYTHON", "HF", "TRANSFORMERS", "TORCH", "HOME", "PATH", "LD_")
LEADING = struct.Struct("q")  # a process's number, its status, and how long a request is
STREAMS = 3
WITH_THREADS = ("danlu.export", "danlu.apps.doctor")  # what onnxruntime begins is waited for at the end, and not forked


def run_in(program: list[str], words: list[str]) -> None:
    """Be the program `-m NAME`, `-c CODE` or `FILE`, in `__main__`."""
    sys.argv = [program[-1] if program[0] != "-c" else "-c", *words]
    main = sys.modules["__main__"]
    for name in [name for name in vars(main) if not name.startswith("__")]:
        delattr(main, name)
    if program[0] == "-m":
        sys.path.insert(0, str(Path.cwd()))
        sys.modules.pop(program[1], None)
        runpy._run_module_as_main(program[1])  # type: ignore[attr-defined]
        return
    if program[0] != "-c":
        sys.path.insert(0, str(Path(program[0]).parent))
        vars(main)["__file__"] = program[0]
    else:
        sys.path.insert(0, "")
    code = program[1] if program[0] == "-c" else Path(program[0]).read_bytes()
    exec(compile(code, "<string>" if program[0] == "-c" else program[0], "exec"), vars(main))


def ended(program: list[str], words: list[str]) -> int:
    """Run the program up to its exit functions; the status it ends with."""
    status: object = 0
    try:
        run_in(program, words)
    except SystemExit as asked:
        status = asked.code
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if not isinstance(status, int | None):
        print(status, file=sys.stderr)
        status = 1
    for written in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):
            written.flush()
    return int(status or 0)


def import_everything() -> None:
    """Every module of danlu, and what takes long of what they import where they need it."""
    import danlu

    for module in pkgutil.walk_packages(danlu.__path__, "danlu."):
        if not module.name.endswith("__main__") and not module.name.startswith(WITH_THREADS):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)
    for name in ("torch.optim", "transformers.models.bert.modeling_bert", "uvicorn", "danlu.serve.run"):
        importlib.import_module(name)


def stream(number: int, mode: str, like: Any) -> TextIO:
    """A standard stream as Python opens it: by lines to a terminal, and each write at once where that is asked for."""
    at_once = bool(os.environ.get("PYTHONUNBUFFERED")) and mode == "w"
    binary = open(number, mode + "b", buffering=0 if at_once else -1, closefd=False)  # noqa: SIM115
    return io.TextIOWrapper(
        binary, like.encoding, like.errors, line_buffering=number == 2 or os.isatty(number), write_through=at_once
    )


def begin(asked: dict[str, Any], streams: list[int]) -> None:
    """In a process that was just forked: be what was asked for, up to its program."""
    if asked["session"]:
        os.setsid()
    if asked["group"] is not None:
        os.setpgid(0, asked["group"])
    for number, given in enumerate(streams):
        os.dup2(given, number)
        os.close(given)
    sys.stdin, sys.stdout, sys.stderr = (
        stream(number, mode, like)
        for number, (mode, like) in enumerate([("r", sys.stdin), ("w", sys.stdout), ("w", sys.stderr)])
    )
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    for filters in asked["warnings"]:
        sys.warnoptions.append(filters)
        warnings._setoption(filters)  # type: ignore[attr-defined]


def serve(descriptor: int) -> tuple[list[str], list[str]] | None:
    """Fork a process for each request; return in it with its program and words, in the one that serves at the end."""
    gc.disable()  # else what is there to stay is looked through while it is imported, and copied for each that looks on
    import_everything()
    gc.freeze()
    gc.enable()
    assert threading.active_count() == 1, "a thread would be lost in what is forked"
    asking = socket.socket(fileno=descriptor)
    running: dict[int, tuple[int, int]] = {}
    selector = selectors.DefaultSelector()
    selector.register(asking, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is not asking:
                process, telling = running.pop(key.fd)
                selector.unregister(key.fd)
                with contextlib.suppress(BrokenPipeError):
                    os.write(telling, LEADING.pack(os.waitpid(process, 0)[1]))
                os.close(telling)
                os.close(key.fd)
                continue
            size, given, _, _ = socket.recv_fds(asking, LEADING.size, STREAMS + 1)
            if not size:
                return None
            length = LEADING.unpack(size)[0]
            asked = json.loads(asking.recv(length, socket.MSG_WAITALL))
            *streams, telling = given
            process = os.fork()
            if process == 0:
                selector.close()
                asking.close()
                for watched, told in [*running.items(), (None, (0, telling))]:
                    os.close(told[1])
                    if watched is not None:
                        os.close(watched)
                begin(asked, streams)
                return asked["program"], asked["words"]
            for number in streams:
                os.close(number)
            os.write(telling, LEADING.pack(process))
            watched = os.pidfd_open(process)
            running[watched] = process, telling
            selector.register(watched, selectors.EVENT_READ)


class _Forking:
    """The process that others are forked from, started when it is first asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asking: socket.socket | None = None
        self.environment: dict[str, str] = {}

    def asking(self) -> socket.socket:
        with self._lock:
            if self._asking is None:
                self._asking, other = socket.socketpair()
                here = str(Path(__file__).parent)
                code = f"import os, sys; sys.path.insert(0, {here!r}); import started; sys.path.pop(0)\n"
                code += f"asked = started.serve({other.fileno()})\nif asked: os._exit(started.ended(*asked))"
                self.environment = dict(os.environ)
                process = subprocess.Popen(
                    [sys.executable, "-c", code], pass_fds=[other.fileno()], stdin=subprocess.DEVNULL
                )
                other.close()
                atexit.register(self._end, process)
            return self._asking

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        if self._asking is not None:
            self._asking.close()
        process.wait()

    def importing(self) -> dict[str, str]:
        """The variables it had that are read on importing."""
        self.asking()
        return _importing(self.environment)

    def forked(self, asked: dict[str, Any], streams: list[int]) -> tuple[int, int]:
        """The number of the process, and where its status will be told."""
        told, telling = os.pipe()
        text = json.dumps(asked).encode()
        asking = self.asking()
        with self._lock:
            socket.send_fds(asking, [LEADING.pack(len(text))], [*streams, telling])
            asking.sendall(text)
        os.close(telling)
        number = os.read(told, LEADING.size)
        assert number, "the process that others are forked from has ended"
        return LEADING.unpack(number)[0], told


FORKING = _Forking()


def _program(words: list[str]) -> tuple[list[str], list[str], list[str]] | None:
    """The program, its words and the filters of warnings; None where the start itself is asked something."""
    if not words or words[0] != sys.executable:
        return None
    words, filters = words[1:], []
    while words[:1] == ["-W"]:
        filters.append(words[1])
        words = words[2:]
    if words[:1] in (["-m"], ["-c"]) and len(words) > 1:
        return words[:2], words[2:], filters
    if words and not words[0].startswith("-"):
        return words[:1], words[1:], filters
    return None


def _importing(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(READ_ON_IMPORTING)}


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """A process of `subprocess` that begins at once."""

    _told: int | None = None

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, *more: Any) -> None:
        _, pass_fds, cwd, env, _, _, shell, *streams = more
        session, group = streams[-2], streams[-1]
        program = None if isinstance(args, str | bytes) else _program([os.fspath(word) for word in args])
        environment = dict(os.environ if env is None else env)
        usual = not (executable or preexec_fn or pass_fds or shell) and sys.platform == "linux"
        if program is None or not usual or _importing(environment) != FORKING.importing():
            super()._execute_child(args, executable, preexec_fn, *more)  # type: ignore[misc]
            return
        given = [number if own == -1 else own for number, own in enumerate((streams[0], streams[3], streams[5]))]
        asked = {
            "program": program[0],
            "words": program[1],
            "warnings": program[2],
            "folder": os.fspath(cwd or Path.cwd()),
            "environment": environment,
            "session": bool(session),
            "group": None if group in (None, -1) else group,
        }
        self.pid, self._told = FORKING.forked(asked, given)
        self._child_created = True
        self._close_pipe_fds(*streams[:6])  # type: ignore[attr-defined]

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        """Its number and its status; zeros where it goes on and nobody waits for it."""
        if self._told is None:
            return super()._try_wait(wait_flags)  # type: ignore[misc]
        if wait_flags & os.WNOHANG and not select.select([self._told], [], [], 0)[0]:
            return 0, 0
        status = os.read(self._told, LEADING.size)
        os.close(self._told)
        self._told = None
        return self.pid, LEADING.unpack(status)[0]

    def _internal_poll(self, _deadstate: int | None = None) -> int | None:
        if self._told is None:
            return super()._internal_poll(_deadstate)  # type: ignore[misc]
        with self._waitpid_lock:  # type: ignore[attr-defined]
            if self.returncode is None:
                number, status = self._try_wait(os.WNOHANG)
                if number:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]
        return self.returncode


run = FunctionType(subprocess.run.__code__, vars(subprocess) | {"Popen": Popen})
run.__kwdefaults__ = subprocess.run.__kwdefaults__
