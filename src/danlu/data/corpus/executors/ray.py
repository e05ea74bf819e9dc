"""A Ray cluster (Moritz et al., "Ray: A Distributed Framework for Emerging AI Applications", 2018)."""

import importlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import Any, TypeVar

from pydantic import Field

from danlu.data.corpus.executor import Executor
from danlu.machine.module_path import module_path
from danlu.refusal import Refusal

Item = TypeVar("Item")
Result = TypeVar("Result")


class Ray(Executor):
    """Tasks on a Ray cluster, whose machines share the folder of the run; without an address on a local one."""

    address: str | None = Field(default=None, description="of the cluster, such as 'auto'; None: this machine alone")
    processes: int | None = Field(default=None, ge=1, le=65536, description="tasks at a time; None: one a core")

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Apply the function on the cluster; see `Executor.map`.

        Raises:
            Refusal: Ray is not installed, or the cluster does not answer.
        """
        if find_spec("ray") is None:
            raise Refusal("the executor 'ray' needs the package ray; run: pip install 'danlu[ray]'")
        ray: Any = importlib.import_module("ray")  # has types for half of its functions

        if not ray.is_initialized():
            _join(ray, self.address, self.processes)  # until this process ends: joining takes seconds
        processes = self.processes or int(ray.cluster_resources().get("CPU", 1))
        yield from _mapped(ray, function, items, processes)


class _Fixed(list[str]):
    """Where the workers look for modules; Ray would add the working folder, before everything else."""

    def extend(self, more: Iterable[str]) -> None:
        """Stay as it is."""


def _join(ray: Any, address: str | None, processes: int | None) -> None:
    settings: dict[str, Any] = {} if address else {"num_cpus": processes, "include_dashboard": False}
    job = importlib.import_module("ray.job_config").JobConfig()
    job._py_driver_sys_path = _Fixed(module_path())
    settings |= {"job_config": job, "log_to_driver": False, "logging_level": "ERROR"}
    try:
        ray.init(address=address, ignore_reinit_error=True, **settings)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise Refusal(
            f"the Ray cluster at '{address or 'this machine'}' does not answer ({str(error).splitlines()[0]}); "
            "start it with 'ray start', or use 'executor: local'"
        ) from error


def _mapped(ray: Any, function: Callable[[Item], Result], items: Iterable[Item], processes: int) -> Iterator[Result]:
    call = ray.remote(_called).options(max_retries=3)
    shared = ray.put(function)
    waiting: deque[Any] = deque()

    def next_result() -> Result:
        try:
            return ray.get(waiting.popleft())  # type: ignore[no-any-return]
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error

    for item in items:
        waiting.append(call.remote(shared, item))
        if len(waiting) > 2 * processes:
            yield next_result()
    while waiting:
        yield next_result()


def _called(function: Callable[[Item], Result], item: Item) -> Result:
    return function(item)
