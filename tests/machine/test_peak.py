"""What memory a process holds, on every system."""

import mmap
import re
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

import danlu
from danlu.machine.peak import Peak, room

SIZE = 2**28
SEEN = 0.7 * SIZE  # what else the process held may be let go of meanwhile


def test_the_peak_counts_what_was_let_go_again():
    with Peak() as before:
        pass
    with Peak() as peak:
        held = mmap.mmap(-1, SIZE)  # what is asked of the allocator, it may keep for the next
        np.frombuffer(held, np.uint8).fill(1)
        end = time.monotonic() + 20
        while peak.bytes < before.bytes + SEEN and time.monotonic() < end:
            time.sleep(0.001)  # a busy machine lets who watches wait
        held.close()
    with Peak() as after:
        pass
    assert peak.bytes >= before.bytes + SEEN
    assert after.bytes < peak.bytes - 0.5 * SIZE


def test_room_ends_where_a_container_does(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("danlu.machine.peak.free_memory", lambda: 1000.0)
    held = psutil.Process().memory_info().rss
    assert 0.5 * held < room() < 1.5 * held + 1000


def test_room_is_what_the_system_has_left_and_what_is_held():
    told = Path("/proc/meminfo")
    if not told.is_file():
        pytest.skip("only Linux tells it in a file as well")
    total = int(next(line for line in told.read_text().splitlines() if line.startswith("MemTotal")).split()[1]) * 1024
    assert 0 < room() <= 1.5 * total


def test_nothing_of_one_system_alone_is_imported():
    files = list(Path(danlu.__file__).parent.rglob("*.py"))
    assert len(files) > 60
    for file in files:
        imported = re.findall(r"^\s*(?:import|from) (\w+)", file.read_text("utf-8"), re.MULTILINE)
        assert not {"resource", "fcntl", "termios", "pwd", "grp"} & set(imported), file
