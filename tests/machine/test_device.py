import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from danlu.machine import device as machine
from danlu.machine.device import best_dtype, cores, device, matmul_rate


def test_cores_are_those_this_process_may_use() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no processor affinity")
    allowed = os.sched_getaffinity(0)
    assert cores() == len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_the_device_is_the_accelerator_if_there_is_one() -> None:
    assert device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_rate_is_measured_once_whatever_the_format(dtype: torch.dtype) -> None:
    rate = matmul_rate(dtype, seconds=0.02)
    assert 1e6 < rate < 1e16
    assert matmul_rate(dtype, seconds=0.02) == rate


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user who has never measured anything, in a process that has not either."""
    monkeypatch.setattr(machine, "cache_folder", lambda: tmp_path / "cache")
    for function in (matmul_rate, best_dtype):
        function.cache_clear()
    yield tmp_path / "cache"
    for function in (matmul_rate, best_dtype):
        function.cache_clear()


@pytest.mark.parametrize("advantage", [1.4, 1.6])
def test_bfloat16_is_chosen_only_where_it_is_faster(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, advantage: float
) -> None:
    monkeypatch.setattr(machine, "_rates_of_one_core", lambda dtypes: [1e11, advantage * 1e11])
    assert best_dtype() == (torch.bfloat16 if advantage > 1.5 else torch.float32)


@pytest.mark.parametrize("slow", [0, 1])
def test_a_moment_in_which_the_machine_is_busy_changes_no_choice(slow: int) -> None:
    """A product that takes ten times as long now and then, as it does beside other programs, is judged by its best."""
    now = 0.0

    def product(number: int, taken: list[float]) -> None:
        nonlocal now
        now += taken.pop(0) if taken else (2.0, 1.0)[number]

    hindered = [20.0] * 4
    times = machine._times(
        [partial(product, number, hindered if number == slow else []) for number in range(2)],
        40.0,
        lambda: now,
    )
    assert min(times[0]) == 2 * min(times[1])
    assert len(times[0]) == len(times[1]) >= 5


def test_the_choice_is_kept_and_not_measured_again(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_rates_of_one_core", lambda dtypes: [1e11, 4e11])
    assert best_dtype() == torch.bfloat16
    best_dtype.cache_clear()
    monkeypatch.setattr(machine, "_rates_of_one_core", lambda dtypes: [1e11, 1e9])
    assert best_dtype() == torch.bfloat16  # what a busy moment would say now is not asked for
    monkeypatch.setattr(machine, "_processor", lambda: "another one")
    best_dtype.cache_clear()
    assert best_dtype() == torch.float32


def test_the_rate_is_the_best_that_was_ever_measured(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for measured, told in ((5e11, 5e11), (2e9, 5e11), (6e11, 6e11)):
        matmul_rate.cache_clear()
        monkeypatch.setattr(machine, "measured_rate", lambda dtype, seconds, measured=measured: measured)
        assert matmul_rate(torch.float32) == told


@pytest.mark.parametrize(
    "spoilt", ["folder", "file in the way", "[]", "{", '{"a": 1}', "[" * 100_000, '{"KEY": {"float32": "much"}}']
)
def test_a_cache_that_is_no_use_is_no_hindrance(fresh: Path, monkeypatch: pytest.MonkeyPatch, spoilt: str) -> None:
    if spoilt == "folder":
        (fresh / "machine.json").mkdir(parents=True)
    elif spoilt == "file in the way":
        fresh.write_text("")
    else:
        key = f"{machine._processor()}, {cores()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads"
        fresh.mkdir()
        (fresh / "machine.json").write_text(spoilt.replace("KEY", key))
    monkeypatch.setattr(machine, "_rates_of_one_core", lambda dtypes: [1e11, 4e11])
    assert best_dtype() == torch.bfloat16
    assert matmul_rate(torch.float32, seconds=0.01) > 1e6


@pytest.mark.usefixtures("two_cores")
def test_the_cores_of_the_process_stay_as_they_were(fresh: Path) -> None:
    before = torch.get_num_threads()
    assert best_dtype() in (torch.float32, torch.bfloat16)
    assert torch.get_num_threads() == before
    assert "one core, bfloat16" in (fresh / "machine.json").read_text()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cpu.max": "nonsense"}, None),
    ],
)
def test_a_quota_of_time_bounds_the_cores(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert cores(tmp_path) == (expected or cores())
