import os

import pytest
import torch

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


def test_bfloat16_is_chosen_only_where_it_is_faster() -> None:
    faster = matmul_rate(torch.bfloat16) > 1.5 * matmul_rate(torch.float32)
    assert best_dtype() == (torch.bfloat16 if faster else torch.float32)
