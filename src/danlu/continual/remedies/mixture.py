"""Several remedies at once, such as a memory of records and weights that are held."""

from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator
from torch import Tensor

from danlu.continual.remedy import Earlier, Kept, Learnt, Remedy, Values
from danlu.continual.several import Added
from danlu.task.task import Task
from danlu.tuning.method import Method


class Mixture(Remedy):
    """Do what each of some remedies does."""

    of: tuple[Remedy, ...] = Field(min_length=2, description="remedies, each of another kind, such as [replay, ewc]")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        kinds = [each.kind for each in self.of]
        if len(set(kinds)) < len(kinds) or "mixture" in kinds or any(each.at_once for each in self.of):
            raise ValueError(
                f"'of' takes remedies for a sequence, each of another kind, unlike {', '.join(kinds)}; leave out what "
                "is twice there, 'joint' and 'mixture'"
            )
        if sum(each.renews or each.kind == "ewc" for each in self.of) > 1:
            raise ValueError(
                "'olora' and 'averaging' change the weights after each task, which neither 'ewc' nor the other of "
                "the two knows of; mix one of the three with 'replay' or 'lwf'"
            )
        return self

    @property
    def looks_back(self) -> bool:
        """See `Remedy.looks_back`."""
        return any(each.looks_back for each in self.of)

    @property
    def renews(self) -> bool:
        """See `Remedy.renews`."""
        return any(each.renews for each in self.of)

    @property
    def trains_old_heads(self) -> bool:
        """See `Remedy.trains_old_heads`."""
        return any(each.trains_old_heads for each in self.of)

    def suits(self, name: str, task: Task) -> None:
        """See `Remedy.suits`."""
        for each in self.of:
            each.suits(name, task)

    def method(self, method: Method) -> Method:
        """See `Remedy.method`."""
        for each in self.of:
            method = each.method(method)
        return method

    def begins(self, now: Values, first: Values, shared: Sequence[str]) -> Values:
        """See `Remedy.begins`."""
        for each in self.of:
            now = each.begins(now, first, shared)
        return now

    def ends(self, number: int, begun: Values, values: Values, before: Values, shared: Sequence[str]) -> Values:
        """See `Remedy.ends`."""
        for each in self.of:
            values = each.ends(number, begun, values, before, shared)
        return values

    def repeated(self, new: int, kept: int, seed: int) -> Sequence[int]:
        """See `Remedy.repeated`."""
        for each in self.of:
            chosen = each.repeated(new, kept, seed)
            if chosen != range(kept):
                return chosen
        return range(kept)

    def added(self, kept: Kept, earlier: Earlier) -> list[Added]:
        """See `Remedy.added`."""
        return [added for each in self.of for added in each.added(_own(kept, each), earlier)]

    def kept(self, kept: Kept, learnt: Learnt) -> Kept:
        """What each keeps, its tensors under its name."""
        records, tensors = dict(kept.records), dict[str, Tensor]()
        for each in self.of:
            found = each.kept(_own(kept, each), learnt)
            records |= found.records
            tensors |= {f"{each.kind} {name}": value for name, value in found.tensors.items()}
        return Kept(records, tensors)


def _own(kept: Kept, remedy: Remedy) -> Kept:
    start = f"{remedy.kind} "
    own = {name.removeprefix(start): value for name, value in kept.tensors.items() if name.startswith(start)}
    return Kept(kept.records, own)
