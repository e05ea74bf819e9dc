import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from danlu.machine.crew import Crew, let_go_of_cores


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


@pytest.mark.skipif(sys.platform != "linux", reason="the threads of a process are counted in /proc")
@pytest.mark.usefixtures("two_cores")
def test_threads_that_computed_for_another_end_when_it_lets_them_go_and_come_again_when_it_computes() -> None:
    counts, values = [], []

    def compute() -> None:
        torch.set_num_threads(2)
        matrix = torch.ones(512, 512)
        for step in (None, let_go_of_cores, None):
            if step is None:
                values.append(float((matrix @ matrix).sum()))
            else:
                step()
            time.sleep(0.05)  # a thread that was told to end takes a moment
            counts.append(len([*Path("/proc/self/task").iterdir()]))

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    assert (counts[0] - counts[1], counts[2] - counts[1]) == (1, 1)
    assert values == [512.0**3] * 2
