"""Some records of each task are kept and learnt again with the next ones (Chaudhry et al., 2019)."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from danlu.continual.remedy import Kept, Learnt, Remedy
from danlu.data.labels import label_of
from danlu.data.record import Record
from danlu.machine.seed import generator


class Replay(Remedy):
    """Keep some records of each task, and learn them again beside those of the next."""

    budget: int = Field(default=200, description="records that are kept of each task at most")
    choose: Literal["balanced", "random"] = Field(
        default="balanced", description="as many of each label as there are; random: as a reservoir would"
    )
    share: float | None = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="share of the rows of an epoch that are old ones, however few are kept; None: each as often as new",
    )

    @field_validator("budget")
    @classmethod
    def _keeps_something(cls, value: int) -> int:
        if value < 1:
            raise ValueError(
                f"a memory of {value:,} records keeps nothing; write 1 or more, or take the remedy 'naive'"
            )
        return value

    def repeated(self, new: int, kept: int, seed: int) -> Sequence[int]:
        """All that are kept, or as many draws as make up their share, each as often as all others, or once more."""
        if self.share is None or not kept:
            return range(kept)
        wanted = max(1, round(new * self.share / (1 - self.share)))
        rng = generator(seed, "replay")
        rounds = [rng.permutation(kept) for _ in range(-(-wanted // kept))]
        return [int(row) for row in np.concatenate(rounds)[:wanted]]

    def kept(self, kept: Kept, learnt: Learnt) -> Kept:
        """The records that were kept, and some of the last task."""
        rng = generator(learnt.seed, "memory", learnt.name)
        shuffled = [learnt.records[row] for row in rng.permutation(len(learnt.records))]
        if self.choose == "balanced":
            shuffled = _by_turns(shuffled)
        chosen = shuffled[: self.budget]
        return Kept(kept.records | {learnt.name: chosen}, kept.tensors)


def _by_turns(records: Sequence[Record]) -> list[Record]:
    """One of each label after the other; all in their order where records carry no single label."""
    piles = defaultdict[str, list[Record]](list)
    for record in records:
        piles[label_of(record.get("label")) or ""].append(record)
    rounds = chain.from_iterable(zip_longest(*piles.values()))
    return [record for record in rounds if record is not None]
