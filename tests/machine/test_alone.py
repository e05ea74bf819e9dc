import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from filelock import FileLock

from danlu.machine.alone import NAME, alone_in, among_others_in, one_at_a_time
from danlu.refusal import Refusal

CONTEST = """
import os, sys, time
from pathlib import Path
from danlu.machine.alone import alone_in
from danlu.refusal import Refusal
folder = Path(sys.argv[1])
(folder / f"ready-{os.getpid()}").touch()
while not (folder / "go").exists():
    time.sleep(0.001)
try:
    with alone_in(folder):
        (folder / "inside").touch(exist_ok=False)
        time.sleep(0.3)
        (folder / "inside").unlink()
        print("held")
except Refusal:
    print("refused")
"""


def test_the_folder_is_free_before_and_after(tmp_path: Path) -> None:
    for _ in range(2):
        with alone_in(tmp_path / "deep" / "run"):
            assert (tmp_path / "deep" / "run" / NAME).exists()
    assert not (tmp_path / "deep" / "run" / NAME).exists()


def test_a_holder_that_lives_is_named(tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(Refusal, match=f"process {os.getpid()} on"), alone_in(tmp_path):
        pass


def test_an_error_inside_frees_the_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyError), alone_in(tmp_path):
        raise KeyError
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize(
    "left",
    [
        f"4194304 {socket.gethostname()} 1",  # no process has this number
        f"{os.getpid()} {socket.gethostname()} 1",  # this number was given again to a younger process
        "not what we write",
        "² host 1",
        "",
    ],
    ids=["no process", "a younger process", "not ours", "no number", "empty"],
)
def test_what_a_dead_process_left_is_taken_over(tmp_path: Path, left: str) -> None:
    (tmp_path / NAME).write_text(left)
    with alone_in(tmp_path):
        assert (tmp_path / NAME).read_text().startswith(f"{os.getpid()} ")
    assert not (tmp_path / NAME).exists()


def test_a_process_on_another_machine_is_taken_at_its_word(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("1 elsewhere 5")
    with pytest.raises(Refusal, match="process 1 on elsewhere"), alone_in(tmp_path):
        pass
    assert (tmp_path / NAME).read_text() == "1 elsewhere 5"


def test_of_several_that_take_over_at_once_one_holds(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(f"4194304 {socket.gethostname()} 1")
    command = [sys.executable, "-c", CONTEST, str(tmp_path)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    while len(list(tmp_path.glob("ready-*"))) < 4:
        time.sleep(0.01)
    (tmp_path / "go").touch()
    said = [racer.communicate()[0].strip() for racer in racers]
    assert "held" in said
    assert set(said) <= {"held", "refused"}


def test_a_note_that_goes_while_it_is_read_names_nobody(tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.MonkeyPatch.context() as patch:
        (tmp_path / NAME).unlink()
        patch.setattr(Path, "is_file", lambda _path: True)  # as it was a moment ago
        with pytest.raises(Refusal, match="process unknown"), alone_in(tmp_path):
            pass


def _link(file: Path) -> None:
    file.symlink_to(file.with_name("nowhere"))


def _pipe(file: Path) -> None:
    os.mkfifo(file)


def _bytes(file: Path) -> None:
    file.write_bytes(bytes(range(256)))


@pytest.mark.parametrize("name", [NAME, f"{NAME}.lock"])
@pytest.mark.parametrize("plant", [_link, _pipe, _bytes, Path.mkdir])
def test_whatever_lies_there_the_folder_is_held_or_refused(
    tmp_path: Path, name: str, plant: Callable[[Path], None]
) -> None:
    plant(tmp_path / name)
    refused = plant is Path.mkdir or (plant is _link and name != NAME)
    with pytest.raises((Refusal, OSError), match=name) if refused else nullcontext(), alone_in(tmp_path):
        assert (tmp_path / NAME).read_text().startswith(f"{os.getpid()} ")
    assert not (tmp_path / "nowhere").exists()


def test_many_work_among_others_but_none_beside_one_that_wants_to_be_alone(tmp_path: Path) -> None:
    held = f"process {os.getpid()} on .* is running here"
    with among_others_in(tmp_path), among_others_in(tmp_path), pytest.raises(Refusal, match=held), alone_in(tmp_path):
        pass
    with alone_in(tmp_path), pytest.raises(Refusal, match="is running here"), among_others_in(tmp_path):
        pass
    assert {path.name for path in tmp_path.iterdir()} <= {f"{NAME}.lock"}


def test_what_others_left_that_were_killed_is_no_hindrance_and_goes(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from danlu.machine.alone import among_others_in, one_at_a_time\n"
        "with among_others_in(Path(sys.argv[1])), one_at_a_time(Path(sys.argv[1]), 'model.1', print):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode < 0
    assert len(list(tmp_path.glob(f"{NAME}.*"))) >= 4
    with one_at_a_time(tmp_path, "model.1", pytest.fail), among_others_in(tmp_path):
        pass
    with alone_in(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {NAME, f"{NAME}.lock"}


def test_the_note_of_one_that_was_killed_keeps_nobody_out(tmp_path: Path) -> None:
    """It goes with the first who enters, and before that, another who is just entering is waited for."""
    (tmp_path / NAME).write_text(f"4194304 {socket.gethostname()} 1")  # no process has this number
    entering = FileLock(tmp_path / f"{NAME}.lock", is_singleton=False, thread_local=False)
    entering.acquire()
    threading.Timer(0.3, entering.release).start()
    with among_others_in(tmp_path):
        assert not (tmp_path / NAME).exists()


def test_the_same_thing_is_done_by_one_at_a_time_and_others_say_for_whom_they_wait(tmp_path: Path) -> None:
    order, said = list[str](), list[str]()
    waits = threading.Event()

    def second() -> None:
        with one_at_a_time(tmp_path, "model.1", lambda line: (said.append(line), waits.set())):
            order.append("second")

    thread = threading.Thread(target=second)
    with one_at_a_time(tmp_path, "model.1", said.append), one_at_a_time(tmp_path, "model.2", said.append):
        thread.start()
        assert waits.wait(60)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert len(said) == 1
    assert f"waits for process {os.getpid()} on {socket.gethostname()}" in said[0]


def test_a_job_that_is_queued_anew_goes_on_where_its_machines_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm begins it anew once all of its machines are free, perhaps on others."""
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    for note, free in (
        ("4242 node17 slurm-77 0", True), ("4242 node17 slurm-77 1", False), ("4242 node17 slurm-78 0", False),
        ("4242 node17", False), ("4242 node17 slurm-77 x", False),
    ):  # fmt: skip
        (tmp_path / NAME).write_text(note)
        if not free:
            with pytest.raises(Refusal, match="process 4242 on node17"), alone_in(tmp_path):
                pass
            continue
        with alone_in(tmp_path):
            assert (tmp_path / NAME).read_text() == f"{os.getpid()} {socket.gethostname()} slurm-77 1"
    monkeypatch.delenv("SLURM_JOB_ID")
    (tmp_path / NAME).write_text("4242 node17 slurm-77 0")
    with pytest.raises(Refusal, match="process 4242 on node17"), alone_in(tmp_path):
        pass
