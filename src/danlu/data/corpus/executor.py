"""The promise of an executor: what applies a pure function to chunk after chunk, in order."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, TypeVar

from danlu.recipe.part import Part

Item = TypeVar("Item")
Result = TypeVar("Result")


class Executor(Part):
    """Where the work on chunks of data is done; the results are the same wherever that is."""

    folder: ClassVar[str] = "danlu.data.corpus.executors"

    @abstractmethod
    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield the function's results in the order of the items, a few items ahead and no more.

        The function, the items and the results can be sent to another process: functions of modules, and dataclasses
        with `__call__`. An exception of the function is raised here; a `Refusal` stays one.
        """
