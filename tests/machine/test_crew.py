import threading
import time

import pytest
import torch

from danlu.machine.crew import Crew


def test_results_come_in_the_order_of_the_jobs() -> None:
    crew = Crew(3)
    jobs = [lambda n=n: (time.sleep(0.02 * (4 - n)), n)[1] for n in range(5)]
    assert crew.run(jobs) == list(range(5))
    assert crew.run([]) == []
    crew.close()


@pytest.mark.usefixtures("two_cores")
def test_jobs_run_side_by_side_with_one_core_each() -> None:
    barrier = threading.Barrier(2, timeout=20)

    def meet() -> int:
        barrier.wait()
        return torch.get_num_threads()

    before = torch.get_num_threads()
    crew = Crew(2)
    assert crew.run([meet, meet]) == [1, 1]
    crew.close()
    assert torch.get_num_threads() == before


def test_one_worker_is_the_caller_itself() -> None:
    crew = Crew(1)
    assert crew.run([threading.current_thread]) == [threading.current_thread()]
    crew.close()


@pytest.mark.parametrize("size", [1, 2])
def test_an_error_in_a_job_reaches_the_caller_and_the_crew_goes_on(size: int) -> None:
    crew = Crew(size)
    with pytest.raises(ZeroDivisionError):
        crew.run([lambda: 1, lambda: 1 // 0])
    assert crew.run([lambda: 2]) == [2]
    crew.close()


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    crew = Crew(4)
    crew.run([lambda: time.sleep(0.01)] * 4)
    assert threading.active_count() > before
    crew.close()
    assert threading.active_count() == before
