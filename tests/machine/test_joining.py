"""How processes find each other, and the sentences where they do not."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import started
import torch.distributed as dist
import yaml

from danlu.machine.ended import ENDED
from danlu.machine.heartbeat import Heartbeat
from danlu.machine.joining import Places, asked_for, joined, refuse_missing_device
from danlu.machine.processes import free_port, judged, several_machines, start
from danlu.machine.ranks import ALONE, Dismissed, Ranks
from danlu.refusal import Refusal

ROOT = Path(__file__).parents[2]


def variables(**changed: str) -> dict[str, str]:
    given = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    return given | changed


def set_all(patch: pytest.MonkeyPatch, given: dict[str, str]) -> dict[str, str]:
    for name, value in given.items():
        patch.setenv(name, value)
    return given


def test_one_process_is_alone() -> None:
    assert Places.of({}) is None
    assert Places.of({"WORLD_SIZE": "1", "RANK": "0"}) is None
    with joined(0.1) as ranks:
        assert ranks is ALONE
    assert (ALONE.first, ALONE.several, ALONE.place(3)) == (True, False, 3)


def test_places_are_read_from_what_torchrun_sets() -> None:
    places = Places.of(variables(RANK="3", WORLD_SIZE="4", LOCAL_RANK="1", LOCAL_WORLD_SIZE="2", MASTER_PORT="5"))
    assert places == Places(3, 4, 1, 2, "127.0.0.1", 5)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"RANK": "2"}, "RANK is 2 and WORLD_SIZE 2; ranks are counted from 0"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two'; expected a number"),
        ({"MASTER_PORT": "x"}, "MASTER_PORT is 'x'; expected a number"),
    ],
)
def test_variables_that_do_not_fit_are_refused(changed: dict[str, str], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        Places.of(variables(**changed))


def test_who_has_not_come_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, variables(WORLD_SIZE="3"))
    words = r"1 of 3 processes have come within 0\.3 s; missing: rank 1, 2; start them"
    with pytest.raises(Refusal, match=words), joined(0.3):
        pass


def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        set_all(monkeypatch, variables(MASTER_PORT=str(port)))
        with pytest.raises(Refusal, match=f"port {port} of 127.0.0.1 is taken by another program"), joined(1.0):
            pass


def test_a_first_rank_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    given = set_all(monkeypatch, variables(RANK="1"))
    words = f"rank 1 on .* cannot reach the first rank at 127.0.0.1:{given['MASTER_PORT']} within 1 s"
    with pytest.raises(Refusal, match=words), joined(1.0):
        pass


def test_a_gpu_that_is_not_there_is_named() -> None:
    places = Places(2, 4, 2, 4, "127.0.0.1", 1)
    refuse_missing_device(places, 0)
    refuse_missing_device(places, 4)
    with pytest.raises(Refusal, match="there is no GPU number 2 here, for this machine has 2; start at most 2"):
        refuse_missing_device(places, 2)


def at_once(count: int, work: Callable[[Ranks], Any]) -> list[Any]:
    """What `work` gives, or raises, as each of several ranks, which are threads here."""
    store, found = dist.HashStore(), [None] * count

    def one(rank: int) -> None:
        try:
            found[rank] = work(Ranks(rank, count, rank, None, store))
        except (Refusal, Dismissed) as error:
            found[rank] = error

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return found


def test_the_first_tells_and_the_others_hear() -> None:
    def work(ranks: Ranks) -> Any:
        told = ranks.told(lambda: {"rank": ranks.rank, "score": 0.1 + 0.2})
        if ranks.first:
            ranks.tell({"stage": "模型"})
            ranks.tell(None)
            return told
        return told, ranks.hear(), ranks.hear()

    first, *others = at_once(3, work)
    assert first == {"rank": 0, "score": 0.1 + 0.2}
    assert others == [(first, {"stage": "模型"}, None)] * 2


def test_a_meeting_goes_on_where_all_see_the_same() -> None:
    def work(ranks: Ranks) -> str:
        with ranks.meeting() as facts:
            facts["data"] = "abc"
        return "on"

    assert at_once(3, work) == ["on"] * 3


def test_a_rank_that_sees_other_data_is_named_once() -> None:
    def work(ranks: Ranks) -> None:
        with ranks.meeting() as facts:
            facts["version of torch"] = "2.13"
            facts["SHA-256 of reviews.csv"] = "abc" if ranks.rank < 2 else "def"

    first, *others = at_once(3, work)
    assert re.match(r"rank 2 on \S+: SHA-256 of reviews.csv: def, and the first rank has abc; all ranks", str(first))
    assert [type(each) for each in others] == [Dismissed] * 2


@pytest.mark.parametrize("who", [0, 1])
def test_what_one_rank_refuses_stops_all_and_is_said_once(who: int) -> None:
    def work(ranks: Ranks) -> None:
        with ranks.meeting():
            if ranks.rank == who:
                raise Refusal("recipe.yaml: is not there")

    first, other = at_once(2, work)
    assert str(first).endswith("recipe.yaml: is not there")
    assert str(first).startswith("rank 1 on") is (who == 1)
    assert isinstance(other, Dismissed)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


@pytest.mark.parametrize("beats", [True, False])
def test_who_beats_no_more_is_named_and_so_is_who_never_did(beats: bool) -> None:
    store = dist.HashStore()
    now = [0.0]
    hearts = {
        rank: Heartbeat(store, rank, 3, period=0.01, clock=lambda: now[0]) for rank in (0, 1, 2) if beats or rank != 1
    }
    try:
        if beats:
            until(lambda: hearts[0].heard[1][0] != b"")
            hearts[1].stop()
        until(lambda: hearts[0].heard[2][0] != b"" and hearts[2].heard[0][0] != b"")
        for seconds in (0.0, 20.0):  # what it beat last is heard before the clock goes on
            now[0] = seconds
            before = int(store.get("beat/2"))
            until(lambda wanted=before + 3: int(hearts[0].heard[2][0]) >= wanted)
            first = int(store.get("beat/0"))
            until(lambda wanted=first + 3: int(hearts[2].heard[0][0]) >= wanted)
        assert hearts[0].lost() == "rank 1 has ended"
        assert hearts[2].lost() == "rank 1 has ended"
    finally:
        for heart in hearts.values():
            heart.stop()


def test_the_status_of_all_is_that_of_the_first_that_ended_for_its_own_sake() -> None:
    assert judged({0: 0, 1: 0}) == 0
    assert judged({1: ENDED, 0: 2}) == 2
    assert judged({1: ENDED}) == ENDED
    with pytest.raises(Refusal, match="rank 3 was ended by SIGKILL, and so the others were ended as well"):
        judged({2: ENDED, 3: -9, 0: 1})


@pytest.mark.parametrize("count", [0, 1000])
def test_a_number_of_processes_that_nobody_means_is_refused(count: int) -> None:
    with pytest.raises(Refusal, match="expected 1 to 256"):
        start(count, ["run", "x.yaml"], print)


def test_the_line_for_several_machines_is_the_same_command() -> None:
    line = several_machines(4, ["run", "my recipe.yaml"])
    assert line.startswith("torchrun --nnodes MACHINES --nproc-per-node 4 ")
    assert line.endswith("-m danlu run 'my recipe.yaml'")


def test_the_slurm_example_is_sound() -> None:
    script = ROOT / "examples" / "cluster" / "slurm.sbatch"
    subprocess.run(["bash", "-n", script], check=True)
    text = script.read_text(encoding="utf-8")
    options = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)", text, re.MULTILINE))
    assert text.startswith("#!/bin/bash\n")
    assert {"nodes", "ntasks-per-node", "gpus-per-node", "time"} <= options.keys()
    assert options["ntasks-per-node"] == "1"
    ranks = int(options["nodes"]) * int(options["gpus-per-node"])
    assert f"--nproc-per-node {options['gpus-per-node']} " in text
    assert f"model.train.accumulate={ranks}\n" in text
    assert text.index("#SBATCH --output") < text.index("set -euo")  # what comes after a command is not read


def test_the_example_for_kubernetes_has_what_a_pytorchjob_needs() -> None:
    job = yaml.safe_load((ROOT / "examples" / "cluster" / "pytorchjob.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "PyTorchJob")
    assert re.fullmatch(r"[a-z0-9-]+", job["metadata"]["name"])
    replicas = job["spec"]["pytorchReplicaSpecs"]
    assert replicas.keys() == {"Master", "Worker"}
    assert replicas["Master"]["replicas"] == 1
    each = int(job["spec"]["nprocPerNode"])
    ranks = each * sum(kind["replicas"] for kind in replicas.values())
    for kind in replicas.values():
        assert kind["restartPolicy"] in ("OnFailure", "Always", "Never", "ExitCode")
        spec = kind["template"]["spec"]
        (container,) = [each for each in spec["containers"] if each["name"] == "pytorch"]
        assert container["command"][:4] == ["torchrun", "-m", "danlu", "run"]
        assert f"model.train.accumulate={ranks}" in container["command"]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == each
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}


@pytest.mark.parametrize("ignored", [False, True])
def test_who_is_told_to_end_ends_all_and_who_ignores_a_hangup_goes_on(ignored: bool) -> None:
    """`kill`, `timeout` and services tell the one process that they know; `nohup` lets it ignore that."""
    code = (
        "import signal, sys\nfrom danlu.machine import processes\n"
        f"signal.signal(signal.SIGHUP, signal.SIG_IGN if {ignored} else signal.SIG_DFL)\n"
        "one = [sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(60)']\n"
        "started = [processes.subprocess.Popen(one) for _ in range(2)]\n"
        "print(*(each.pid for each in started), flush=True)\n"
        "try:\n    processes._watched(started)\nexcept processes.Refusal as told:\n    print(told)\n"
    )
    with started.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as whole:
        assert whole.stdout is not None
        lines = [whole.stdout.readline().split() for _ in range(3)]
        pids = [int(pid) for line in lines if len(line) == 2 for pid in line]
        if ignored:
            whole.send_signal(signal.SIGHUP)
            with pytest.raises(subprocess.TimeoutExpired):
                whole.wait(0.5)
        number = signal.SIGTERM if ignored else signal.SIGHUP
        whole.send_signal(number)
        assert whole.stdout.read().startswith(
            f"ended by {number.name}, and so were all its processes; the same command"
        )
    assert len(pids) == 2
    assert not any(map(psutil.pid_exists, pids))


def test_threads_that_somebody_has_asked_for_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", asked.append)
    monkeypatch.setattr("danlu.machine.joining._store", lambda *_: 1 / 0)
    set_all(monkeypatch, variables(OMP_NUM_THREADS="1", LOCAL_WORLD_SIZE="1"))
    for torchrun, count in ((False, 0), (True, 1)):
        if torchrun:
            monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
        else:
            monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
        with pytest.raises(ZeroDivisionError), joined(0.1):
            pass
        assert len(asked) == count


def test_one_thread_can_be_asked_for_under_torchrun_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", asked.append)
    monkeypatch.setattr("danlu.machine.joining._store", lambda *_: 1 / 0)
    assert (asked_for(1), asked_for(4)) == ("1", "4")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    assert asked_for(4) == "4"
    set_all(monkeypatch, variables(OMP_NUM_THREADS=asked_for(1)))
    with pytest.raises(ZeroDivisionError), joined(0.1):
        pass
    assert asked == []
